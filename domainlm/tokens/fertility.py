"""How well a vocabulary fits a domain: measured on text that the tokenizer was not trained on."""

# V tokens of the vocabulary

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from domainlm.digest import seed_for
from domainlm.manifest import Manifest
from domainlm.tokens.sample import available_bytes, choose, texts
from domainlm.tokens.tokenizer import vocab_size

SAMPLE_BYTES = 8_000_000
"""Held-out text measured per domain, at most; the third digit of each figure stands still well before."""
_ENCODED_CHARS = 500_000
"""Encoded at once, and one text at least."""
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tally:
    """What a tokenizer made of some text."""

    num_bytes: int
    """Of the text, in UTF-8."""
    tokens_V: npt.NDArray[np.int64]
    """How often each token came."""
    words: Counter[str]
    """Longest runs of letters in the text."""


def by_domain(tokenizer: Tokenizer, corpus: Manifest, *, seed: int) -> dict[str, dict[str, float]]:
    """`measure` on the held-out text of each domain that has some."""
    return {domain: measure(tokenizer, batches) for domain, batches in heldout(corpus, seed=seed).items()}


def heldout(corpus: Manifest, *, seed: int) -> dict[str, Iterator[list[str]]]:
    """Held-out texts of each domain that has some, some at a time: the same documents for every tokenizer."""
    found = {}
    for domain, num_bytes in sorted(available_bytes(corpus, "heldout").items()):
        if num_bytes:
            found[domain] = texts(choose(corpus, "heldout", domain, SAMPLE_BYTES, seed_for(seed, "fertility", domain)))
    return found


def measure(tokenizer: Tokenizer, batches: Iterable[list[str]]) -> dict[str, float]:
    """`figures` of texts."""
    return figures(tokenizer, tally(tokenizer, batches))


def tally(tokenizer: Tokenizer, batches: Iterable[list[str]]) -> Tally:
    """What `tokenizer` makes of texts."""
    num_bytes = 0
    tokens_V = np.zeros(vocab_size(tokenizer), np.int64)
    words: Counter[str] = Counter()
    for batch in batches:
        num_bytes += sum(len(text.encode()) for text in batch)
        for few in _few(batch):
            for encoding in tokenizer.encode_batch_fast(few, add_special_tokens=False):
                tokens_V += np.bincount(encoding.ids, minlength=tokens_V.size)
        for text in batch:
            words.update(_WORD.findall(text))
    return Tally(num_bytes=num_bytes, tokens_V=tokens_V, words=words)


def _few(batch: list[str]) -> Iterator[list[str]]:
    """The batch in parts: what `tokenizers` makes of a text takes it some thirty times the room of the text."""
    few: list[str] = []
    held = 0
    for text in batch:
        few.append(text)
        held += len(text)
        if held > _ENCODED_CHARS:
            yield few
            few, held = [], 0
    yield few


def figures(tokenizer: Tokenizer, tallied: Tally) -> dict[str, float]:
    """What `tokenizer` made of a text.

    - bytes_per_token: UTF-8 bytes of text per token.
    - tokens_per_word: tokens per word, the fertility of Rust et al., arXiv:2012.15613. A word is a longest run of
      letters, encoded by itself behind a space.
    - words_kept_whole: share of words that are one token; the rest is Rust et al.'s proportion of continued words.
    """
    num_tokens = int(tallied.tokens_V.sum())
    words = list(tallied.words)
    pieces = tokens_behind_space(tokenizer, words)
    num_words = tallied.words.total()
    spent = sum(count * tallied.words[word] for word, count in zip(words, pieces, strict=True))
    whole = sum(tallied.words[word] for word, count in zip(words, pieces, strict=True) if count == 1)
    return {
        "bytes_per_token": tallied.num_bytes / num_tokens if num_tokens else 0.0,
        "tokens_per_word": spent / num_words if num_words else 0.0,
        "words_kept_whole": whole / num_words if num_words else 0.0,
    }


def tokens_behind_space(tokenizer: Tokenizer, words: list[str]) -> list[int]:
    """Tokens of each of `words` by itself, with a space before it."""
    return [
        len(encoding)
        for encoding in tokenizer.encode_batch_fast([f" {word}" for word in words], add_special_tokens=False)
    ]
