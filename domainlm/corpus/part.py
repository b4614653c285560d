"""What one work item became: its documents with scores and hashes, what it lost, an accounting, and last a marker."""

# D documents, B bands
from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from domainlm.corpus.ledger import Dropped, Quarantined

ACCOUNTING, TEXT, SCORES = "accounting.json", "text.parquet", "scores.parquet"
FINISHED = "finished.json"
"""Written last; no part of what the stage's manifest lists."""
TEXT_SCHEMA = pa.schema([("id", pa.string()), ("text", pa.large_string())])


def heldout_by_hash(text: str, share: float) -> bool:
    """Whether `text` is held out: the same for the same text, whatever else is read.

    >>> heldout_by_hash("any", 0.0), heldout_by_hash("any", 1.0)
    (False, True)
    """
    if share in (0, 1):
        return share == 1
    first = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return first < share * 2**64


def finished(folder: Path, key: str) -> dict[str, dict[str, Any]] | None:
    """Files of the part in `folder` with their `num_bytes` and `sha256`, by name.

    None where it is not finished, a file is not as long as it was, or it was made from something else than `key` says.
    """
    try:
        marker = orjson.loads((folder / FINISHED).read_bytes())
        files = marker["files"]
        whole = all((folder / name).stat().st_size == file["num_bytes"] for name, file in files.items())
    except (FileNotFoundError, orjson.JSONDecodeError, KeyError):
        return None
    return files if whole and marker["key"] == key else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A finished part, read back from its folder."""

    folder: Path
    source: str
    num_read: int
    read_bytes: int
    """UTF-8 bytes of the documents as they were read."""
    num_docs: int
    """Documents that were neither quarantined nor dropped so far."""
    text_bytes: int
    """UTF-8 bytes of those, normalized and edited."""
    dropped: dict[str, dict[str, int]]
    """By stage and reason."""
    num_quarantined: int
    edits: dict[str, dict[str, int]]

    def array(self, name: str) -> npt.NDArray[Any]:
        """An array, mapped from disk: `heldout` and `num_bytes` (documents,), `digests` (documents, 2), `keys` (bands,
        documents)."""
        return np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)

    def batches(
        self, columns: Sequence[str] = ("id", "text"), wanted_D: npt.NDArray[np.bool_] | None = None
    ) -> Iterator[tuple[int, pa.Table]]:
        """(Number of the first row, table) of some 16 MiB of text each; those without a wanted row are not read."""
        with pq.ParquetFile(self.folder / TEXT) as parquet:
            first_row = 0
            for group in range(parquet.num_row_groups):
                end_row = first_row + parquet.metadata.row_group(group).num_rows
                if wanted_D is None or wanted_D[first_row:end_row].any():
                    yield first_row, parquet.read_row_group(group, columns=list(columns))
                first_row = end_row

    def scores(self) -> dict[str, npt.NDArray[np.float32]]:
        """Scores (documents,) by `FILTER.SCORE`; none where the domain has no filters."""
        path = self.folder / SCORES
        if not path.exists():
            return {}
        table = pq.read_table(path)
        return {name: table.column(name).to_numpy() for name in table.column_names}

    def dropped_rows(self) -> Iterator[Dropped]:
        return (Dropped(**row) for row in _read_rows(self.folder / "dropped.jsonl"))

    def quarantined_rows(self) -> Iterator[Quarantined]:
        return (Quarantined(**row) for row in _read_rows(self.folder / "quarantined.jsonl"))


def read(folder: Path) -> Part:
    """The part in `folder`, which is known to be finished."""
    return Part(folder=folder, **orjson.loads((folder / ACCOUNTING).read_bytes()))


def string_array(texts: Sequence[bytes]) -> pa.LargeStringArray:
    """UTF-8 texts as an Arrow array; twice as fast as by way of `str`.

    >>> string_array([b"a", b"", b"bc"]).to_pylist()
    ['a', '', 'bc']
    """
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)), out=offsets[1:])
    return pa.LargeStringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(b"".join(texts)))


def text_writer(path: Path, compression: Literal["lz4", "zstd"]) -> pq.ParquetWriter:
    """A writer of `id` and `text` whose bytes depend on the rows and pyarrow's version, and on nothing else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return pq.ParquetWriter(
        path,
        TEXT_SCHEMA,
        compression=compression,
        # Level 3 takes 1.8 times as long to write, for files that are a sixth smaller.
        compression_level=1 if compression == "zstd" else None,
        use_dictionary=False,
        write_statistics=False,
        version="2.6",
    )


def _read_rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        yield from map(orjson.loads, file)
