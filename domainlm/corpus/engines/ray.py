"""Ranks on a Ray cluster: the one that RAY_ADDRESS names, or one that is started on this machine and ends with us.

The workspace lies on a disk that all nodes share, and domainlm is installed on them. Seen in DataTrove 0.10.1: its
actors run ranks in a `multiprocessing` pool, which waits for ever for a worker that was killed; and the run ends in
silence where a rank failed. So ranks run in the actor itself here, which Ray sees die and begins again (three times),
and what is done is read off the disk.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Iterator

from datatrove.executor import ray as datatrove_ray
from datatrove.executor.ray import RankWorker, RayPipelineExecutor
from datatrove.utils.stats import PipelineStats

from domainlm.corpus.engine import Job, Lost, Recorded
from domainlm.errors import StageError

_MEMORY_GB = 1.0
"""Reserved for a rank; DOMAINLM_RAY_MEMORY_GB says otherwise. A rank holds a batch of 16 MiB of text and its hashes."""
_LOOK_EVERY_S = 0.5


class ActorWorker(RankWorker):
    """Runs its ranks one after the other in the actor's own process."""

    def run_for_rank(
        self, executor_ref: RayPipelineExecutor, ranks: list[int], node_ips: list[str], node_idx: int
    ) -> PipelineStats:
        os.environ["RAY_NODELIST"], os.environ["RAY_NODEID"] = ",".join(node_ips), str(node_idx)
        for rank in ranks:
            executor_ref._run_for_rank(rank, 1)  # local rank 0 would write its log to standard error
        return PipelineStats()


def ended(job: Job) -> Iterator[tuple[int, Exception | None]]:
    """(rank, what it raised or None), as the ranks end; StageError where Ray is not installed."""
    try:
        ray = importlib.import_module("ray")
    except ImportError as error:
        raise StageError("the engine ray needs Ray: pip install 'domainlm[ray]'") from error
    step = Recorded(job.step, job.logs / "errors")
    executor = RayPipelineExecutor(
        pipeline=[step],
        tasks=job.num_ranks,
        workers=job.workers,
        logging_dir=str(job.logs),
        skip_completed=False,
        tasks_per_job=job.ranks_per_task(),
        mem_per_cpu_gb=float(os.environ.get("DOMAINLM_RAY_MEMORY_GB") or _MEMORY_GB),
    )
    datatrove_ray.RankWorker = ActorWorker
    own = not ray.is_initialized()
    if own:
        local = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": job.workers, "include_dashboard": False}
        ray.init(log_to_driver=False, logging_level="ERROR", **local)
    try:
        yield from _watched(executor, step, job)
    finally:
        if own:
            ray.shutdown()


def _watched(executor: RayPipelineExecutor, step: Recorded, job: Job) -> Iterator[tuple[int, Exception | None]]:
    """The ranks as they appear on disk, while the executor, which tells nothing before its end, runs in a thread."""
    raised: list[Exception] = []

    def run() -> None:
        try:
            executor.run()
        except Exception as error:
            raised.append(error)

    running = threading.Thread(target=run, name="ray executor", daemon=True)
    running.start()
    left = list(range(job.num_ranks))
    while left:
        running.join(_LOOK_EVERY_S)
        over = not running.is_alive()
        done = [rank for rank in left if job.is_done(rank)]
        yield from ((rank, None) for rank in done)
        left = [rank for rank in left if rank not in set(done)]
        if over:
            break
    running.join()
    for rank in left:
        error = step.error(rank)
        yield rank, Lost(f"{raised[0]}") if raised and isinstance(error, Lost) else error
