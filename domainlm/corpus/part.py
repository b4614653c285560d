"""What one work item became: its documents with their hashes, what it lost, and an accounting that is written last."""

# D documents, B bands
from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from domainlm.corpus import exact, near
from domainlm.corpus.ledger import Dropped, Ledger, Quarantined
from domainlm.errors import DataError
from domainlm.manifest import write_atomically
from domainlm.specs.run import NearDuplicates

TEXT_SCHEMA = pa.schema([("id", pa.string()), ("text", pa.large_string())])
_BATCH_BYTES = 16 * 2**20
"""Text that is held in memory at once."""


def heldout_by_hash(text: str, share: float) -> bool:
    """Whether `text` is held out: the same for the same text, whatever else is read.

    >>> heldout_by_hash("any", 0.0), heldout_by_hash("any", 1.0)
    (False, True)
    """
    first = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return first < share * 2**64


class PartWriter:
    """Writes documents in batches; `close` writes the rest and then the accounting, which says that all is there."""

    def __init__(self, folder: Path, near_duplicates: NearDuplicates | None):
        self.folder = folder
        self.near_duplicates = near_duplicates
        folder.mkdir(parents=True, exist_ok=True)
        self._writer = text_writer(folder / "text.parquet", level=1)
        self._ids: list[str] = []
        self._texts: list[bytes] = []
        self._heldout: list[bool] = []
        self._batch_bytes = 0
        self._digests_D2: list[npt.NDArray[np.uint64]] = []
        self._keys_BD: list[npt.NDArray[np.uint64]] = []

    def add(self, document_id: str, text: str, heldout: bool) -> None:
        self._ids.append(document_id)
        utf8 = text.encode()
        self._texts.append(utf8)
        self._heldout.append(heldout)
        self._batch_bytes += len(utf8)
        if self._batch_bytes >= _BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        texts = string_array(self._texts)
        self._digests_D2.append(exact.digests(self._texts))
        if self.near_duplicates is not None:
            self._keys_BD.append(near.signatures(texts, self.near_duplicates))
        self._writer.write_table(pa.table([pa.array(self._ids, pa.string()), texts], schema=TEXT_SCHEMA))
        self._ids, self._texts, self._batch_bytes = [], [], 0

    def close(self, ledger: Ledger, key: str) -> None:
        """Raises DataError where a record was neither written, nor dropped, nor quarantined."""
        if self._texts:
            self._flush()
        self._writer.close()
        num_bands = self.near_duplicates.bands if self.near_duplicates else 0
        no_keys = np.empty((num_bands, 0), np.uint64)
        np.save(self.folder / "heldout.npy", np.array(self._heldout, bool))
        np.save(self.folder / "digests.npy", np.concatenate([np.empty((0, 2), np.uint64), *self._digests_D2]))
        np.save(self.folder / "keys.npy", np.concatenate([no_keys, *self._keys_BD], axis=1))
        _write_rows(self.folder / "dropped.jsonl", ledger.dropped)
        _write_rows(self.folder / "quarantined.jsonl", ledger.quarantined)
        num_docs, num_lost = len(self._heldout), len(ledger.dropped) + len(ledger.quarantined)
        if ledger.num_read != num_docs + num_lost:
            raise DataError(f"{self.folder}: {ledger.num_read} records read, but {num_docs} passed and {num_lost} lost")
        accounting = {
            "key": key,
            "num_read": ledger.num_read,
            "read_bytes": ledger.read_bytes,
            "num_docs": num_docs,
            "dropped": ledger.reasons(),
            "num_quarantined": len(ledger.quarantined),
        }
        write_atomically(self.folder / "accounting.json", orjson.dumps(accounting))


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A finished part, read back from its folder."""

    folder: Path
    key: str
    num_read: int
    read_bytes: int
    num_docs: int
    dropped: dict[str, int]
    num_quarantined: int

    def array(self, name: str) -> npt.NDArray[Any]:
        """`heldout` (documents,), `digests` (documents, 2) or `keys` (bands, documents), mapped from disk."""
        return np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)

    def batches(self, columns: Sequence[str] = ("id", "text")) -> Iterator[pa.Table]:
        """The documents, a table of some 16 MiB of text at a time."""
        with pq.ParquetFile(self.folder / "text.parquet") as parquet:
            for group in range(parquet.num_row_groups):
                yield parquet.read_row_group(group, columns=list(columns))

    def dropped_rows(self) -> Iterator[Dropped]:
        return (Dropped(**row) for row in _read_rows(self.folder / "dropped.jsonl"))

    def quarantined_rows(self) -> Iterator[Quarantined]:
        return (Quarantined(**row) for row in _read_rows(self.folder / "quarantined.jsonl"))


def read(folder: Path, key: str) -> Part | None:
    """The part in `folder`, or None where it is not finished, or was made from something else than `key` says."""
    try:
        accounting = orjson.loads((folder / "accounting.json").read_bytes())
    except FileNotFoundError:
        return None
    return Part(folder=folder, **accounting) if accounting["key"] == key else None


def string_array(texts: Sequence[bytes]) -> pa.LargeStringArray:
    """UTF-8 texts as an Arrow array; twice as fast as by way of `str`.

    >>> string_array([b"a", b"", b"bc"]).to_pylist()
    ['a', '', 'bc']
    """
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)), out=offsets[1:])
    return pa.LargeStringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(b"".join(texts)))


def text_writer(path: Path, *, level: int) -> pq.ParquetWriter:
    """A writer of `id` and `text` whose bytes depend on the rows and pyarrow's version, and on nothing else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return pq.ParquetWriter(
        path,
        TEXT_SCHEMA,
        compression="zstd",
        compression_level=level,
        use_dictionary=False,
        write_statistics=False,
        version="2.6",
    )


def _write_rows(path: Path, rows: Sequence[Dropped | Quarantined]) -> None:
    with path.open("wb") as file:
        for row in rows:
            file.write(orjson.dumps(asdict(row), option=orjson.OPT_APPEND_NEWLINE))


def _read_rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        yield from map(orjson.loads, file)
