"""The training process: the same losses and the same weights on every rerun, wherever an earlier one was killed.

`torchrun --nproc-per-node N -m domainlm.train.loop CONFIG.json`; without torchrun, a single rank.
"""

from __future__ import annotations

import json
import math
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
import torch.distributed as dist
from torch.distributed.fsdp import FSDPModule
from torch.optim import Optimizer
from transformers import PreTrainedModel

from domainlm import manifest, named, progress
from domainlm.digest import digest, seed_for
from domainlm.errors import DomainLMError, StageError
from domainlm.manifest import Manifest, write_atomically
from domainlm.mix import loader
from domainlm.plan import shape
from domainlm.records import Batch
from domainlm.train import card, checkpoint, export, metrics, model, optimizer, parallel
from domainlm.train.config import CHECKPOINTS_NAME, ERROR_PREFIX, FACTS_NAME, STOPPED, TrainConfig
from domainlm.train.parallel import Place
from domainlm.train.schedule import learning_rate


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """What the steps work on."""

    config: TrainConfig
    place: Place
    mix: Manifest
    tokens: Manifest
    objective: ModuleType
    model: PreTrainedModel
    learner: model.Learner
    optimizer: Optimizer
    precision: str

    @property
    def batch_rows(self) -> int:
        return int(self.mix.facts["batch_rows"])

    @property
    def num_steps(self) -> int:
        return int(self.mix.facts["rows"]) // self.batch_rows


def begin(config: TrainConfig, place: Place) -> Training:
    """The model, sharded over the ranks, and its optimizer, before the first step."""
    mix, tokens = _done(config.mix), _done(config.tokens)
    recipe = config.recipe
    vocab_size, end_token_id = int(tokens.facts["vocab_size"]), int(tokens.facts["end_token_id"])
    if config.architecture is not None:
        made, prepare = model.from_architecture(
            config.architecture, vocab_size=vocab_size, end_token_id=end_token_id, seed=config.seed
        )
    else:
        assert config.start is not None
        made, prepare = model.from_checkpoint(
            Path(config.start), vocab_size=vocab_size, sequence_tokens=recipe.sequence_tokens
        )
    objective = named.load("domainlm.train.objectives", recipe.objective)
    precision = parallel.precision_for(recipe.precision, place.device)
    learner = model.Learner(made, objective.loss_sum)
    parallel.shard(model.parts(learner, made, prepare), place=place, precision=precision)
    return Training(
        config=config,
        place=place,
        mix=mix,
        tokens=tokens,
        objective=objective,
        model=made,
        learner=learner,
        optimizer=optimizer.adamw(learner, recipe),
        precision=precision,
    )


def _done(folder: str) -> Manifest:
    found = manifest.read(Path(folder))
    if found is None:
        raise StageError(f"{folder} holds no finished stage")
    return found


def train(config: TrainConfig, place: Place, told: Sequence[int]) -> bool:
    """Train from the last checkpoint, or from the start, to the end, and export the model.

    Returns False where it was told to stop on the way: then a checkpoint holds all that was done. Raises StageError
    where a loss or a gradient is not finite, naming the rows.
    """
    training = begin(config, place)
    saved = checkpoint.latest(Path(config.work) / CHECKPOINTS_NAME, config=_identity(training))
    if saved is not None:
        checkpoint.restore(saved, model=training.learner, optimizer=training.optimizer)
    step = saved.step if saved is not None else 0
    names = loader.source_names(training.mix)
    log = _log(training, step) if place.rank == 0 else None
    batches = loader.batches(
        training.mix,
        training.tokens,
        rank=place.rank,
        num_ranks=place.num_ranks,
        micro_batch_rows=config.recipe.micro_batch_rows,
        start_row=step * training.batch_rows,
    )
    for micro_batches in batches:
        num_targets, num_told, *source_rows = _over_ranks(training, micro_batches, len(names), told)
        if num_told:
            _save(training, step)
            return False
        rate = learning_rate(step, training.num_steps, config.recipe.schedule)
        loss, grad_norm = take_step(training, micro_batches, step=step, num_targets=num_targets, rate=rate)
        step += 1
        if log is not None:
            before = log.last.sources if log.last is not None else {}
            log.write(
                metrics.StepMetrics(
                    step=step,
                    row=step * training.batch_rows,
                    tokens=step * training.batch_rows * config.recipe.sequence_tokens,
                    loss=loss,
                    grad_norm=grad_norm,
                    learning_rate=rate,
                    sources={name: before.get(name, 0) + n for name, n in zip(names, source_rows, strict=True)},
                )
            )
        if step % config.recipe.checkpoint_steps == 0 or step == training.num_steps:
            _save(training, step)
    _finish(training)
    return True


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
    for loss, batch in zip(losses, micro_batches, strict=True):
        if not math.isfinite(loss):
            return f"step {step + 1}: the loss is {loss} on rows {batch.row_B[0]} to {batch.row_B[-1]}"
    rows = f"rows {micro_batches[0].row_B[0]} to {micro_batches[-1].row_B[-1]}"
    return f"step {step + 1}: the gradient's norm is {grad_norm}; the loss is finite on {rows}"


def _over_ranks(training: Training, micro_batches: Sequence[Batch], num_sources: int, told: Sequence[int]) -> list[int]:
    """Over all ranks: targets of the step, ranks that were told to stop, and rows of each source."""
    rows_S = np.bincount(np.concatenate([batch.source_B for batch in micro_batches]), minlength=num_sources)
    num_targets = sum(training.objective.num_targets(batch) for batch in micro_batches)
    return [int(n) for n in parallel.summed([num_targets, len(told), *rows_S.tolist()], training.place)]


def _identity(training: Training) -> str:
    """What must not change between a checkpoint and its resumption; how the work is split may."""
    config = training.config
    how = {"micro_batch_rows", "precision", "checkpoint_steps", "parallel"}
    data = [training.mix.digest(), training.tokens.digest()]
    return digest([config.architecture, config.recipe.model_dump(mode="json", exclude=how), config.seed, data])


def _log(training: Training, step: int) -> metrics.MetricsLog:
    config, place = training.config, training.place
    return metrics.MetricsLog(
        Path(config.folder),
        name=config.name,
        step=step,
        num_steps=training.num_steps,
        flops_per_token=shape.flops_per_token(_shape(training), config.recipe.sequence_tokens),
        peak_flops=metrics.peak_flops(place.device, training.precision, place.num_ranks),
    )


def _shape(training: Training) -> shape.Shape:
    if training.config.architecture is not None:
        return shape.llama(training.config.architecture, int(training.tokens.facts["vocab_size"]))
    return shape.from_folder(Path(training.config.start or ""))


def _save(training: Training, step: int) -> None:
    checkpoint.save(
        Path(training.config.work) / CHECKPOINTS_NAME,
        step=step,
        row=step * training.batch_rows,
        config=_identity(training),
        model=training.learner,
        optimizer=training.optimizer,
    )


def _finish(training: Training) -> None:
    """Export the model, then say what it was trained with: `facts.json` means that all is there."""
    config, place = training.config, training.place
    num_parameters = sum(p.numel() for p in training.model.parameters())
    export.export(
        training.model,
        Path(config.folder),
        Path(config.work),
        tokenizer=_done(config.tokenizer),
        end_token_id=int(training.tokens.facts["end_token_id"]),
        card_text=card.card(
            config, mix=training.mix.facts, num_parameters=num_parameters, precision=training.precision
        ),
    )
    if place.rank == 0:
        facts = {
            "num_parameters": num_parameters,
            "ranks": place.num_ranks,
            "device": place.device.type,
            "precision": training.precision,
            "strategy": config.recipe.parallel.strategy,
        }
        write_atomically(Path(config.work) / FACTS_NAME, json.dumps(facts).encode())


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 done, 143 told to stop, 1 failed."""
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    config = TrainConfig.model_validate_json(Path(arguments[0]).read_bytes())
    place = parallel.join()
    if place.rank == 0:
        progress.listen(progress.to_json_lines)
    try:
        return 0 if train(config, place, told) else STOPPED
    except DomainLMError as error:
        print(f"{ERROR_PREFIX}{error}", file=sys.stderr, flush=True)
        return error.exit_code
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
