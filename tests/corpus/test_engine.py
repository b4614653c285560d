"""The engine tries every rank, says which failed, and does not wait for a worker that is gone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from datatrove.pipeline.base import PipelineStep

from domainlm.corpus import engine
from domainlm.errors import DataError, StageError


class Touch(PipelineStep):
    """Leaves a file for each rank, but for one, where it fails in the way it is told."""

    def __init__(self, folder: Path, bad_rank: int, way: str):
        super().__init__()
        self.folder, self.bad_rank, self.way = folder, bad_rank, way

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        if rank == self.bad_rank:
            if self.way == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise DataError("lost count") if self.way == "ours" else RuntimeError("broken")
        (self.folder / str(rank)).touch()
        yield from ()


def run(tmp_path: Path, way: str, workers: int) -> list[int]:
    done: list[int] = []
    step = Touch(tmp_path, 1, way)
    engine.run(step, ["a", "b", "c", "d"], workers, tmp_path / "logs", done.append)
    return done


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
        engine.run(step, ["a", "b"], 1, tmp_path / "logs", done.append)
        assert done == [0, 1]
