"""Bits per byte of held-out documents: each token is scored once, with as much context as its window gives.

A document is read after one begin-of-text (else end-of-text) token. Its first window scores all of its tokens; each
further window moves on by the stride, scores that many tokens and has the rest of the window as context. It is
lm-eval's rolling log-likelihood with `context_len = window - stride + 1`, where lm-eval itself takes 1. Bytes are those
of the text, whatever the tokenizer does, so that models with different tokenizers compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from domainlm.evaluate.likelihood import Span, log_likelihoods
from domainlm.evaluate.subject import Subject


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A part of a document's stream, which is the begin-of-text token and then the document's tokens."""

    begin: int
    """First token of the input."""
    end: int
    """One past the last token of the input; the last target is the token at `end`."""
    num_scored: int
    """Targets that are scored, counted from the end."""


def windows(num_tokens: int, window_tokens: int, stride_tokens: int) -> Iterator[Window]:
    """Windows over a document of `num_tokens` tokens: each token is a scored target exactly once.

    >>> [(w.begin, w.end, w.num_scored) for w in windows(9, 4, 2)]
    [(0, 4, 4), (2, 6, 2), (4, 8, 2), (5, 9, 1)]
    """
    scored = min(num_tokens, window_tokens)
    if scored:
        yield Window(begin=0, end=scored, num_scored=scored)
    while scored < num_tokens:
        step = min(stride_tokens, num_tokens - scored)
        scored += step
        yield Window(begin=scored - window_tokens, end=scored, num_scored=step)


def fit_window(window_tokens: int, stride_tokens: int, max_position: int | None) -> tuple[int, int]:
    """Window and stride, in tokens, that the model can take: a cut window keeps the stride's share of it.

    >>> fit_window(512, 256, 256), fit_window(512, 256, None), fit_window(8, 100, None)
    ((256, 128), (512, 256), (8, 8))
    """
    stride_tokens = min(stride_tokens, window_tokens)
    if max_position is None or window_tokens <= max_position:
        return window_tokens, stride_tokens
    return max_position, max(1, stride_tokens * max_position // window_tokens)


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """What a model says of one document; sums of these re-aggregate to any set of documents."""

    nats: float
    """Minus the log-likelihood of the document's tokens."""
    num_tokens: int
    num_bytes: int
    """UTF-8 bytes of the document's text."""


def score(
    subject: Subject,
    texts: Sequence[str],
    *,
    window_tokens: int,
    stride_tokens: int,
    on_batch: Callable[[int, int], None] = lambda num_done, num_all: None,
) -> list[Score]:
    """The score of each text, in the texts' order. The window must fit the model; `on_batch` hears of windows."""
    streams = [np.array([subject.begin_token_id, *ids], dtype=np.int64) for ids in subject.encode(texts)]
    spans, owners = [], []
    for owner, stream in enumerate(streams):
        for window in windows(len(stream) - 1, window_tokens, stride_tokens):
            spans.append(Span(tokens=stream[window.begin : window.end + 1], num_scored=window.num_scored))
            owners.append(owner)
    totals, _ = log_likelihoods(subject.model, spans, lambda num_done: on_batch(num_done, len(spans)))
    nats = np.zeros(len(texts))
    np.subtract.at(nats, owners, totals)
    return [
        Score(nats=float(nats[i]), num_tokens=len(stream) - 1, num_bytes=len(text.encode()))
        for i, (text, stream) in enumerate(zip(texts, streams, strict=True))
    ]
