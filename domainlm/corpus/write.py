"""The corpus's files: text by domain, source and split, one table of what was dropped and one of the quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from domainlm.corpus import part
from domainlm.corpus.dedup import STAGE_OF_REASON, Decision
from domainlm.corpus.ingest import HEAD_CHARS
from domainlm.corpus.part import Part
from domainlm.corpus.sources import Item
from domainlm.manifest import shard_of
from domainlm.records import Shard

SHARD_BYTES = 512 * 2**20
"""Text in a shard before the next is begun."""
_GROUP_BYTES = 16 * 2**20
_TABLE_ROWS = 10_000
_DROPPED = pa.schema(
    [(name, pa.string()) for name in ("id", "domain", "source", "split", "stage", "reason", "duplicate_of")]
    + [("text_head", pa.string())]
)
_QUARANTINED = pa.schema(
    [(name, pa.string()) for name in ("domain", "source", "file")]
    + [("offset", pa.int64()), ("reason", pa.string()), ("excerpt", pa.string())]
)


class TextShards:
    """Shards of one domain, source and split, begun as they are needed and filled up to SHARD_BYTES."""

    def __init__(self, folder: Path, domain: str, source: str, split: str):
        self.folder = folder
        self.fields = {"domain": domain, "source": source, "split": split}
        self.done: list[Shard] = []
        self._writer: pq.ParquetWriter | None = None
        self._path = folder
        self._tables: list[pa.Table] = []
        self._group_bytes = 0
        self._num_docs = 0
        self._text_bytes = 0

    def add(self, table: pa.Table) -> None:
        if table.num_rows:
            self._tables.append(table)
            self._group_bytes += _text_bytes(table)
        if self._group_bytes >= _GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            name = f"{self.fields['split']}-{len(self.done):05d}.parquet"
            self._path = self.folder / "text" / self.fields["domain"] / self.fields["source"] / name
            self._writer = part.text_writer(self._path, level=3)
        group = pa.concat_tables(self._tables).combine_chunks()
        self._writer.write_table(group)
        self._num_docs += group.num_rows
        self._text_bytes += self._group_bytes
        self._tables, self._group_bytes = [], 0
        if self._text_bytes >= SHARD_BYTES:
            self._finish()

    def _finish(self) -> None:
        if self._writer is not None:
            self._writer.close()
            sizes = {"num_docs": self._num_docs, "text_bytes": self._text_bytes}
            self.done.append(shard_of(self._path, self.folder, "text", **self.fields, **sizes))
            self._writer, self._num_docs, self._text_bytes = None, 0, 0

    def close(self) -> list[Shard]:
        if self._tables:
            self._flush()
        self._finish()
        return self.done


class RowTable:
    """A Parquet table that is written a few thousand rows at a time."""

    def __init__(self, path: Path, schema: pa.Schema):
        self.path = path
        self.schema = schema
        self.num_rows = 0
        self._rows: list[dict[str, Any]] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", version="2.6")

    def add(self, **row: Any) -> None:
        self._rows.append(row)
        self.num_rows += 1
        if len(self._rows) >= _TABLE_ROWS:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._rows, self.schema))
        self._rows = []

    def close(self) -> None:
        self._flush()
        self._writer.close()


class Writers:
    """Takes the parts in order and writes what was decided of each of their documents."""

    def __init__(self, folder: Path, decision: Decision, kept_ids: Mapping[int, str], wanted_heads: Mapping[int, int]):
        self.folder = folder
        self.decision = decision
        self.kept_ids = kept_ids
        self.heads: dict[int, str] = {}
        """Beginnings of the documents in `wanted_heads`, once they have passed."""
        self._wanted_heads = wanted_heads
        self._dropped = RowTable(folder / "dropped.parquet", _DROPPED)
        self._quarantined = RowTable(folder / "quarantined.parquet", _QUARANTINED)
        self._texts: dict[tuple[str, str, str], TextShards] = {}
        self._shards: list[Shard] = []

    def write(self, item: Item, made: Part, first_doc: int) -> None:
        """Write the documents of one part, which are numbered from `first_doc`."""
        where = {"domain": item.domain, "source": item.source.name}
        self._close_texts(but=(item.domain, item.source.name))
        for row in made.quarantined_rows():
            self._quarantined.add(**where, file=row.file, offset=row.offset, reason=row.reason, excerpt=row.excerpt)
        for row in made.dropped_rows():
            fields = {"id": row.id, "stage": row.stage, "reason": row.reason, "text_head": row.text_head}
            self._dropped.add(**where, **fields, split=_split(row.heldout), duplicate_of=None)
        heldout_D = made.array("heldout")
        kept_D = self.decision.kept()[first_doc : first_doc + made.num_docs]
        begin = 0
        for table in made.batches():
            end = begin + table.num_rows
            kept, heldout = kept_D[begin:end], heldout_D[begin:end]
            for split, chosen in (("train", kept & ~heldout), ("heldout", kept & heldout)):
                self._shards_of(item, split).add(table.filter(pa.array(chosen)))
            self._keep_heads(table, first_doc + begin)
            for row in np.flatnonzero(~kept).tolist():
                document = first_doc + begin + row
                reason = self.decision.reason(document)
                self._dropped.add(
                    **where,
                    id=table.column("id")[row].as_py(),
                    split=_split(heldout[row]),
                    stage=STAGE_OF_REASON[reason],
                    reason=reason,
                    duplicate_of=self.kept_ids[int(self.decision.kept_for_D[document])],
                    text_head=_head(table, row),
                )
            begin = end

    def _keep_heads(self, table: pa.Table, first_doc: int) -> None:
        for document in self._wanted_heads:
            if first_doc <= document < first_doc + table.num_rows:
                self.heads[document] = _head(table, document - first_doc)

    def _shards_of(self, item: Item, split: str) -> TextShards:
        key = (item.domain, item.source.name, split)
        if key not in self._texts:
            self._texts[key] = TextShards(self.folder, *key)
        return self._texts[key]

    def _close_texts(self, but: tuple[str, str] | None) -> None:
        """A source's parts follow each other, so that only one source's shards are open, and held in memory."""
        for key in [key for key in self._texts if key[:2] != but]:
            self._shards += self._texts.pop(key).close()

    def close(self) -> tuple[Shard, ...]:
        self._close_texts(but=None)
        for kind, table in (("dropped", self._dropped), ("quarantined", self._quarantined)):
            table.close()
            self._shards.append(shard_of(table.path, self.folder, kind, num_docs=table.num_rows))
        return tuple(self._shards)


def _split(heldout: bool | np.bool_) -> str:
    return "heldout" if heldout else "train"


def _head(table: pa.Table, row: int) -> str:
    return table.column("text")[row].as_py()[:HEAD_CHARS]


def _text_bytes(table: pa.Table) -> int:
    return int(
        sum(pc.call_function("binary_length", [chunk]).to_numpy().sum() for chunk in table.column("text").chunks)
    )
