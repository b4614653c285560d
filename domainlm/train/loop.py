"""The training process: the same losses and the same weights on every rerun, wherever an earlier one was killed.

`torchrun --nproc-per-node N -m domainlm.train.loop CONFIG.json`; without torchrun, a single rank.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import torch.distributed as dist

from domainlm import progress
from domainlm.errors import DomainLMError
from domainlm.manifest import write_atomically
from domainlm.mix import loader
from domainlm.plan.shape import flops_per_token
from domainlm.train import card, checkpoint, export, metrics, parallel
from domainlm.train.config import CHECKPOINTS_NAME, ERROR_PREFIX, FACTS_NAME, TrainConfig
from domainlm.train.parallel import Place
from domainlm.train.schedule import learning_rate
from domainlm.train.step import over_ranks, take_step
from domainlm.train.training import Training, begin, done, identity, shape_of


def train(config: TrainConfig, place: Place, told: Sequence[int]) -> bool:
    """Train from the last checkpoint, or from the start, to the end, and export the model.

    Returns False where it was told to stop on the way: then a checkpoint holds all that was done. Raises StageError
    where a loss or a gradient is not finite, naming the rows.
    """
    training = begin(config, place)
    saved = checkpoint.latest(Path(config.work) / CHECKPOINTS_NAME, config=identity(training))
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
        num_targets, num_told, *source_rows = over_ranks(training, micro_batches, len(names), told)
        if num_told:
            # What is saved already stays. Before the first step there is nothing to save, and to save it would change
            # what follows: torch makes AdamW's moments by a step of its own, which AdamW counts.
            if step > (saved.step if saved is not None else 0):
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
    finish(training)
    return True


def _log(training: Training, step: int) -> metrics.MetricsLog:
    config, place = training.config, training.place
    return metrics.MetricsLog(
        Path(config.folder),
        name=config.name,
        step=step,
        num_steps=training.num_steps,
        flops_per_token=flops_per_token(shape_of(training), config.recipe.sequence_tokens),
        peak_flops=metrics.peak_flops(place.device, training.precision, place.num_ranks),
    )


def _save(training: Training, step: int) -> None:
    checkpoint.save(
        Path(training.config.work) / CHECKPOINTS_NAME,
        step=step,
        row=step * training.batch_rows,
        config=identity(training),
        model=training.learner,
        optimizer=training.optimizer,
    )


def finish(training: Training) -> None:
    """Export the model, then say what it was trained with: `facts.json` means that all is there."""
    config, place = training.config, training.place
    num_parameters = sum(p.numel() for p in training.model.parameters())
    export.export(
        training.model,
        Path(config.folder),
        Path(config.work),
        tokenizer=done(config.tokenizer),
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
        write_atomically(Path(config.folder) / FACTS_NAME, json.dumps(facts).encode())


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 done, 143 told to stop, 1 failed."""
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    config = TrainConfig.model_validate_json(Path(arguments[0]).read_bytes())
    place = parallel.join()
    if place.rank == 0:
        progress.listen(progress.to_json_lines)
    try:
        if train(config, place, told):
            return 0
        print(f"{ERROR_PREFIX}told to stop; a checkpoint holds what was done, and the next run goes on from it")
        return 128 + signal.SIGTERM
    except DomainLMError as error:
        print(f"{ERROR_PREFIX}{error}", file=sys.stderr, flush=True)
        return error.exit_code
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
