"""Stores of planted runs, and a page over each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.against.runs import rows
from domainlm.results import files

StoreOf = Callable[..., Path]


@pytest.fixture(scope="session")
def store_of(tmp_path_factory: pytest.TempPathFactory) -> StoreOf:
    """A function from a number of runs to the folder of a store that holds them; the same number, the same folder."""
    made: dict[tuple[int, int], Path] = {}

    def make(num_runs: int, items: int = 12) -> Path:
        folder = made.get((num_runs, items))
        if folder is None:
            folder = made[num_runs, items] = tmp_path_factory.mktemp("store") / "results"
            files.add_many(folder, dict(rows(number, items=items) for number in range(num_runs)))
        return folder

    return make
