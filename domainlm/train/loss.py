"""Cross-entropy of a linear output, in blocks: never more of the logits at once than fit, forward and backward.

The whole logits in fp32 with their gradients are the largest thing that training a small model with a large vocabulary
keeps: 10 bytes for each token of each row and each of the vocabulary. Here a block's logits become their own gradient
in place and are forgotten, so that nothing of them waits for the backward pass (Liger Kernel, arXiv:2410.10989,
section 3.2; here on any device, without a kernel of its own).
"""

# N positions, n of a block, D width, V vocabulary

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_BLOCK_LOGITS = {"cpu": 2**21, "cuda": 2**28}
"""Of a block, at most: 8 MiB in fp32 stay in a CPU's cache, 1 GiB is little of a GPU's memory."""
_LEAST_BLOCK = 128


class _LinearCrossEntropy(torch.autograd.Function):
    """Sum over the positions; gradients are made in the forward pass and scaled in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, bias_V: Tensor | None, label_N: Tensor, with_gradients: bool
    ) -> Tensor:
        on_cpu = hidden_ND.device.type == "cpu"
        rows = max(_LEAST_BLOCK, _BLOCK_LOGITS["cpu" if on_cpu else "cuda"] // len(weight_VD))
        rows = max(1, min(rows, len(label_N)))
        learns = with_gradients and weight_VD.requires_grad
        total = hidden_ND.new_zeros((), dtype=torch.float32)
        gradient_ND = torch.empty_like(hidden_ND) if with_gradients else None
        # In fp32: rounded, a block's gradient would be lost in the sum of those before.
        gradient_VD = torch.zeros_like(weight_VD, dtype=torch.float32) if learns else None
        gradient_V = torch.zeros_like(bias_V, dtype=torch.float32) if learns and bias_V is not None else None
        # The same memory for each block: on a CPU fresh pages cost as much as what is computed in them.
        product, logits = (hidden_ND.new_empty(rows, len(weight_VD), dtype=of) for of in (None, torch.float32))
        for first in range(0, len(label_N), rows):
            at = slice(first, first + rows)
            label_n1 = label_N[at, None]
            product_nV, logits_nV = (space[: len(label_n1)] for space in (product, logits))
            if bias_V is None:
                torch.mm(hidden_ND[at], weight_VD.T, out=product_nV)
            else:
                torch.addmm(bias_V, hidden_ND[at], weight_VD.T, out=product_nV)
            highest_n1, asked_n1 = (
                of_n1.float() for of_n1 in (product_nV.amax(1, True), product_nV.gather(1, label_n1))
            )
            # In place on a CPU, whose kernel is known to allow it.
            probability_nV = torch.softmax(logits_nV.copy_(product_nV), 1, out=logits_nV if on_cpu else None)
            # The highest logit's probability is 1 / sum(exp(logit - highest)): the partition without a second pass.
            total += (highest_n1 - probability_nV.amax(1, True).log() - asked_n1).sum()
            if gradient_ND is None:
                continue
            probability_nV.scatter_add_(1, label_n1, torch.full_like(highest_n1, -1.0))
            gradient_nV = product_nV.copy_(probability_nV)
            torch.mm(gradient_nV, weight_VD, out=gradient_ND[at])
            if gradient_VD is not None:
                gradient_VD += gradient_nV.T @ hidden_ND[at]
            if gradient_V is not None:
                gradient_V += probability_nV.sum(0)
        if gradient_ND is not None:
            ctx.save_for_backward(gradient_ND, gradient_VD, gradient_V)
            ctx.dtype = weight_VD.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        scaled = [None if saved is None else saved.mul_(gradient).to(ctx.dtype) for saved in ctx.saved_tensors]
        return (*scaled, None, None)


@contextmanager
def passed_through(output: nn.Module) -> Iterator[None]:
    """Within it, a model's output layer hands on what it is given: the model's logits are its last hidden states."""
    output.forward = lambda hidden: hidden
    try:
        yield
    finally:
        del output.forward


def linear_cross_entropy(hidden_ND: Tensor, weight_VD: Tensor, bias_V: Tensor | None, label_N: Tensor) -> Tensor:
    """Cross-entropy of `hidden_ND @ weight_VD.T + bias_V` summed over the labels, in nats; a scalar in fp32.

    Products are in the dtype of what is multiplied, all else in fp32. The loss is differentiable once.
    """
    loss: Any = _LinearCrossEntropy.apply(hidden_ND, weight_VD, bias_V, label_N, torch.is_grad_enabled())
    return loss
