"""Attention over short rows on a CPU, by matrix products: there torch's fused kernel goes back slower than they do.

8 rows of 256 tokens, 6 heads of 64, bf16, one core: 22 CPU-ms forward and backward, against 43 of
`scaled_dot_product_attention`. What it keeps grows with the square of a row: longer rows, other devices and biases are
left to transformers' own `sdpa`.
"""

# G rows x heads, T tokens, D width of a head

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "domainlm_short"
_MOST_TOKENS = 512
_BLOCK_SCORES = 2**19
"""At once: 2 MiB in fp32 stay in a core's caches."""


class _Attention(torch.autograd.Function):
    """A few heads at a time, in memory that is used again: the scores of all would be fresh pages each time, and those
    cost more than the products. Softmax is taken in fp32."""

    @staticmethod
    def forward(
        ctx: Any, query_GTD: Tensor, key_GTD: Tensor, value_GTD: Tensor, unseen: Tensor, num_heads: int, scale: float
    ) -> Tensor:
        """`unseen`, (rows or 1, 1, T, T) in fp32, is added to the scores: 0, or -inf where nothing is to be seen."""
        num_all, num_tokens, _ = query_GTD.shape
        blocks = _blocks(num_all // num_heads, num_heads, num_tokens)
        weight_GTT = query_GTD.new_empty(num_all, num_tokens, num_tokens)
        product = torch.empty_like(weight_GTT[blocks[0][0]])
        score = torch.empty_like(product, dtype=torch.float32)
        out_GTD = torch.empty_like(query_GTD)
        for at, rows in blocks:
            product_gTT, score_gTT = (space[: at.stop - at.start] for space in (product, score))
            torch.bmm(query_GTD[at], key_GTD[at].transpose(1, 2), out=product_gTT)
            score_bhTT = score_gTT.copy_(product_gTT).view(rows.stop - rows.start, -1, num_tokens, num_tokens)
            torch.add(unseen[rows] if len(unseen) > 1 else unseen, score_bhTT, alpha=scale, out=score_bhTT)
            torch.softmax(score_gTT, -1, out=score_gTT)
            torch.bmm(weight_GTT[at].copy_(score_gTT), value_GTD[at], out=out_GTD[at])
        ctx.save_for_backward(query_GTD, key_GTD, value_GTD, weight_GTT)
        ctx.scale, ctx.blocks = scale, [at for at, _ in blocks]
        return out_GTD

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query_GTD, key_GTD, value_GTD, weight_GTT = ctx.saved_tensors
        gradient_GTD = gradients[0].contiguous()
        of_query, of_key, of_value = (torch.empty_like(query_GTD) for _ in range(3))
        product = torch.empty_like(weight_GTT[ctx.blocks[0]])
        score, weight = (torch.empty_like(product, dtype=torch.float32) for _ in range(2))
        for at in ctx.blocks:
            product_gTT, score_gTT, weight_gTT = (space[: at.stop - at.start] for space in (product, score, weight))
            torch.bmm(weight_GTT[at].transpose(1, 2), gradient_GTD[at], out=of_value[at])
            torch.bmm(gradient_GTD[at], value_GTD[at].transpose(1, 2), out=product_gTT)
            score_gTT.copy_(product_gTT)
            weight_gTT.copy_(weight_GTT[at])
            torch._softmax_backward_data(score_gTT, weight_gTT, -1, torch.float32, grad_input=score_gTT)
            product_gTT.copy_(score_gTT.mul_(ctx.scale))
            torch.bmm(product_gTT, key_GTD[at], out=of_query[at])
            torch.bmm(product_gTT.transpose(1, 2), query_GTD[at], out=of_key[at])
        return of_query, of_key, of_value, None, None, None


def _blocks(num_rows: int, num_heads: int, num_tokens: int) -> list[tuple[slice, slice]]:
    """Heads, counted through all rows, and the rows that they are of: those of whole rows, or some of one; the first
    block is the largest.

    >>> [(at.start, at.stop, rows.start, rows.stop) for at, rows in _blocks(3, 4, 256)]
    [(0, 8, 0, 2), (8, 12, 2, 3)]
    >>> [(at.start, at.stop, rows.start, rows.stop) for at, rows in _blocks(2, 3, 512)]
    [(0, 2, 0, 1), (2, 3, 0, 1), (3, 5, 1, 2), (5, 6, 1, 2)]
    """
    fitting = max(1, _BLOCK_SCORES // num_tokens**2)
    if fitting >= num_heads:
        some = fitting // num_heads
        rows = [slice(row, min(row + some, num_rows)) for row in range(0, num_rows, some)]
        return [(slice(at.start * num_heads, at.stop * num_heads), at) for at in rows]
    heads = [(head, min(head + fitting, num_heads)) for head in range(0, num_heads, fitting)]
    return [
        (slice(row * num_heads + first, row * num_heads + last), slice(row, row + 1))
        for row in range(num_rows)
        for first, last in heads
    ]


@lru_cache(maxsize=2)
def _unseen(num_tokens: int) -> Tensor:
    """(1, 1, T, T): -inf where a token comes after the one that asks, else 0."""
    return torch.full((num_tokens, num_tokens), float("-inf")).triu(1)[None, None]


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """As transformers calls its attentions: (rows, heads, T, D) each, and out comes (rows, T, heads, D)."""
    num_rows, num_heads, num_tokens, width = query.shape
    causal = attention_mask is None and (is_causal if is_causal is not None else getattr(module, "is_causal", True))
    plain = kwargs.get("position_bias") is None and kwargs.get("softcap") is None and not dropout
    masked = causal or (attention_mask is not None and attention_mask.dtype == torch.bool)
    square = key.shape[2] == value.shape[2] == num_tokens <= _MOST_TOKENS and not torch.compiler.is_compiling()
    if not (query.device.type == "cpu" and plain and masked and square):
        how = {"dropout": dropout, "scaling": scaling, "is_causal": is_causal}
        return sdpa_attention_forward(module, query, key, value, attention_mask, **how, **kwargs)
    groups = num_heads // key.shape[1]
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    unseen = _unseen(num_tokens)
    if attention_mask is not None:
        unseen = torch.zeros(attention_mask.shape).masked_fill_(~attention_mask, float("-inf"))
    flat = [tensor.reshape(num_rows * num_heads, num_tokens, width) for tensor in (query, key, value)]
    scale = scaling if scaling is not None else width**-0.5
    out: Any = _Attention.apply(*flat, unseen, num_heads, scale)
    return out.view(num_rows, num_heads, num_tokens, width).transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
