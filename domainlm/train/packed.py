"""Documents packed into one row do not see each other: masks that say so, for the models that need one."""

# B rows, T tokens, Q asking and K asked tokens, H heads

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from domainlm.records import Batch

IGNORED = -100
"""The label of a position that predicts nothing."""
PADDING = -1
"""The document of what is no text: padding sees padding alone."""
HIDDEN = torch.finfo(torch.bfloat16).min
"""What is added to the score of a token that is not to be seen; finite in every precision."""

Inputs = Mapping[str, Tensor]
"""What a model takes of a batch, by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """What objectives need to know beyond the batch."""

    seed: int
    vocab_size: int
    """Tokens of the text's vocabulary: those that the objective adds are not among them."""
    end_token_id: int
    special_ids: tuple[int, ...] = ()
    """Ids of the objective's `special_tokens`."""
    start_token_id: int = 0
    """What a decoder begins a document with."""


def rows(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """(B, T) each: tokens, the numbers of their documents in the row, and their positions in these."""
    document_BT, position_BT = (torch.from_numpy(array).long() for array in (batch.document_BT, batch.position_BT))
    return torch.from_numpy(batch.tokens_BT), document_BT, position_BT


def predicted(label_N: Tensor) -> Tensor:
    """Places of the labels that are none of IGNORED."""
    return (label_N != IGNORED).nonzero()[:, 0]


def same_document(document_BQ: Tensor, document_BK: Tensor) -> Tensor:
    """(B, 1, Q, K), boolean: whether a token sees another, where it sees all of its document."""
    return (document_BQ[:, None, :, None] == document_BK[:, None, None, :]).contiguous()


def before(document_BT: Tensor) -> Tensor:
    """(B, 1, T, T), boolean: whether a token sees another, where it sees what its document has up to itself."""
    length = document_BT.shape[1]
    return same_document(document_BT, document_BT) & torch.ones(length, length, device=document_BT.device).tril().bool()


def near(mask_B1TT: Tensor, window: int) -> Tensor:
    """`mask_B1TT` without what lies more than `window` tokens away."""
    place_T = torch.arange(mask_B1TT.shape[-1], device=mask_B1TT.device)
    return mask_B1TT & ((place_T[:, None] - place_T).abs() <= window)


def added(mask_B1TT: Tensor) -> Tensor:
    """A mask as what is added to the scores."""
    return torch.zeros(mask_B1TT.shape, device=mask_B1TT.device).masked_fill_(~mask_B1TT, HIDDEN)


def alibi(slopes_H1T: Tensor, mask_B1TT: Tensor) -> Tensor:
    """(B * H, 1, T): ALiBi's bias (arXiv:2108.12409) by the position in the document, which the mask itself tells.

    `slopes_H1T` is the bias of one row without documents, `mask_B1TT` as `added` makes it of `before`: a token sees as
    many tokens as its position is, and itself.
    """
    position_BT = (mask_B1TT[:, 0] == 0).sum(-1) - 1
    return slopes_H1T[:, 0, position_BT].transpose(0, 1).flatten(0, 1)[:, None]
