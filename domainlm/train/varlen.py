"""Documents of a row apart on a GPU, by torch's kernel for sequences of many lengths: no mask, no score across them.

Ready for a GPU, and not yet run on one: before it is used, it is compared there with attention under a dense mask,
which stays where the two differ or where there is no such kernel.
"""

# B rows, H heads, T tokens, D width of a head, N tokens of all rows

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward

from domainlm.train import packed

NAME = "domainlm_varlen"
_FAMILIES = frozenset({"gpt2", "gpt_neox", "llama", "mistral", "olmo2", "qwen2", "qwen3"})
_TOLERANCE = 0.02
"""Of a tensor's norm: what is rounded to 8 bits in another order differs by 0.3%, and documents that leak by 50%."""


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    cu_seqlens: Tensor | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """As transformers calls its attentions: (B, H, T, D) each, and out comes (B, T, H, D).

    `cu_seqlens` is the batch's own; where each row is one document, torch's causal attention is as exact, and faster.
    """
    # Nothing is masked here but by `cu_seqlens`: without it documents would see each other, in silence.
    assert cu_seqlens is not None and attention_mask is None and sliding_window is None
    num_rows, _, num_tokens, _ = query.shape
    if len(cu_seqlens) == num_rows + 1:
        return sdpa_attention_forward(module, query, key, value, None, scaling=scaling, is_causal=True, **kwargs)
    groups = query.shape[1] // key.shape[1]  # torch 2.11's kernel wants as many heads of all three
    query_NHD, key_NHD, value_NHD = (
        tensor.transpose(1, 2).flatten(0, 1) for tensor in (query, repeat_kv(key, groups), repeat_kv(value, groups))
    )
    out_NHD = _varlen(query_NHD, key_NHD, value_NHD, cu_seqlens, num_tokens, scaling)
    return out_NHD.unflatten(0, (num_rows, num_tokens)), None


def _varlen(
    query_NHD: Tensor, key_NHD: Tensor, value_NHD: Tensor, cu_seqlens: Tensor, longest: int, scale: float | None
) -> Tensor:
    lengths = {"cu_seq_q": cu_seqlens, "cu_seq_k": cu_seqlens, "max_q": longest, "max_k": longest}
    out: Any = varlen_attn(query_NHD, key_NHD, value_NHD, **lengths, scale=scale, window_size=(-1, 0))
    return out


# No mask is registered under this name, so transformers builds none.
AttentionInterface.register(NAME, attend)


def documents(model: PreTrainedModel, inputs: packed.Inputs) -> dict[str, Tensor]:
    """What a model whose attention is this one is given beside its tokens."""
    return {"cu_seqlens": inputs["cu_seqlens"]} if model.config._attn_implementation == NAME else {}


def choose(model: PreTrainedModel, device: torch.device, precision: str) -> str:
    """Make this the model's attention where it can be; else why the GPU is left with dense masks, or nothing."""
    windowed = getattr(model.config, "sliding_window", None) is not None
    if device.type != "cuda" or precision == "fp32" or windowed or model.config.model_type not in _FAMILIES:
        return ""
    why = _difference(device)
    if not why:
        model.set_attn_implementation(NAME)
    return why


def _difference(device: torch.device) -> str:
    """How the kernel differs from attention under a dense mask, forward or backward; nothing where it does not."""
    cu_seqlens = torch.tensor([0, 40, 96, 100, 192], dtype=torch.int32, device=device)
    document_BT = torch.bucketize(torch.arange(192, device=device), cu_seqlens, right=True).view(2, 96)
    mask_B1TT = packed.before(document_BT)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        query, key, value, gradient = torch.randn(4, 2, 4, 96, 64, device=device, dtype=torch.bfloat16)

    def outcome(attention: Any) -> list[Tensor]:
        given = [t.clone().requires_grad_() for t in (query, key, value)]
        made = attention(*given)
        return [made.detach(), *torch.autograd.grad(made, given, gradient)]

    try:
        ours = outcome(lambda q, k, v: attend(nn.Module(), q, k, v, None, cu_seqlens=cu_seqlens)[0].transpose(1, 2))
    except (RuntimeError, NotImplementedError) as error:
        return f"torch's kernel for sequences of many lengths cannot run: {error}"
    theirs = outcome(lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, mask_B1TT))
    far = max(float((a.float() - b.float()).norm() / b.float().norm()) for a, b in zip(ours, theirs, strict=True))
    return "" if far < _TOLERANCE else f"torch's kernel for sequences of many lengths is {far:.1%} away from attention"
