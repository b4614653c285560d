"""The one door to DataTrove's executors: all ranks are tried, a failed or killed one is named, none is believed done.

DataTrove 0.10.1's executors take a rank for done that an earlier, different pipeline left behind; Ray's and Slurm's do
not raise where one fails. Here the caller says which ranks are done, by what lies on disk. Which engine runs the ranks
is a matter of the machine, told by the environment and by no spec: the files in `domainlm/corpus/engines`.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from datatrove.pipeline.base import PipelineStep

from domainlm import errors, named
from domainlm.errors import DomainLMError, StageError

ENGINES = "domainlm.corpus.engines"
VARIABLE = "DOMAINLM_ENGINE"
_NAMED = 5


class Lost(Exception):
    """A rank ended, or was never begun, and left neither its part nor a reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """Ranks that are to be run."""

    step: PipelineStep
    num_ranks: int
    workers: int
    """Ranks at work at the same time."""
    logs: Path
    is_done: Callable[[int], bool]
    """Whether what a rank makes lies on disk, whole."""

    def ranks_per_task(self) -> int:
        """Ranks that a cluster's task runs one after the other: to start one takes longer than many an item.

        Four tasks a worker, so that an unlucky one does not keep the rest waiting for long. A guess.
        """
        return -(-self.num_ranks // (4 * self.workers))


def chosen() -> str:
    """The engine that the environment asks for; StageError, listing what there is, where there is none of that name."""
    name = os.environ.get(VARIABLE) or "local"
    known = named.names(ENGINES)
    if name not in known:
        raise StageError(f"{VARIABLE}={name}: no such engine; there is {', '.join(known)}")
    return name


def run(
    step: PipelineStep,
    names: Sequence[str],
    workers: int,
    logs: Path,
    on_done: Callable[[int], None],
    is_done: Callable[[int], bool],
) -> None:
    """Run `step` for each rank, which `names` names; `on_done(rank)` is called as ranks end well, in any order.

    Raises StageError that says which ranks failed, or the first error of ours where there is one.
    """
    job = Job(step=step, num_ranks=len(names), workers=min(workers, len(names)), logs=logs, is_done=is_done)
    failed: dict[int, Exception] = {}
    for rank, error in named.load(ENGINES, chosen()).ended(job):
        if error is None and not is_done(rank):
            error = Lost("it ended, but what it makes is not on disk")
        if error is None:
            on_done(rank)
        else:
            failed[rank] = error
    found = [error for _, error in sorted(failed.items())]
    for error in found:
        if isinstance(error, DomainLMError):
            raise error
    if found:
        killed = sum(isinstance(error, BrokenProcessPool) for error in found)
        cause = f"{type(found[0]).__name__}: {found[0]}"
        if killed == len(found):
            cause = "a worker process was killed (out of memory?)"
        which = ", ".join(names[rank] for rank in sorted(failed)[:_NAMED]) + (", ..." if len(failed) > _NAMED else "")
        count = f"{len(failed)} of {len(names)} work items failed"
        raise StageError(f"{count}: {cause} ({which}); a rerun goes on from the finished ones") from found[0]


class Recorded(PipelineStep):
    """A step whose errors are written to files, for engines from which no exception comes back.

    It raises nothing: a failed rank would take along those that its job was to run after it.
    """

    name = "domainlm recorded"
    type = "🧱 - CORPUS"

    def __init__(self, step: PipelineStep, folder: Path):
        super().__init__()
        self.step = step
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Hands on what the step hands on, until it raises."""
        self._path(rank).unlink(missing_ok=True)
        try:
            yield from self.step.run(data, rank, world_size)
        except Exception as error:
            told = {"type": type(error).__name__, "said": str(error), "traceback": traceback.format_exc()}
            self._path(rank).write_bytes(orjson.dumps(told))

    def error(self, rank: int) -> Exception:
        """What the step raised for `rank`; Lost where it left no word."""
        try:
            told = orjson.loads(self._path(rank).read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return Lost("a worker was killed (out of memory, out of time?), or never begun")
        ours = getattr(errors, told["type"], None)
        if isinstance(ours, type) and issubclass(ours, DomainLMError) and ours is not errors.SpecError:
            return ours(told["said"])
        return Lost(f"{told['type']}: {told['said']}")

    def _path(self, rank: int) -> Path:
        return self.folder / f"{rank:06d}.json"
