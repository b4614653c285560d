"""An average of the weights over training, kept sharded beside them (of the last checkpoints: arXiv:1803.05407)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from domainlm.specs.recipe import AverageSpec


def share(step: int, num_steps: int, spec: AverageSpec, checkpoint_steps: int) -> float:
    """What the weights after `step` steps count in the average, which keeps the rest; checkpoints are every so many.

    >>> [round(share(step, 10, AverageSpec(last=3), 2), 3) for step in range(1, 11)]
    [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.5, 0.0, 0.333]
    """
    if spec.ema is not None:
        return 1 - spec.ema
    assert spec.last is not None
    taken = [n for n in range(1, num_steps + 1) if n % checkpoint_steps == 0 or n == num_steps][-spec.last :]
    return 1 / (taken.index(step) + 1) if step in taken else 0.0


def begin(model: nn.Module) -> dict[str, Tensor]:
    """The average before the first step: the weights that learn, as they are, by name."""
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


@torch.no_grad()
def take(average: Mapping[str, Tensor], model: nn.Module, count: float) -> None:
    """Let the model's weights count for `count` in the average."""
    if count:
        for name, parameter in model.named_parameters():
            if name in average:
                average[name].lerp_(parameter.detach(), count)


@torch.no_grad()
def give(average: Mapping[str, Tensor], model: nn.Module) -> None:
    """Make the average the model's weights."""
    for name, parameter in model.named_parameters():
        if name in average:
            parameter.copy_(average[name])
