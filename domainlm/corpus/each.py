"""Any function over any items, run by the engine that the environment names: for work outside the corpus, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from datatrove.pipeline.base import PipelineStep

from domainlm import progress
from domainlm.corpus import engine

Item = TypeVar("Item")


class Each(PipelineStep):
    """Calls a function, which other processes can import by its name, for the item of its rank."""

    name = "domainlm each"
    type = "🧱 - CORPUS"

    def __init__(self, function: Callable[[Any], None], items: Sequence[Any]):
        super().__init__()
        self.function = function
        self.items = items

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Hands on nothing."""
        self.function(self.items[rank])
        yield from ()


def each(
    function: Callable[[Item], None],
    items: Sequence[Item],
    is_done: Callable[[Item], bool],
    logs: Path,
    *,
    workers: int,
    label: str,
) -> None:
    """Call `function` for every item that `is_done` does not know, `workers` at a time; progress goes under `label`.

    Raises StageError that says which items failed.
    """
    left = [item for item in items if not is_done(item)]
    num_done = len(items) - len(left)

    def on_done(rank: int) -> None:
        nonlocal num_done
        num_done += 1
        progress.tell(label, num_done, len(items), "chunks")

    progress.tell(label, num_done, len(items), "chunks")
    if left:
        names = [f"chunk {items.index(item)}" for item in left]
        engine.run(Each(function, left), names, workers, logs, on_done, lambda rank: is_done(left[rank]))
