"""AdamW with decay on matrices only, and the one gradient norm that all ranks agree on."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW, Optimizer

from domainlm.specs.recipe import RecipeSpec
from domainlm.train import lowbit


def groups(parameters: Iterable[nn.Parameter], weight_decay: float) -> list[dict[str, object]]:
    """Two groups: matrices, which decay, and norms and biases, which do not."""
    trained = [p for p in parameters if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]


def adamw(model: nn.Module, recipe: RecipeSpec) -> Optimizer:
    """AdamW (arXiv:1711.05101) over a model that is sharded already; its rate is set anew each step.

    Its moments are there from the start: torch would make them by a step of its own, which AdamW counts.
    """
    of = [group for group in groups(model.parameters(), recipe.weight_decay) if group["params"]]
    if recipe.optimizer == "adamw8bit":
        return lowbit.adamw(of, recipe.betas)
    made = AdamW(of, lr=0.0, betas=recipe.betas, fused=True)
    for parameter in (p for group in made.param_groups for p in group["params"]):
        moments = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
        made.state[parameter] = {"step": torch.zeros((), device=parameter.device), **moments}
    return made


def step(optimizer: Optimizer, rate: float) -> None:
    """One update at learning rate `rate`; the gradients are gone after it."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
    optimizer.step()
    optimizer.zero_grad()


def clip(model: nn.Module, clip_norm: float) -> float:
    """Scale the gradient to a norm of at most `clip_norm`; returns the norm before, the same on every rank."""
    norm = clip_grad_norm_(model.parameters(), clip_norm)
    return float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)
