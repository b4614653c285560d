"""The training process: the same losses and the same weights on every rerun, wherever an earlier one was killed.

`torchrun --nproc-per-node N -m domainlm.train.loop CONFIG.json`; without torchrun, a single rank.
"""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path

import torch.distributed as dist

from domainlm import progress
from domainlm.errors import DomainLMError, StageError
from domainlm.mix import loader
from domainlm.train import checkpoint, export, footprint, metrics, parallel, track
from domainlm.train import guard as guards
from domainlm.train.config import CHECKPOINTS_NAME, ERROR_PREFIX, TrainConfig
from domainlm.train.guard import Guard, Rollback
from domainlm.train.parallel import Place
from domainlm.train.profile import Profile
from domainlm.train.schedule import learning_rate
from domainlm.train.step import inputs_of, over_ranks, take_step
from domainlm.train.training import Training, begin, identity
from domainlm.train.watch import Watch


def train(config: TrainConfig, place: Place, told: Sequence[int]) -> bool:
    """Train from the last checkpoint, or from the start, to the end, and export the model.

    Returns False where it was told to stop on the way: then a checkpoint holds all that was done; and where only a
    profile was asked for. Raises StageError where too many steps in a row, time and again, cannot be taken, naming the
    rows, and where the model forgets more than its recipe allows.
    """
    why = ""
    for _ in range(guards.MOST_ROLLBACKS + 1):
        training = begin(config, place)
        writer = checkpoint.Writer(
            Path(config.work) / CHECKPOINTS_NAME, config=identity(training), num_kept=config.recipe.checkpoints_kept
        )
        try:
            reached_end = _steps(training, writer, told)
        except Rollback as rollback:
            why = str(rollback)
            print(f"{config.name}: back to the last checkpoint, and on after step {rollback.step}: {why}", flush=True)
            writer.close()
            continue
        writer.close()
        if reached_end:
            export.finish(training)
        return reached_end
    raise StageError(f"{config.name} went back to a checkpoint {guards.MOST_ROLLBACKS} times; at last, {why}")


def _steps(training: Training, writer: checkpoint.Writer, told: Sequence[int]) -> bool:
    """Steps from the last checkpoint to the end; False where told to stop. Raises Rollback, StageError."""
    config, place = training.config, training.place
    work, recipe = Path(config.work), config.recipe
    tensors = checkpoint.tensors_of(training.learner, training.optimizer, training.average)
    saved = checkpoint.latest(work / CHECKPOINTS_NAME, config=identity(training))
    guard = Guard(recipe.guard, checkpoint.guard_of(saved) if saved is not None else {})
    if saved is not None:
        checkpoint.restore(saved, tensors)
    base = saved.step if saved is not None else 0
    step = guards.passed(work).get(base, base)
    names = loader.source_names(training.mix)
    log = _log(training, step) if place.rank == 0 else None
    watch = Watch(training, step, log)
    profile = Profile(Path(config.profile), place) if config.profile is not None else None
    batches = loader.batches(
        training.mix,
        training.tokens,
        rank=place.rank,
        num_ranks=place.num_ranks,
        micro_batch_rows=recipe.micro_batch_rows,
        start_row=step * training.batch_rows,
    )

    skipped = ""

    def save() -> None:
        writer.begin(tensors, step=step, row=step * training.batch_rows, guard=guard.state)

    with closing(log) if log is not None else nullcontext():
        watch.look(step)
        for micro_batches in batches:
            inputs = inputs_of(training, micro_batches)
            own = (len(told), int(writer.is_written()))
            num_targets, num_told, num_written, *source_rows = over_ranks(
                training, micro_batches, inputs, len(names), own
            )
            if num_written == place.num_ranks:
                writer.commit()
            if num_told:
                # What is saved already stays.
                if step > base:
                    save()
                return False
            rate = learning_rate(step, training.num_steps, recipe.schedule)
            loss, grad_norm, skipped = take_step(
                training, micro_batches, inputs, step=step, num_targets=num_targets, rate=rate, guard=guard
            )
            step += 1
            if log is not None:
                log.write_step(
                    step=step,
                    row=step * training.batch_rows,
                    tokens=step * training.batch_rows * recipe.sequence_tokens,
                    loss=loss,
                    grad_norm=grad_norm,
                    learning_rate=rate,
                    source_rows=dict(zip(names, source_rows, strict=True)),
                    skipped=skipped,
                )
            watch.look(step)
            if profile is not None and profile.step():
                return False
            if guard.goes_back:
                writer.finish()
                _go_back(training, step, f"step {step}: {skipped}", guard)
            # While steps are skipped something may be wrong with the weights: the checkpoint before is the good one.
            if not guard.num_skipped and (step % recipe.checkpoint_steps == 0 or step == training.num_steps):
                save()
    if profile is not None:
        raise StageError(f"{config.name}: a profile takes more steps than the {training.num_steps} of its mix")
    if base < training.num_steps and not guard.num_taken and guard.num_skipped:
        raise StageError(f"{config.name}: none of the last steps could be taken; at last, {skipped}")
    return True


def _go_back(training: Training, step: int, why: str, guard: Guard) -> None:
    """Raise Rollback, noted on disk; StageError where the last checkpoint's weights could not take a step either."""
    if not guard.num_taken:
        raise StageError(f"{training.config.name}: {why}")
    work = Path(training.config.work)
    saved = checkpoint.latest(work / CHECKPOINTS_NAME, config=identity(training))
    if training.place.rank == 0:
        guards.pass_by(work, saved.step if saved is not None else 0, step)
    dist.barrier()
    raise Rollback(step, why)


def _log(training: Training, step: int) -> metrics.MetricsLog:
    config, place = training.config, training.place
    each = footprint.flops_per_token(config)
    peak = metrics.peak_flops(place.device, training.precision, place.num_ranks)
    told = {"recipe": config.recipe.model_dump(mode="json"), "base": config.base_name}
    folder = Path(config.folder)
    log = metrics.MetricsLog(
        folder,
        name=config.name,
        step=step,
        num_steps=training.num_steps,
        flops_per_token=each,
        peak_flops=peak,
        trackers=track.trackers(config.track, folder, name=config.name, step=step, config=told),
    )
    log.note(f"{config.name}: {metrics.mfu_formula(each, peak)}")
    return log


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 done, 143 told to stop, 1 failed."""
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    config = TrainConfig.model_validate_json(Path(arguments[0]).read_bytes())
    place = parallel.join()
    if place.rank == 0:
        progress.listen(progress.to_json_lines)
    try:
        if train(config, place, told) or config.profile is not None:
            return 0
        print(f"{ERROR_PREFIX}told to stop; a checkpoint holds what was done, and the next run goes on from it")
        return 128 + signal.SIGTERM
    except DomainLMError as error:
        print(f"{ERROR_PREFIX}{error}", file=sys.stderr, flush=True)
        return error.exit_code
    except RuntimeError as error:
        if not footprint.is_out_of_memory(error):
            raise
        traceback.print_exc()
        print(f"{ERROR_PREFIX}{footprint.told(config, place)}", file=sys.stderr, flush=True)
        return 1
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
