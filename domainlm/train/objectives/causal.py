"""Predict the next token of the same document: packed rows train as the separate documents would, to 1e-5."""

from __future__ import annotations

from typing import TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from domainlm.records import Batch

# B rows, T tokens, U = T + 1, V vocabulary

IGNORED = -100
"""The label of a position that predicts nothing: its next token begins another document."""


class Inputs(TypedDict):
    """What the model takes of a batch."""

    input_BT: Tensor
    position_BT: Tensor
    label_BT: Tensor


def inputs(batch: Batch, device: torch.device) -> Inputs:
    """Tokens, positions that restart with each document, and labels that stop at its end."""
    document_BU = torch.from_numpy(batch.document_BU)
    tokens_BU = torch.from_numpy(batch.tokens_BU)
    crosses_BT = document_BU[:, 1:] != document_BU[:, :-1]
    return Inputs(
        input_BT=tokens_BU[:, :-1].contiguous().to(device, non_blocking=True),
        position_BT=torch.from_numpy(batch.position_BU)[:, :-1].long().to(device, non_blocking=True),
        label_BT=tokens_BU[:, 1:].masked_fill(crosses_BT, IGNORED).to(device, non_blocking=True),
    )


def num_targets(batch: Batch) -> int:
    """Tokens of the batch that are predicted."""
    return int((batch.document_BU[:, 1:] == batch.document_BU[:, :-1]).sum())


def loss_sum(model: nn.Module, inputs: Inputs) -> Tensor:
    """Cross-entropy summed over the targets, in nats; a scalar in fp32.

    No attention mask and no cache: only so does transformers keep attention inside the documents that the positions
    show. With an all-ones mask, or the default cache, documents would see each other, in silence.
    """
    logits_BTV = model(input_ids=inputs["input_BT"], position_ids=inputs["position_BT"], use_cache=False).logits
    return F.cross_entropy(
        logits_BTV.float().flatten(0, 1), inputs["label_BT"].flatten(), ignore_index=IGNORED, reduction="sum"
    )
