"""Ranks in this process (one worker), or in a pool on this machine that notices when a worker dies.

DataTrove 0.10.1's local executor hangs for ever when a worker is killed, ends healthy ranks when one fails, and takes
half a second to import; its steps are run without it.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from datatrove.pipeline.base import PipelineStep

from domainlm.corpus.engine import Job


def ended(job: Job) -> Iterator[tuple[int, Exception | None]]:
    """(rank, what it raised or None), as the ranks end."""
    if job.workers == 1:
        for rank in range(job.num_ranks):
            yield rank, _attempt(job.step, job.num_ranks, rank)
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["domainlm.corpus.forked"])
    with ProcessPoolExecutor(job.workers, mp_context=context) as pool:
        rank_of = {pool.submit(_attempt, job.step, job.num_ranks, rank): rank for rank in range(job.num_ranks)}
        for future in as_completed(rank_of):
            try:
                yield rank_of[future], future.result()
            except BrokenProcessPool as error:
                yield rank_of[future], error


def _attempt(step: PipelineStep, num_ranks: int, rank: int) -> Exception | None:
    """What `step` raised for `rank`, or None."""
    try:
        for _ in step.run(None, rank, num_ranks):
            pass
    except Exception as error:
        return error
    return None
