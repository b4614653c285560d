from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from domainlm.train import loss


@settings(max_examples=30)
@given(st.integers(0, 700), st.booleans(), st.booleans(), st.integers(0, 9))
def test_in_blocks_it_is_the_cross_entropy_of_the_whole_with_its_gradients(num, with_bias, weight_learns, seed):
    torch.manual_seed(seed)
    hidden, weight = torch.randn(num, 8, requires_grad=True), torch.randn(9000, 8, requires_grad=weight_learns)
    bias = torch.randn(9000, requires_grad=weight_learns) if with_bias else None
    label = torch.randint(9000, (num,))

    def of(made: torch.Tensor) -> list[torch.Tensor]:
        learning = [t for t in (hidden, weight, bias) if t is not None and t.requires_grad]
        return [made.detach(), *torch.autograd.grad(3 * made, learning)]

    want = of(functional.cross_entropy(functional.linear(hidden, weight, bias), label, reduction="sum"))
    # Sums of some hundred figures in another order.
    for ours, theirs in zip(of(loss.linear_cross_entropy(hidden, weight, bias, label)), want, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)


def test_in_bf16_its_gradients_are_about_as_near_to_those_in_fp32_as_torch_s():
    torch.manual_seed(0)
    hidden, weight, label = torch.randn(600, 64), torch.randn(9000, 64) / 8, torch.randint(9000, (600,))

    def gradients(dtype: torch.dtype, ours: bool) -> torch.Tensor:
        h, w = (t.to(dtype).requires_grad_() for t in (hidden, weight))
        made = (
            loss.linear_cross_entropy(h, w, None, label)
            if ours
            else functional.cross_entropy((h @ w.T).float(), label, reduction="sum")
        )
        return torch.autograd.grad(made, w)[0].float()

    exact = gradients(torch.float32, False)
    ours, theirs = ((gradients(torch.bfloat16, own) - exact).norm() for own in (True, False))
    # Both round to 8 bits; ours adds up its blocks in fp32, each rounded once.
    assert ours < 1.3 * theirs < 0.01 * exact.norm()


def test_without_gradients_none_is_made():
    hidden, weight = torch.randn(5, 8), torch.randn(20, 8, requires_grad=True)
    with torch.no_grad():
        made = loss.linear_cross_entropy(hidden, weight, None, torch.arange(5))
    assert not made.requires_grad
    assert made.item() == pytest.approx(
        functional.cross_entropy(hidden @ weight.T, torch.arange(5), reduction="sum").item(), rel=1e-5
    )
