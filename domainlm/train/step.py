"""One optimizer step over all ranks: taken by all of them alike, or refused by all."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch.distributed.fsdp import FSDPModule

from domainlm.digest import seed_for
from domainlm.errors import StageError
from domainlm.records import Batch
from domainlm.train import optimizer, parallel
from domainlm.train.training import Training


def take_step(
    training: Training, micro_batches: Sequence[Batch], *, step: int, num_targets: int, rate: float
) -> tuple[float, float]:
    """One optimizer step over all ranks: mean loss over its `num_targets`, and the gradient's norm before clipping."""
    learner, place, recipe = training.learner, training.place, training.config.recipe
    sharded = learner
    assert isinstance(sharded, FSDPModule)
    # Dropout, where a model has it, is the same on a rerun.
    torch.manual_seed(seed_for(training.config.seed, "step", str(step), str(place.rank)))
    losses: list[torch.Tensor] = []
    for index, batch in enumerate(micro_batches):
        sharded.set_requires_gradient_sync(index == len(micro_batches) - 1)
        loss = learner(training.objective.inputs(batch, place.device))
        # FSDP averages over the ranks, while this is a sum over them.
        (loss * place.num_ranks / num_targets).backward()
        losses.append(loss.detach())
    own = torch.stack(losses).double()
    (loss_sum,) = parallel.summed([own.sum().item()], place)
    grad_norm = optimizer.clip(learner, recipe.clip_norm)
    if not (math.isfinite(loss_sum) and math.isfinite(grad_norm)):
        raise StageError(_not_finite(step, own.tolist(), micro_batches, grad_norm))
    for group in training.optimizer.param_groups:
        group["lr"] = rate
    training.optimizer.step()
    training.optimizer.zero_grad()
    return loss_sum / num_targets, grad_norm


def _not_finite(step: int, losses: Sequence[float], micro_batches: Sequence[Batch], grad_norm: float) -> str:
    """Why the step cannot be taken, as this rank saw it."""
    for loss, batch in zip(losses, micro_batches, strict=True):
        if not math.isfinite(loss):
            return f"step {step + 1}: the loss is {loss} on rows {batch.row_B[0]} to {batch.row_B[-1]}"
    rows = f"rows {micro_batches[0].row_B[0]} to {micro_batches[-1].row_B[-1]}"
    return f"step {step + 1}: the gradient's norm is {grad_norm}, though the loss is finite on {rows}"


def over_ranks(training: Training, micro_batches: Sequence[Batch], num_sources: int, told: Sequence[int]) -> list[int]:
    """Over all ranks: targets of the step, ranks that were told to stop, and rows of each source."""
    rows_S = np.bincount(np.concatenate([batch.source_B for batch in micro_batches]), minlength=num_sources)
    num_targets = sum(training.objective.num_targets(batch) for batch in micro_batches)
    return [int(n) for n in parallel.summed([num_targets, len(told), *rows_S.tolist()], training.place)]
