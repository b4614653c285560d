"""One work item from its files to a part: read, split off what is held out, normalise, filter, hash, write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from domainlm import named
from domainlm.corpus import part, sources
from domainlm.corpus.ledger import Dropped, Ledger
from domainlm.corpus.normalize import normalize
from domainlm.corpus.sources import Item
from domainlm.specs.run import NearDuplicates

FILTERS = "domainlm.corpus.filters"
HEAD_CHARS = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """A work item, and what is done with it."""

    item: Item
    filters: Mapping[str, Mapping[str, Any]]
    near_duplicates: NearDuplicates | None
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
    """Write the part of `work`; raises DataError where the records do not add up."""
    ledger = Ledger()
    drop_reason = _filters(work.filters)
    writer = part.PartWriter(work.folder, work.near_duplicates)
    for document in sources.documents(work.item, ledger):
        heldout = part.heldout_by_hash(document.text, work.item.heldout_share)
        text = normalize(document.text)
        stage, reason = drop_reason(text) if text else ("normalize", "empty")
        if reason is None:
            writer.add(document.id, text, heldout)
        else:
            row = Dropped(id=document.id, heldout=heldout, stage=stage, reason=reason, text_head=text[:HEAD_CHARS])
            ledger.dropped.append(row)
    writer.close(ledger, work.key)


def _filters(options: Mapping[str, Mapping[str, Any]]) -> Any:
    """A function from a text to ("filter", why it is dropped, or None), the filters in the order of the spec."""
    checks = []
    for name, chosen in options.items():
        module = named.load(FILTERS, name)
        checks.append((name, partial(module.reason, options=module.Options.model_validate(dict(chosen)))))

    def drop_reason(text: str) -> tuple[str, str | None]:
        for name, check in checks:
            reason = check(text)
            if reason is not None:
                return "filter", f"{name}: {reason}"
        return "filter", None

    return drop_reason
