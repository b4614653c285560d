"""Work items, and the step that does them: what the stage hands to an engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from domainlm.corpus.reading import Reading
from domainlm.corpus.sources import Item


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """A work item, and what is done with it."""

    item: Item
    reading: Reading
    folder: Path
    """The part's own folder."""
    key: str
    """Says of which inputs and specs the part was made."""


class Ingest(PipelineStep):
    """A DataTrove step whose rank is a work item's number: it runs under any of DataTrove's executors."""

    name = "domainlm ingest"
    type = "🧱 - CORPUS"

    def __init__(self, works: Sequence[Work]):
        super().__init__()
        self.works = tuple(works)

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Writes the part of work item `rank`; hands on no documents."""
        # Not imported by who only says what is to be done: it takes half a second.
        from domainlm.corpus import ingest

        ingest.ingest(self.works[rank])
        yield from ()
