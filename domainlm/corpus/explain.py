"""What happened to a document: kept and where, or dropped, at which stage, why, and for which other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from domainlm.manifest import Manifest

_HEAD_CHARS = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Other:
    """Another document of the same cluster."""

    id: str
    domain: str
    source: str
    split: str


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
    kept_for: Other | None
    """The document that was kept in its place."""
    cluster_docs: int
    """Documents in its cluster of duplicates: 1 where it has none."""
    text_head: str


def why(corpus: Manifest, document_id: str) -> list[Fate]:
    """Every fate of a document of that id in a finished corpus; none where it never read such a document."""
    return [*_kept(corpus, document_id), *_dropped(corpus, document_id)]


def members(corpus: Manifest, kept: Other) -> list[Other]:
    """The documents that went for `kept`, in the order of the spec."""
    where = (ds.field("kept_id") == kept.id) & (ds.field("kept_source") == kept.source)
    where &= (ds.field("kept_domain") == kept.domain) & (ds.field("kept_split") == kept.split)
    return [_other(row, "member") for row in _clusters(corpus, where)]


def _kept(corpus: Manifest, document_id: str) -> Iterator[Fate]:
    for shard in corpus.files("text"):
        for text in _texts(corpus.path(shard), document_id):
            place = {"domain": shard.domain, "source": shard.source, "split": shard.split}
            others = members(corpus, Other(id=document_id, **place))
            yield Fate(
                id=document_id,
                **place,
                stage="kept",
                reason="",
                kept_for=None,
                cluster_docs=1 + len(others),
                text_head=text[:_HEAD_CHARS],
            )


def _texts(path: Path, document_id: str) -> Iterator[str]:
    """Texts of that id; of a row group without it, only the ids are read."""
    with pq.ParquetFile(path) as parquet:
        for group in range(parquet.num_row_groups):
            ids = parquet.read_row_group(group, columns=["id"]).column("id")
            same = pc.call_function("equal", [ids, pa.scalar(document_id)])
            if pc.call_function("any", [same]).as_py():
                yield from parquet.read_row_group(group, columns=["text"]).column("text").filter(same).to_pylist()


def _dropped(corpus: Manifest, document_id: str) -> Iterator[Fate]:
    table = ds.dataset(corpus.only("dropped")).to_table(filter=ds.field("id") == document_id)
    clusters = _clusters(corpus, ds.field("member_id") == document_id)
    for row in table.to_pylist():
        place = (row["domain"], row["source"], row["split"], row["duplicate_of"])
        of = [c for c in clusters if (c["member_domain"], c["member_source"], c["member_split"], c["kept_id"]) == place]
        yield Fate(
            **{name: row[name] for name in ("id", "domain", "source", "split", "stage", "reason", "text_head")},
            kept_for=_other(of[0], "kept") if of else None,
            cluster_docs=int(of[0]["num_docs"]) if of else 1,
        )


def _clusters(corpus: Manifest, where: ds.Expression) -> list[dict[str, str | int]]:
    return ds.dataset(corpus.only("clusters")).to_table(filter=where).to_pylist()


def _other(row: dict, prefix: str) -> Other:
    return Other(**{name: row[f"{prefix}_{name}"] for name in ("id", "domain", "source", "split")})
