"""The engine tries every rank, says which failed, and does not wait for a worker that is gone."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from datatrove.pipeline.base import PipelineStep

from domainlm.corpus import engine
from domainlm.corpus.read import read
from domainlm.errors import DataError, StageError
from tests.corpus.test_read import NEAR, four_sources

ROOT = Path(__file__).parents[2]


class Touch(PipelineStep):
    """Leaves a file for each rank, but for one, where it fails in the way it is told."""

    def __init__(self, folder: Path, bad_rank: int, way: str):
        super().__init__()
        self.folder, self.bad_rank, self.way = folder, bad_rank, way

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        if rank == self.bad_rank:
            if self.way == "slow":
                time.sleep(600)
            if self.way == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.way != "fine":
                raise DataError("lost count") if self.way == "ours" else RuntimeError("broken")
        (self.folder / str(rank)).touch()
        yield from ()


def run(tmp_path: Path, way: str, workers: int) -> list[int]:
    done: list[int] = []
    step = Touch(tmp_path, 1, way)
    engine.run(step, ["a", "b", "c", "d"], workers, tmp_path / "logs", done.append, made(tmp_path))
    return done


def made(folder: Path) -> Callable[[int], bool]:
    return lambda rank: (folder / str(rank)).exists()


def test_later_ranks_run_though_one_failed(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"1 of 4 work items failed: RuntimeError: broken \(b\); a rerun goes on"):
        run(tmp_path, "broken", workers=1)
    assert [name for name in "0123" if (tmp_path / name).exists()] == ["0", "2", "3"]


def test_our_own_errors_come_through_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^lost count$"):
        run(tmp_path, "ours", workers=1)


def test_a_killed_worker_ends_the_run_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"a worker process was killed \(out of memory\?\)"):
        run(tmp_path, "killed", workers=2)


def test_markers_of_an_earlier_run_are_not_believed(tmp_path: Path) -> None:
    for _ in range(2):
        step = Touch(tmp_path, -1, "")
        done: list[int] = []
        engine.run(step, ["a", "b"], 1, tmp_path / "logs", done.append, made(tmp_path))
        assert done == [0, 1]


def test_a_rank_that_ends_well_but_leaves_nothing_is_not_believed(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"1 of 2 work items failed: Lost: it ended, but what it makes is not on disk"):
        engine.run(Touch(tmp_path, -1, ""), ["a", "b"], 1, tmp_path / "logs", print, lambda rank: rank == 0)


def test_an_engine_that_is_not_there_is_told_with_those_that_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(engine.VARIABLE, "spark")
    with pytest.raises(StageError, match="DOMAINLM_ENGINE=spark: no such engine; there is local, ray, slurm"):
        run(tmp_path, "", workers=1)


ELSEWHERE = """
import sys
from pathlib import Path
from domainlm.corpus import engine
from domainlm.errors import DomainLMError
from tests.corpus.test_engine import Touch, made

folder = Path(sys.argv[1])
names = [f"n{rank}" for rank in range(9)]
try:
    step = Touch(folder, 2, sys.argv[2])  # tasks of two ranks each: it is the first of its task
    engine.run(step, names, 2, folder / "logs", lambda rank: print("done", rank), made(folder))
except DomainLMError as error:
    print(type(error).__name__, error)
"""


def run_elsewhere(folder: Path, way: str, **variables: str) -> tuple[list[int], str]:
    """Ranks that were told as done, and what was said at the end."""
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT)} | variables
    command = [sys.executable, "-c", ELSEWHERE, str(folder), way]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert ended.returncode == 0, ended.stderr
    lines = [line for line in ended.stdout.splitlines() if line]
    done = sorted(int(line.removeprefix("done ")) for line in lines if line.startswith("done "))
    return done, "\n".join(line for line in lines if not line.startswith("done "))


needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
needs_slurm = pytest.mark.skipif(
    shutil.which("sbatch") is None or "DOMAINLM_SLURM_PARTITION" not in os.environ,
    reason="no sbatch, or DOMAINLM_SLURM_PARTITION is not set",
)
ENGINES = [pytest.param("ray", marks=needs_ray), pytest.param("slurm", marks=needs_slurm)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ENGINES)
def test_a_rank_that_fails_on_a_cluster_is_told_and_the_others_are_done(shared_path: Path, name: str) -> None:
    done, said = run_elsewhere(shared_path, "broken", DOMAINLM_ENGINE=name)
    assert done == [0, 1, 3, 4, 5, 6, 7, 8]
    assert said == (
        "StageError 1 of 9 work items failed: Lost: RuntimeError: broken (n2); a rerun goes on from the finished ones"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ENGINES)
def test_an_error_of_ours_comes_back_from_a_cluster_as_it_is(shared_path: Path, name: str) -> None:
    done = [0, 1, 3, 4, 5, 6, 7, 8]
    assert run_elsewhere(shared_path, "ours", DOMAINLM_ENGINE=name) == (done, "DataError lost count")


@pytest.mark.slow
@pytest.mark.parametrize("name", ENGINES)
def test_a_worker_that_is_killed_on_a_cluster_is_not_waited_for(shared_path: Path, name: str) -> None:
    done, said = run_elsewhere(shared_path, "killed", DOMAINLM_ENGINE=name)
    assert done == [0, 1, 4, 5, 6, 7, 8]
    assert "2 of 9 work items failed: Lost: a worker was killed" in said


@pytest.mark.slow
@pytest.mark.parametrize("name", ENGINES)
def test_a_domain_read_on_a_cluster_has_the_bytes_of_one_read_here(shared_path: Path, name: str) -> None:
    legal = four_sources(shared_path)
    here = read(legal, NEAR, shared_path / "here", root=shared_path, workers=1)
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT), "DOMAINLM_ENGINE": name}
    subprocess.run([sys.executable, "-c", READ, str(shared_path)], env=environment, check=True, timeout=280)
    there = {p.relative_to(shared_path / "there"): p.read_bytes() for p in shared_path.glob("there/parts/*/*")}
    assert there == {p.relative_to(shared_path / "here"): p.read_bytes() for p in shared_path.glob("here/parts/*/*")}
    assert len(there) == len(here.shards) + 4
    assert not (shared_path / "there/logs").exists()


READ = """
import sys
from pathlib import Path
from domainlm.corpus.read import read
from tests.corpus.test_read import NEAR, four_sources

root = Path(sys.argv[1])
read(four_sources(root), NEAR, root / "there", root=root, workers=2)
"""


@pytest.mark.slow
@needs_slurm
def test_told_to_end_it_cancels_its_jobs(shared_path: Path) -> None:
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT), "DOMAINLM_ENGINE": "slurm"}
    command = [sys.executable, "-c", "import signal; signal.signal(15, lambda *_: exit(143))\n" + ELSEWHERE]
    with subprocess.Popen([*command, str(shared_path), "slow"], env=environment) as running:
        while not jobs():
            assert running.poll() is None
            time.sleep(0.2)
        running.terminate()
        assert running.wait(60) == 143
    assert not jobs()


@pytest.mark.slow
@needs_slurm
def test_jobs_of_a_killed_attempt_are_ended_before_the_next_begins(shared_path: Path) -> None:
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT), "DOMAINLM_ENGINE": "slurm"}
    command = [sys.executable, "-c", ELSEWHERE, str(shared_path), "slow"]
    with subprocess.Popen(command, env=environment) as running:
        while not jobs():
            assert running.poll() is None
            time.sleep(0.2)
        running.kill()
    assert jobs()
    assert run_elsewhere(shared_path, "fine", DOMAINLM_ENGINE="slurm") == (list(range(9)), "")
    assert not jobs()


def jobs() -> list[str]:
    """Jobs of ours that wait or run."""
    listed = subprocess.run(["squeue", "--noheader", "--format", "%j"], capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split() if name.startswith("domainlm-")]


@pytest.fixture
def shared_path(tmp_path: Path) -> Path:
    """A folder that a cluster's nodes can write to, where they are other machines or another user."""
    tmp_path.chmod(0o777)
    return tmp_path
