"""Ranks as a job array on Slurm, submitted from here, watched on disk, and cancelled when we leave early.

The environment says how: DOMAINLM_SLURM_PARTITION (needed), DOMAINLM_SLURM_TIME (24:00:00 by default),
DOMAINLM_SLURM_MEMORY_GB (2), and DOMAINLM_SLURM_ARGS, further options of sbatch such as `account=lab,qos=long`. The
workspace lies on a disk that all nodes share, and so does this installation. DataTrove's executor hands itself to the
jobs in a pickle in the logs folder, which is deleted with it.
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from datatrove.executor.slurm import SlurmPipelineExecutor

from domainlm.corpus.engine import Job, Recorded
from domainlm.digest import digest
from domainlm.errors import StageError

_LOOK_EVERY_S = 5.0
_LOOKS_PER_S = 1000
"""Parts that are looked for in a second, at most: a network disk has other users."""
_SETTLE_S = 30.0
"""A part may take so long to be seen here after its job has left the queue: network disks remember what was not there.
A guess."""
_COMMANDS = ("sbatch", "squeue", "scancel")


class SlurmExecutor(SlurmPipelineExecutor):
    """DataTrove's executor, but without the further job that adds up statistics."""

    def launch_merge_stats(self) -> None:
        """Nothing: where a rank fails, that job would wait for ever."""


def ended(job: Job) -> Iterator[tuple[int, Exception | None]]:
    """(rank, what it raised or None), as the ranks end; StageError where Slurm is not there or refuses the job."""
    executor, step = _executor(job)
    # Jobs go by a name of their own for each folder, so that those of a killed attempt, whose number nobody knows any
    # more, can be found and ended before they write beside us.
    _cancel(executor.job_name)
    try:
        try:
            executor.run()
        except subprocess.CalledProcessError as error:
            script = job.logs / "launch_script.slurm"
            raise StageError(f"sbatch refused the job ({error}); its script: {script}") from error
        yield from _watched(executor, step, job)
    finally:
        _cancel(executor.job_name)


def _executor(job: Job) -> tuple[SlurmExecutor, Recorded]:
    missing = [command for command in _COMMANDS if shutil.which(command) is None]
    if missing:
        raise StageError(f"the engine slurm needs {missing[0]}, which is not on the path of this machine")
    if "SLURM_ARRAY_TASK_ID" in os.environ:
        raise StageError("the engine slurm cannot be started inside a job array; start it on a login node")
    partition = os.environ.get("DOMAINLM_SLURM_PARTITION")
    if not partition:
        raise StageError("the engine slurm needs a partition: export DOMAINLM_SLURM_PARTITION=NAME")
    given = (option.partition("=") for option in os.environ.get("DOMAINLM_SLURM_ARGS", "").split(",") if option)
    step = Recorded(job.step, job.logs.absolute() / "errors")
    executor = SlurmExecutor(
        pipeline=[step],
        tasks=job.num_ranks,
        workers=job.workers,
        time=os.environ.get("DOMAINLM_SLURM_TIME") or "24:00:00",
        partition=partition,
        mem_per_cpu_gb=int(os.environ.get("DOMAINLM_SLURM_MEMORY_GB") or 2),
        job_name=f"domainlm-{digest(str(job.logs.absolute()))[:12]}",
        qos="",  # DataTrove's default, `normal`, is not on every cluster
        sbatch_args={name: value for name, _, value in given},
        # The job's shell finds DataTrove's launcher beside our own interpreter.
        env_command=f'export PATH="{Path(sys.executable).parent}:$PATH"',
        logging_dir=str(job.logs.absolute()),
        skip_completed=False,
        tasks_per_job=job.ranks_per_task(),
    )
    return executor, step


def _watched(executor: SlurmExecutor, step: Recorded, job: Job) -> Iterator[tuple[int, Exception | None]]:
    left = list(range(job.num_ranks))
    gone_s: float | None = None
    while left:
        done = [rank for rank in left if job.is_done(rank)]
        yield from ((rank, None) for rank in done)
        left = [rank for rank in left if rank not in set(done)]
        if _queued(executor.job_name):
            gone_s = None
        elif gone_s is None:
            gone_s = time.monotonic()
        elif time.monotonic() - gone_s > _SETTLE_S:
            break
        if left:
            time.sleep(max(_LOOK_EVERY_S, len(left) / _LOOKS_PER_S))
    yield from ((rank, step.error(rank)) for rank in left)


def _queued(job_name: str) -> bool:
    """Whether any of our jobs waits or runs. A controller that does not answer is taken to still have them."""
    asked = _slurm("squeue", "--noheader", "--user", getpass.getuser(), "--name", job_name)
    return asked.returncode != 0 or bool(asked.stdout.strip())


def _cancel(job_name: str) -> None:
    """Ends what still waits or runs, and waits until it has."""
    _slurm("scancel", "--quiet", "--user", getpass.getuser(), "--name", job_name)
    end_s = time.monotonic() + _SETTLE_S
    while _queued(job_name) and time.monotonic() < end_s:
        time.sleep(1)


def _slurm(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True)
