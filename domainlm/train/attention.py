"""Attention over short rows on a CPU, by matrix products: there torch's fused kernel goes back slower than they do.

8 rows of 256 tokens, 6 heads of 64, bf16, one core: 29 CPU-ms forward and backward, against 47 of
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


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query_GTD: Tensor, key_GTD: Tensor, value_GTD: Tensor, hidden: Tensor, scale: float
    ) -> Tensor:
        """`hidden`, (rows or 1, 1, T, T), is True where a token is not to be seen. Softmax is taken in fp32."""
        score_GTT = torch.bmm(query_GTD, key_GTD.transpose(1, 2)).float().mul_(scale)
        rows = hidden.shape[0]
        score_GTT.view(rows, -1, *score_GTT.shape[1:]).masked_fill_(hidden, float("-inf"))
        weight_GTT = score_GTT.softmax(-1).to(query_GTD.dtype)
        ctx.save_for_backward(query_GTD, key_GTD, value_GTD, weight_GTT)
        ctx.scale = scale
        return torch.bmm(weight_GTT, value_GTD)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query_GTD, key_GTD, value_GTD, weight_GTT = ctx.saved_tensors
        gradient_GTD = gradients[0].contiguous()
        of_value = torch.bmm(weight_GTT.transpose(1, 2), gradient_GTD)
        of_weight = torch.bmm(gradient_GTD, value_GTD.transpose(1, 2)).float()
        of_score = torch._softmax_backward_data(of_weight, weight_GTT.float(), -1, torch.float32)
        of_score = of_score.mul_(ctx.scale).to(query_GTD.dtype)
        return torch.bmm(of_score, key_GTD), torch.bmm(of_score.transpose(1, 2), query_GTD), of_value, None, None


@lru_cache(maxsize=2)
def _later(num_tokens: int) -> Tensor:
    """(1, 1, T, T): True where a token comes after the one that asks."""
    return torch.ones(num_tokens, num_tokens, dtype=torch.bool).triu(1)[None, None]


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
    hidden = _later(num_tokens) if attention_mask is None else ~attention_mask
    flat = [tensor.reshape(num_rows * num_heads, num_tokens, width) for tensor in (query, key, value)]
    scale = scaling if scaling is not None else width**-0.5
    out: Any = _Attention.apply(*flat, hidden, scale)
    return out.view(num_rows, num_heads, num_tokens, width).transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
