"""What a masked or a span-corruption model loses on held-out documents, by its own objective: no bits per byte.

It is the mean loss of what the objective hides, in nats, and depends on what is hidden: the same places for every model
with the same tokenizer, drawn by the document's id. It is no likelihood of the text (the pseudo-likelihoods of masked
models do not add up to one either), and says nothing beside models of another objective or tokenizer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedTokenizerBase

from domainlm import named
from domainlm.digest import seed_for
from domainlm.evaluate.bits import Score
from domainlm.evaluate.subject import Subject
from domainlm.mix.pack import batch_of_segments
from domainlm.train import model as models
from domainlm.train.packed import IGNORED, Setting

BATCH_ROWS = 8


def score(
    subject: Subject,
    folder: Path,
    ids: Sequence[str],
    texts: Sequence[str],
    *,
    window_tokens: int,
    on_batch: Callable[[int, int], None] = lambda num_done, num_all: None,
) -> list[Score]:
    """The score of each text, in the texts' order; its tokens are those that were hidden.

    A text is read in windows of `window_tokens`, each by itself, closed by the end token. `folder` is the model's.
    """
    objective = named.load("domainlm.train.objectives", subject.objective)
    special_ids, _ = models.special_ids(folder, objective.special_tokens(window_tokens))
    setting = Setting(
        seed=0,
        vocab_size=len(subject.tokenizer),
        end_token_id=_end_token_id(subject.tokenizer),
        special_ids=special_ids,
        start_token_id=getattr(subject.model.config, "decoder_start_token_id", None) or 0,
    )
    rows = [
        (number, seed_for(0, "heldout", ids[number], str(begin)), stream[begin : begin + window_tokens])
        for number, encoded in enumerate(subject.encode(texts))
        for stream in [[*encoded, setting.end_token_id]]
        for begin in range(0, len(stream), window_tokens)
    ]
    nats, counts = np.zeros(len(texts)), np.zeros(len(texts), np.int64)
    for first in range(0, len(rows), BATCH_ROWS):
        owners, numbers, windows = zip(*rows[first : first + BATCH_ROWS], strict=True)
        batch = batch_of_segments(
            np.stack([np.pad(window, (0, window_tokens - len(window))) for window in windows]).astype(np.int64),
            np.full(len(windows), -1),
            [0] * len(windows),
            [1] * len(windows),
            [len(window) for window in windows],
            source_B=np.zeros(len(windows), np.int32),
            row_B=np.array(numbers, np.int64),
        )
        inputs = {name: t.to(subject.model.device) for name, t in objective.inputs(batch, setting).items()}
        if inputs["label_BT"].numel():  # Of windows of a few tokens nothing is hidden.
            with torch.no_grad():
                logits_NV = objective.logits(subject.model, inputs).float().flatten(0, 1)
            loss_N = functional.cross_entropy(
                logits_NV, inputs["label_BT"].flatten(), ignore_index=IGNORED, reduction="none"
            )
            np.add.at(nats, list(owners), loss_N.view(len(windows), -1).double().sum(1).cpu().numpy())
            np.add.at(counts, list(owners), (inputs["label_BT"] != IGNORED).sum(1).cpu().numpy())
        on_batch(min(first + BATCH_ROWS, len(rows)), len(rows))
    return [
        Score(nats=float(loss), num_tokens=int(count), num_bytes=len(text.encode()))
        for loss, count, text in zip(nats, counts, texts, strict=True)
    ]


def _end_token_id(tokenizer: PreTrainedTokenizerBase) -> int:
    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.sep_token_id
    return int(end) if isinstance(end, int) else 0
