from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from domainlm.train import attention


class Module(nn.Module):
    is_causal = True


def outcome(own: bool, mask: Tensor | None, kv_heads: int, num_tokens: int = 24) -> list[Tensor]:
    torch.manual_seed(0)
    query, *others = (torch.randn(3, heads, num_tokens, 8, requires_grad=True) for heads in (4, kv_heads, kv_heads))
    if own:
        made = attention.attend(Module(), query, *others, mask, scaling=0.3)[0].transpose(1, 2)
    else:
        repeated = (tensor.repeat_interleave(4 // kv_heads, 1) for tensor in others)
        made = functional.scaled_dot_product_attention(query, *repeated, mask, is_causal=mask is None, scale=0.3)
    gradient = torch.randn(made.shape, generator=torch.Generator().manual_seed(1))
    return [made.detach(), *torch.autograd.grad(made, [query, *others], gradient)]


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("heads_at_once", [1, 3, 9, 12])
def test_it_is_torch_s_own_attention_with_its_gradients(
    masked: bool, kv_heads: int, heads_at_once: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(attention, "_BLOCK_SCORES", heads_at_once * 24**2)
    document = torch.tensor([[0] * 10 + [1] * 14, [0] * 24, [0, 1] * 12])
    mask = (document[:, None, :, None] == document[:, None, None, :]) if masked else None
    for ours, theirs in zip(outcome(True, mask, kv_heads), outcome(False, mask, kv_heads), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_long_rows_are_left_to_torch(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(attention._Attention, "apply", lambda *_: pytest.fail("kept the square of a long row"))
    outcome(True, None, 4, num_tokens=attention._MOST_TOKENS + 1)
