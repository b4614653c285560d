"""Log-likelihoods of token spans, computed once for bits per byte and for lm-eval: fp32, and only the logits needed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional
from transformers import PreTrainedModel

# B spans in a batch, T tokens of input, K kept positions at the end of the input, V vocabulary

BATCH_TOKENS = {"cpu": 4096, "cuda": 65536}
"""Tokens of input in a batch. On a CPU the logits of more fall out of the cache (1M parameters, vocabulary 2,048:
4,096 takes 2.1 CPU-s where 16,384 takes 4.4)."""
BATCH_LOGITS = 2**28
"""Most logits in a batch (1 GiB in fp32): large vocabularies get smaller batches."""
_PADDED = -100


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Tokens of which the last are scored, each given all before it."""

    tokens: npt.NDArray[np.int64]
    """Context and scored tokens: one more than the model's input."""
    num_scored: int

    @property
    def num_inputs(self) -> int:
        return len(self.tokens) - 1


def log_likelihoods(
    model: PreTrainedModel, spans: Sequence[Span], on_batch: Callable[[int], None] = lambda num_spans: None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Log-likelihood of each span's scored tokens, in nats, and whether each of them was the likeliest token.

    Both have one entry a span, in the spans' order. `on_batch` is told how many spans are done.
    """
    totals, greedy = np.zeros(len(spans)), np.zeros(len(spans), dtype=bool)
    num_done = 0
    for numbers in _batches(spans, _batch_tokens(model)):
        totals[numbers], greedy[numbers] = _batch(model, [spans[number] for number in numbers])
        num_done += len(numbers)
        on_batch(num_done)
    return totals, greedy


def _batch_tokens(model: PreTrainedModel) -> int:
    by_device = BATCH_TOKENS["cpu" if model.device.type == "cpu" else "cuda"]
    return max(1, min(by_device, BATCH_LOGITS // model.config.get_text_config().vocab_size))


def _batches(spans: Sequence[Span], batch_tokens: int) -> Iterator[list[int]]:
    """Numbers of the spans of each batch. Longest first: little padding, and what is too large fails at once.

    Equal lengths are ordered by how much of them is context, so that few logits are computed in vain.
    """
    order = sorted(range(len(spans)), key=lambda i: (-spans[i].num_inputs, -spans[i].num_scored))
    batch: list[int] = []
    for number in order:
        if batch and (len(batch) + 1) * spans[batch[0]].num_inputs > batch_tokens:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


@torch.inference_mode()
def _batch(model: PreTrainedModel, spans: Sequence[Span]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Padding stands at the right, where causal attention never sees it: no mask, and positions are as they are."""
    num_inputs = max(span.num_inputs for span in spans)
    num_kept = max(num_inputs - span.num_inputs + span.num_scored for span in spans)
    inputs_BT = np.zeros((len(spans), num_inputs), dtype=np.int64)
    labels_BK = np.full((len(spans), num_kept), _PADDED, dtype=np.int64)
    for row, span in enumerate(spans):
        inputs_BT[row, : span.num_inputs] = span.tokens[:-1]
        end = num_kept - (num_inputs - span.num_inputs)
        labels_BK[row, end - span.num_scored : end] = span.tokens[len(span.tokens) - span.num_scored :]
    labels = torch.from_numpy(labels_BK).to(model.device)
    logits_BKV = _last_logits(model, torch.from_numpy(inputs_BT).to(model.device), num_kept)
    losses_BK = functional.cross_entropy(
        logits_BKV.flatten(0, 1), labels.flatten(), reduction="none", ignore_index=_PADDED
    ).view(labels.shape)
    greedy_BK = (logits_BKV.argmax(dim=-1) == labels) | (labels == _PADDED)
    return -losses_BK.double().sum(dim=1).cpu().numpy(), greedy_BK.all(dim=1).cpu().numpy()


def _last_logits(model: PreTrainedModel, inputs_BT: torch.Tensor, num_kept: int) -> torch.Tensor:
    """fp32 logits of the last `num_kept` positions; the others are not computed where the model can do without."""
    if "logits_to_keep" in inspect.signature(model.forward).parameters:
        return model(input_ids=inputs_BT, use_cache=False, logits_to_keep=num_kept).logits.float()
    return model(input_ids=inputs_BT, use_cache=False).logits[:, -num_kept:].float()
