"""The corpus's files: text by domain, source and split, and tables of what was dropped, quarantined and clustered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from domainlm.corpus import part
from domainlm.corpus.clusters import Clusters
from domainlm.corpus.dedup import Decision
from domainlm.corpus.passages import Edit
from domainlm.corpus.pieces import Piece, Pieces
from domainlm.manifest import shard_of
from domainlm.records import Shard

Row = TypeVar("Row")

HEAD_CHARS = 300
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
_CLUSTERS = pa.schema(
    [(f"kept_{name}", pa.string()) for name in ("id", "domain", "source", "split")]
    + [(f"member_{name}", pa.string()) for name in ("id", "domain", "source", "split")]
    + [("kind", pa.string()), ("num_docs", pa.int64())]
)
"""A row for each document that went for another: the two, `exact` or `near`, and documents in the whole cluster."""


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
            self._writer = _text_writer(self._path)
        group = pa.concat_tables(self._tables)
        self._writer.write_table(group, row_group_size=max(1, group.num_rows))
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


def _text_writer(path: Path) -> pq.ParquetWriter:
    """A writer of `id` and `text` whose bytes depend on the rows and pyarrow's version, and on nothing else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return pq.ParquetWriter(
        path,
        part.TEXT_SCHEMA,
        compression="zstd",
        # Level 3 takes 1.8 times as long to write, for files that are a sixth smaller.
        compression_level=1,
        use_dictionary=False,
        write_statistics=False,
        version="2.6",
    )


class RowTable:
    """A Parquet table that is written a few thousand rows at a time."""

    def __init__(self, path: Path, schema: pa.Schema):
        self.path = path
        self.num_rows = 0
        self._schema = schema
        self._tables: list[pa.Table] = []
        self._waiting_rows = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", version="2.6")

    def add(self, columns: Mapping[str, Any], num_rows: int) -> None:
        """Rows as columns: arrays, lists or one value for all rows; a column that is not given is null."""
        if not num_rows:
            return
        arrays = [_column(columns.get(field.name), field.type, num_rows) for field in self._schema]
        self._tables.append(pa.table(arrays, schema=self._schema))
        self.num_rows += num_rows
        self._waiting_rows += num_rows
        if self._waiting_rows >= _TABLE_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._tables:
            self._writer.write_table(pa.concat_tables(self._tables).combine_chunks())
            self._tables, self._waiting_rows = [], 0

    def close(self) -> None:
        self._flush()
        self._writer.close()


def _column(given: Any, kind: pa.DataType, num_rows: int) -> pa.Array | pa.ChunkedArray:
    if given is None or isinstance(given, str | int):
        return pa.repeat(pa.scalar(given, kind), num_rows)
    return given.cast(kind) if isinstance(given, pa.Array | pa.ChunkedArray) else pa.array(given, kind)


class Writers:
    """Takes the pieces in order and writes what was decided of each of their documents."""

    def __init__(self, folder: Path, pieces: Pieces, decision: Decision, edit: Edit):
        self.folder = folder
        self.clusters = Clusters(pieces, decision)
        self.dropped: Counter[tuple[str, str]] = Counter()
        """Rows of dropped.parquet by source and reason."""
        self.heads: dict[int, str] = {}
        """Beginnings of the documents that the largest clusters are kept as, once they have passed."""
        self._pieces = pieces
        self._decision = decision
        self._edit = edit
        self._wanted_heads = [document for document, _ in self.clusters.largest()]
        self._dropped = RowTable(folder / "dropped.parquet", _DROPPED)
        self._quarantined = RowTable(folder / "quarantined.parquet", _QUARANTINED)
        self._clusters = RowTable(folder / "clusters.parquet", _CLUSTERS)
        self._texts: dict[tuple[str, str, str], TextShards] = {}
        self._shards: list[Shard] = []

    def write(self, piece: Piece) -> None:
        """Write the documents of one part."""
        label = self._pieces.labels[piece.source]
        self._close_texts(but=(piece.domain, piece.part.source))
        self._write_lost(piece, label)
        heldout_D, kept_D = piece.part.array("heldout"), self._decision.kept()[piece.documents()]
        for first_row, table in piece.part.batches():
            rows = slice(first_row, first_row + table.num_rows)
            kept, heldout = kept_D[rows], heldout_D[rows]
            train = np.flatnonzero(kept & ~heldout)
            self._shards_of(piece, "train").add(self._edited(table, train, piece.first_doc + first_row + train))
            self._shards_of(piece, "heldout").add(table.filter(pa.array(kept & heldout)))
            self._keep_heads(table, piece.first_doc + first_row)
            gone = np.flatnonzero(~kept)
            self._write_dropped(piece, label, table.take(pa.array(gone)), piece.first_doc + first_row + gone)

    def _edited(self, table: pa.Table, rows: npt.NDArray[np.int64], documents: npt.NDArray[np.int64]) -> pa.Table:
        """Rows of the table without what is cut from their texts."""
        chosen = table if len(rows) == table.num_rows else table.take(pa.array(rows))
        texts = self._edit(documents, pa.concat_arrays(chosen.column("text").chunks)) if len(rows) else []
        return pa.table([chosen.column("id"), texts], schema=part.TEXT_SCHEMA)

    def _write_lost(self, piece: Piece, label: str) -> None:
        """What was quarantined or dropped while it was read."""
        where = {"domain": piece.domain, "source": piece.part.source}
        for rows in _chunks(piece.part.quarantined_rows()):
            columns = {name: [getattr(row, name) for row in rows] for name in ("file", "offset", "reason", "excerpt")}
            self._quarantined.add(where | columns, len(rows))
        for rows in _chunks(piece.part.dropped_rows()):
            columns = {name: [getattr(row, name) for row in rows] for name in ("id", "stage", "reason", "text_head")}
            self._dropped.add(where | columns | {"split": [_split(row.heldout) for row in rows]}, len(rows))
            self.dropped.update((label, row.reason) for row in rows)

    def _write_dropped(self, piece: Piece, label: str, table: pa.Table, documents: npt.NDArray[np.int64]) -> None:
        """Rows of dropped.parquet and clusters.parquet for the dropped `documents`, whose texts are in `table`."""
        if not len(documents):
            return
        where = {"domain": piece.domain, "source": piece.part.source}
        reason_K = self._decision.reason_D[documents]
        stages, reasons = (pa.array([pair[i] for pair in self._decision.reasons], pa.string()) for i in (0, 1))
        heldout_K = piece.part.array("heldout")[documents - piece.first_doc]
        split = pa.array(["train", "heldout"], pa.string()).take(pa.array(heldout_K.astype(np.int8)))
        cluster = self.clusters.of(documents)
        columns = {
            "id": table.column("id"),
            "split": split,
            "stage": stages.take(pa.array(reason_K)),
            "reason": reasons.take(pa.array(reason_K)),
            "duplicate_of": cluster["kept_id"],
            "text_head": pc.call_function(
                "utf8_slice_codeunits", [table.column("text")], pc.SliceOptions(start=0, stop=HEAD_CHARS)
            ),
        }
        self._dropped.add(where | columns, len(documents))
        for index, number in zip(*np.unique(reason_K, return_counts=True), strict=True):
            self.dropped[label, self._decision.reasons[index][1]] += int(number)
        again = pa.array(~np.asarray(cluster["kept_id"].is_null()))
        rows = pa.table(cluster | {name: columns[name] for name in ("id", "split", "stage")}).filter(again)
        members = {name: rows.column(name) for name in cluster}
        members |= {"member_id": rows.column("id"), "member_split": rows.column("split"), "kind": rows.column("stage")}
        members |= {"member_domain": piece.domain, "member_source": piece.part.source}
        self._clusters.add(members, rows.num_rows)

    def _keep_heads(self, table: pa.Table, first_doc: int) -> None:
        for document in self._wanted_heads:
            if first_doc <= document < first_doc + table.num_rows:
                self.heads[document] = table.column("text")[document - first_doc].as_py()[:HEAD_CHARS]

    def _shards_of(self, piece: Piece, split: str) -> TextShards:
        key = (piece.domain, piece.part.source, split)
        if key not in self._texts:
            self._texts[key] = TextShards(self.folder, *key)
        return self._texts[key]

    def _close_texts(self, but: tuple[str, str] | None) -> None:
        """A source's parts follow each other, so that only one source's shards are open, and held in memory."""
        for key in [key for key in self._texts if key[:2] != but]:
            self._shards += self._texts.pop(key).close()

    def close(self) -> tuple[Shard, ...]:
        self._close_texts(but=None)
        tables = {"dropped": self._dropped, "quarantined": self._quarantined, "clusters": self._clusters}
        for kind, table in tables.items():
            table.close()
            self._shards.append(shard_of(table.path, self.folder, kind, num_docs=table.num_rows))
        return tuple(self._shards)


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while chunk := list(islice(rows, _TABLE_ROWS)):
        yield chunk


def _split(heldout: bool) -> str:
    return "heldout" if heldout else "train"


def _text_bytes(table: pa.Table) -> int:
    return int(
        sum(pc.call_function("binary_length", [chunk]).to_numpy().sum() for chunk in table.column("text").chunks)
    )
