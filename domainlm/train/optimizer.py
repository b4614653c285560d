"""AdamW with decay on matrices only, and the one gradient norm that all ranks agree on."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW

from domainlm.specs.run import RecipeSpec


def groups(parameters: Iterable[nn.Parameter], weight_decay: float) -> list[dict[str, object]]:
    """Two groups: matrices, which decay, and norms and biases, which do not."""
    trained = [p for p in parameters if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]


def adamw(model: nn.Module, recipe: RecipeSpec) -> AdamW:
    """AdamW (arXiv:1711.05101) over a model that is sharded already; its rate is set anew each step."""
    return AdamW(groups(model.parameters(), recipe.weight_decay), lr=0.0, betas=recipe.betas, fused=True)


def clip(model: nn.Module, clip_norm: float) -> float:
    """Scale the gradient to a norm of at most `clip_norm`; returns the norm before, the same on every rank."""
    norm = clip_grad_norm_(model.parameters(), clip_norm)
    return float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)
