"""One optimizer step over all ranks: taken by all of them alike, or by none."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from domainlm.records import Batch
from domainlm.train import average, optimizer, packed, parallel
from domainlm.train.guard import Guard
from domainlm.train.packed import Inputs
from domainlm.train.training import Training


def inputs_of(training: Training, batches: Sequence[Batch]) -> list[Inputs]:
    """What the model takes of each of this rank's micro-batches."""
    made: list[Inputs] = []
    for batch in batches:
        inputs = training.objective.inputs(batch, training.setting)
        place_N = packed.predicted(inputs["label_BT"].flatten())
        made.append({**inputs, "place_N": place_N, "cu_seqlens": torch.from_numpy(batch.cu_seqlens)})
    return made


def over_ranks(
    training: Training, batches: Sequence[Batch], inputs: Sequence[Inputs], num_sources: int, own: Sequence[int]
) -> list[int]:
    """Over all ranks: targets of the step, the sums of `own` figures, and rows of each source."""
    rows_S = np.bincount(np.concatenate([batch.source_B for batch in batches]), minlength=num_sources)
    num_targets = sum(len(micro["place_N"]) for micro in inputs)
    return [int(n) for n in parallel.summed([num_targets, *own, *rows_S.tolist()], training.place)]


def take_step(
    training: Training,
    batches: Sequence[Batch],
    inputs: Sequence[Inputs],
    *,
    step: int,
    num_targets: int,
    rate: float,
    guard: Guard,
) -> tuple[float, float, str]:
    """One optimizer step over all ranks: mean loss over its `num_targets`, the gradient's norm before clipping, and why
    it was not taken, or nothing."""
    learner, place, recipe = training.learner, training.place, training.config.recipe
    losses: list[torch.Tensor] = []
    for index, micro in enumerate(inputs):
        parallel.accumulate(learner, recipe.parallel, last=index == len(inputs) - 1)
        with parallel.used(learner, training.precision):
            loss = learner({name: tensor.to(place.device, non_blocking=True) for name, tensor in micro.items()})
            # FSDP averages over the ranks, while this is a sum over them.
            (loss * place.num_ranks / max(num_targets, 1)).backward()
        losses.append(loss.detach())
    if recipe.freeze is not None and step < recipe.freeze.num_steps(training.num_steps):
        for parameter in learner.parameters():
            if parameter not in training.first_phase:
                parameter.grad = None
    own = torch.stack(losses).double()
    (loss_sum,) = parallel.summed([own.sum().item()], place)
    loss, grad_norm = loss_sum / max(num_targets, 1), optimizer.clip(learner, recipe.clip_norm)
    refused = guard.refuses(loss, grad_norm)
    if refused:
        training.optimizer.zero_grad()
        return loss, grad_norm, f"{refused}, on {_rows(training, batches, own, step)}"
    optimizer.step(training.optimizer, rate)
    if recipe.average is not None:
        count = average.share(step + 1, training.num_steps, recipe.average, recipe.checkpoint_steps)
        average.take(training.average, learner, count)
    return loss, grad_norm, ""


def _rows(training: Training, batches: Sequence[Batch], own: torch.Tensor, step: int) -> str:
    """The rows of the micro-batches whose loss is not finite, on any rank; those of the whole step where none is."""
    first = step * training.batch_rows
    bad = np.zeros(training.batch_rows)
    for loss, batch in zip(own.tolist(), batches, strict=True):
        bad[batch.row_B - first] = not math.isfinite(loss)
    rows = np.flatnonzero(parallel.summed(bad.tolist(), training.place))
    begin, end = (int(rows[0]), int(rows[-1])) if len(rows) else (0, training.batch_rows - 1)
    return f"rows {first + begin} to {first + end}"
