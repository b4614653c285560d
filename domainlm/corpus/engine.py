"""The one door to DataTrove's executors: all ranks are tried, a failed or killed one is named, none is believed done.

DataTrove 0.10.1's local executor hangs for ever when a worker is killed, ends healthy ranks when one fails, and takes a
rank for done that an earlier, different pipeline left behind. Here the caller says which ranks are left to do, by what
lies on disk, and looks again afterwards.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep

from domainlm.errors import DomainLMError, StageError

_NAMED = 5


class LocalExecutor(LocalPipelineExecutor):
    """Runs the ranks in this process (one worker), or in a pool that notices when a worker dies."""

    def each(self) -> Iterator[tuple[int, Exception | None]]:
        """(rank, what it raised or None), as the ranks end."""
        if self.workers == 1:
            for rank in range(self.tasks):
                yield rank, self._attempt(rank)
            return
        context = multiprocessing.get_context(self.start_method)
        context.set_forkserver_preload(["domainlm.corpus.ingest"])
        with ProcessPoolExecutor(self.workers, mp_context=context) as pool:
            rank_of = {pool.submit(self._attempt, rank): rank for rank in range(self.tasks)}
            for future in as_completed(rank_of):
                try:
                    yield rank_of[future], future.result()
                except BrokenProcessPool as error:
                    yield rank_of[future], error

    def _attempt(self, rank: int) -> Exception | None:
        try:
            self._run_for_rank(rank, local_rank=1)  # local rank 0 would write its log to standard error
        except Exception as error:
            return error
        return None


def run(step: PipelineStep, names: Sequence[str], workers: int, logs: Path, on_done: Callable[[int], None]) -> None:
    """Run `step` for each rank, which `names` names; `on_done(rank)` is called as ranks end well, in any order.

    Raises StageError that says which ranks failed, or the first error of ours where there is one.
    """
    executor = LocalExecutor(
        pipeline=[step],
        tasks=len(names),
        workers=min(workers, len(names)),
        logging_dir=str(logs),
        skip_completed=False,
    )
    failed: dict[int, Exception] = {}
    for rank, error in executor.each():
        if error is None:
            on_done(rank)
        else:
            failed[rank] = error
    errors = [error for _, error in sorted(failed.items())]
    for error in errors:
        if isinstance(error, DomainLMError):
            raise error
    if errors:
        killed = sum(isinstance(error, BrokenProcessPool) for error in errors)
        cause = f"{type(errors[0]).__name__}: {errors[0]}"
        if killed == len(errors):
            cause = "a worker process was killed (out of memory?)"
        which = ", ".join(names[rank] for rank in sorted(failed)[:_NAMED]) + (", ..." if len(failed) > _NAMED else "")
        count = f"{len(failed)} of {len(names)} work items failed"
        raise StageError(f"{count}: {cause} ({which}); a rerun goes on from the finished ones") from errors[0]
