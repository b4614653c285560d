"""Ranks in this process (one worker), or in a pool on this machine that notices when a worker dies.

DataTrove 0.10.1's local executor hangs for ever when a worker is killed, and ends healthy ranks when one fails.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from datatrove.pipeline.base import PipelineStep

from domainlm.corpus.engine import Job


def ended(job: Job) -> Iterator[tuple[int, Exception | None]]:
    """(rank, what it raised or None), as the ranks end."""
    if job.workers == 1:
        for rank in range(job.num_ranks):
            yield rank, _attempt(job.step, job.num_ranks, job.logs, rank)
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["domainlm.corpus.forked"])
    with ProcessPoolExecutor(job.workers, mp_context=context) as pool:
        each = (job.step, job.num_ranks, job.logs)
        rank_of = {pool.submit(_attempt, *each, rank): rank for rank in range(job.num_ranks)}
        for future in as_completed(rank_of):
            try:
                yield rank_of[future], future.result()
            except BrokenProcessPool as error:
                yield rank_of[future], error


def _attempt(step: PipelineStep, num_ranks: int, logs: Path, rank: int) -> Exception | None:
    """What `step` raised for `rank`, or None."""
    # It takes half a second to import: where there is a pool, only the process that workers are forked from does.
    from datatrove.executor.local import LocalPipelineExecutor

    executor = LocalPipelineExecutor(pipeline=[step], tasks=num_ranks, logging_dir=str(logs), skip_completed=False)
    try:
        executor._run_for_rank(rank, local_rank=1)  # local rank 0 would write its log to standard error
    except Exception as error:
        return error
    return None
