"""One work item from its files to a part: read, split off what is held out, normalise, edit, score, hash, write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from domainlm.corpus import part, sources
from domainlm.corpus.edit import Editor
from domainlm.corpus.ledger import Dropped, Ledger
from domainlm.corpus.normalize import normalized
from domainlm.corpus.partwriter import PartWriter
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
        ingest(self.works[rank])
        yield from ()


def ingest(work: Work) -> None:
    """Write the part of `work` unless it is there; raises DataError where the records do not add up."""
    if part.finished(work.folder, work.key) is not None:
        return  # a cluster begins a task again from its first item
    ledger, editor = Ledger(), Editor(work.reading)
    writer = PartWriter(work.folder, work.reading)
    for document in sources.documents(work.item, ledger):
        heldout = part.heldout_by_hash(document.text, work.item.heldout_share)
        normal, utf8 = normalized(document.text)
        text = editor.edit(normal) if normal else ""
        if text:
            writer.add(document.id, utf8 if text is normal else text.encode(), heldout)
        else:
            reason = "nothing is left by the edits" if normal else "empty"
            row = Dropped(id=document.id, heldout=heldout, stage="normalize", reason=reason, text_head="")
            ledger.dropped.append(row)
    writer.close(ledger, editor.counts(), source=work.item.source.name, key=work.key)
