"""What happened to a document: kept and where, or dropped, at which stage, why, and for which other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow.dataset as ds

from domainlm.manifest import Manifest


@dataclass(frozen=True, kw_only=True, slots=True)
class Fate:
    """One document's end. An id can have several, where sources bring ids of their own that collide."""

    id: str
    domain: str
    source: str
    split: str
    stage: str
    """`kept`, or the stage that dropped it."""
    reason: str
    """Why it was dropped; empty where it was kept."""
    duplicate_of: str | None
    """The document that was kept in its place."""
    text_head: str


def why(corpus: Manifest, document_id: str) -> list[Fate]:
    """Every fate of a document of that id in a finished corpus; none where it never read such a document."""
    return [*_kept(corpus, document_id), *_dropped(corpus, document_id)]


def _kept(corpus: Manifest, document_id: str) -> Iterator[Fate]:
    for shard in corpus.files("text"):
        rows = ds.dataset(corpus.path(shard)).to_table(filter=ds.field("id") == document_id)
        for text in rows.column("text").to_pylist():
            fields = {"domain": shard.domain, "source": shard.source, "split": shard.split}
            yield Fate(id=document_id, **fields, stage="kept", reason="", duplicate_of=None, text_head=text[:300])


def _dropped(corpus: Manifest, document_id: str) -> Iterator[Fate]:
    table = ds.dataset(corpus.only("dropped"))
    for row in table.to_table(filter=ds.field("id") == document_id).to_pylist():
        yield Fate(**row)
