"""A model's embeddings for another vocabulary: what it knows stays in its place, and what is new begins near it.

How new rows begin is a choice; docs/extension.md has each measured, right after and after some training.
"""

# V tokens of the new vocabulary, B tokens of the base's, D width, N new tokens, A tokens that both have
from __future__ import annotations

from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from domainlm.errors import StageError
from domainlm.specs.run import NewRows
from domainlm.tokens.transfer import Transfer

METHODS = get_args(NewRows)
DEFAULT: dict[bool, NewRows] = {True: "mean_of_all", False: "zero_output"}
"""By whether embeddings are tied."""
_ROWS_AT_ONCE = 256


def is_tied(model: PreTrainedModel) -> bool:
    """Whether one matrix reads tokens and writes them."""
    output = model.get_output_embeddings()
    return output is None or output.weight is model.get_input_embeddings().weight


def method_for(model: PreTrainedModel, new_rows: NewRows | None) -> NewRows:
    """How new rows begin, which `new_rows` may leave open."""
    return new_rows or DEFAULT[is_tied(model)]


def renew(
    model: PreTrainedModel, transfer: Transfer, new_rows: NewRows | None, static_VD: npt.NDArray[np.float32] | None
) -> NewRows:
    """Give `model` the rows of the new vocabulary; returns how the new ones begin, which `new_rows` may leave open.

    `static_VD` is wanted by `focus`. Tied embeddings stay tied. Raises StageError where the model does not have the
    base's vocabulary, or has no output rows of its own to begin at zero.
    """
    tied = is_tied(model)
    method = method_for(model, new_rows)
    if method == "zero_output" and tied:
        raise StageError(
            "`new_rows: zero_output` is for output rows of their own, and this model's are also its input's: "
            f"write `new_rows: {DEFAULT[True]}`"
        )
    ends: list[Any] = [model.get_input_embeddings(), *([] if tied else [model.get_output_embeddings()])]
    had = min(end.weight.shape[0] for end in ends)
    if had < transfer.base_vocab_size:
        raise StageError(
            f"the model has {had:,} embeddings, and the tokenizer that it was trained with has "
            f"{transfer.base_vocab_size:,} tokens: start from the model whose tokenizer it is"
        )
    made = [rows(end.weight.detach(), transfer, method, static_VD) for end in ends]
    if method == "zero_output":
        made[1][_is_new(transfer)] = 0.0
    bias = getattr(model.get_output_embeddings(), "bias", None)
    made_bias = None if bias is None else rows(bias.detach()[:, None], transfer, "mean_of_all", None)[:, 0]
    model.resize_token_embeddings(transfer.num_rows(had), mean_resizing=False)
    ends = [model.get_input_embeddings(), model.get_output_embeddings()]
    new = slice(transfer.first_id, transfer.vocab_size)
    with torch.no_grad():
        for end, of_end in zip(ends, made, strict=False):  # of tied ones there is one
            end.weight[new] = of_end.to(end.weight.dtype)
        if made_bias is not None:
            ends[1].bias[new] = made_bias.to(ends[1].bias.dtype)
    model.tie_weights()
    return method


def rows(base: Tensor, transfer: Transfer, method: NewRows, static_VD: npt.NDArray[np.float32] | None) -> Tensor:
    """(ids from `first_id` on, D) in fp32, given the base's rows; those of tokens that the base has are its own.

    - mean_of_all: the mean of the base's rows (Hewitt, 2021).
    - mean_of_pieces, zero_output: the mean of the rows of the base tokens that the new one is made of
      (arXiv:2311.00176, section III-A, has it so for the input, and zeros for the output, which `renew` sets).
    - focus: of the tokens that both have, by their likeness to the new one in `static_VD` (arXiv:2305.14481, section
      3.1). A token too rare to have static embeddings gets the mean of its pieces.
    """
    base_BD = base[: transfer.base_vocab_size].float()
    made = base_BD.mean(0).repeat(len(transfer.pieces), 1)
    known = [number for number, ids in enumerate(transfer.pieces) if ids and (method != "mean_of_all" or len(ids) == 1)]
    if known:
        flat = torch.tensor([id_ for number in known for id_ in transfer.pieces[number]])
        offsets = np.cumsum([0, *(len(transfer.pieces[number]) for number in known[:-1])])
        made[known] = functional.embedding_bag(flat, base_BD, torch.from_numpy(offsets), mode="mean")
    if method == "focus":
        assert static_VD is not None
        _focus(made, base_BD, transfer, torch.from_numpy(static_VD))
    return made


def _is_new(transfer: Transfer) -> Tensor:
    return torch.tensor([len(ids) != 1 for ids in transfer.pieces])


def _focus(made: Tensor, base_BD: Tensor, transfer: Transfer, static_VD: Tensor) -> None:
    """Set the new rows that have static embeddings to combinations of the base's."""
    same = {transfer.first_id + n: ids[0] for n, ids in enumerate(transfer.pieces) if len(ids) == 1}
    base_of = {id_: id_ for id_ in range(transfer.first_id)} | same
    there_V = static_VD.any(dim=1)
    anchors = torch.tensor([id_ for id_ in base_of if there_V[id_]], dtype=torch.long)
    new = torch.arange(transfer.first_id, transfer.vocab_size)[_is_new(transfer)]
    new = new[there_V[new]]
    if not len(anchors):
        return
    anchors_AD, base_AD = static_VD[anchors], base_BD[torch.tensor([base_of[int(id_)] for id_ in anchors])]
    for some in new.split(_ROWS_AT_ONCE):
        weights_NA = sparsemax(static_VD[some] @ anchors_AD.T)
        made[some - transfer.first_id] = weights_NA @ base_AD


def sparsemax(scores_NA: Tensor) -> Tensor:
    """The nearest point to each row among those that sum to 1 and have nothing below 0 (arXiv:1602.02068, section 2).

    >>> sparsemax(torch.tensor([[0.5, 0.5, -1.0], [2.0, 0.0, 0.0]])).tolist()
    [[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]
    """
    ordered, _ = scores_NA.sort(dim=1, descending=True)
    sums = ordered.cumsum(1) - 1
    counts = torch.arange(1, scores_NA.shape[1] + 1)
    support = (counts * ordered > sums).sum(1, keepdim=True)
    threshold = sums.gather(1, support - 1) / support
    return (scores_NA - threshold).clamp_min(0)
