"""Writes a part: batches of documents with scores and hashes, an accounting, a marker; then puts it into its place."""

# D documents
from __future__ import annotations

import errno
import secrets
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from domainlm.corpus import exact, sieve
from domainlm.corpus.batch import Packed, Spans, sealed
from domainlm.corpus.ledger import Dropped, Ledger, Quarantined
from domainlm.corpus.part import ACCOUNTING, FINISHED, SCORES, TEXT, TEXT_SCHEMA
from domainlm.corpus.reading import Reading
from domainlm.corpus.texts import Texts
from domainlm.digest import file_digest
from domainlm.errors import DataError
from domainlm.manifest import write_atomically

_BATCH_BYTES = 16 * 2**20
"""Text that is held in memory at once."""


class PartWriter:
    """Writes documents in batches; `close` writes the rest and a marker, and puts all of it where it belongs."""

    def __init__(self, folder: Path, reading: Reading):
        self._place = folder
        self.reading = reading
        # In a folder of our own: a worker whose run was killed may still be writing the same part.
        self.folder = folder = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}.tmp")
        folder.mkdir(parents=True)
        self._text_writer = pa.ipc.new_file(folder / TEXT, TEXT_SCHEMA)
        self._score_writer: pq.ParquetWriter | None = None
        self._texts, self._ids = Packed(_BATCH_BYTES + _BATCH_BYTES // 16), Packed(2**16)
        self._heldout: list[npt.NDArray[np.bool_]] = []
        self._arrays: dict[str, list[npt.NDArray[Any]]] = {}

    def add(self, ids: Spans, texts: Spans, heldout_D: npt.NDArray[np.bool_]) -> None:
        """Documents that stay, in order. Batches that are written depend on their lengths, and on nothing else."""
        first, ends_D = 0, np.cumsum(texts.num_bytes())
        while first < len(texts):
            taken = int(ends_D[first - 1]) if first else 0
            full = int(np.searchsorted(ends_D, taken + _BATCH_BYTES - self._texts.num_bytes)) + 1
            some = slice(first, full)
            self._ids.add(ids.chosen(some))
            self._texts.add(texts.chosen(some))
            self._heldout.append(heldout_D[some])
            first = full
            if self._texts.num_bytes >= _BATCH_BYTES:
                self._flush()

    def _flush(self) -> None:
        texts = Texts(_strings(pa.LargeStringArray, self._texts, np.int64))
        for name, array in hashes(texts, self.reading).items():
            self._arrays.setdefault(name, []).append(array)
        self._arrays.setdefault("heldout", []).append(np.concatenate([np.zeros(0, bool), *self._heldout]))
        if len(texts):
            ids = _strings(pa.StringArray, self._ids, np.int32)
            self._text_writer.write_batch(pa.record_batch([ids, texts.array], schema=TEXT_SCHEMA))
            self._write_scores(sieve.score(texts, self.reading.filters))
        self._heldout = []
        self._ids.clear()
        self._texts.clear()

    def _write_scores(self, scores: dict[str, npt.NDArray[np.float32]]) -> None:
        if not scores:
            return
        table = pa.table(scores)
        if self._score_writer is None:
            self._score_writer = pq.ParquetWriter(self.folder / SCORES, table.schema, compression="zstd", version="2.6")
        self._score_writer.write_table(table)

    def close(self, ledger: Ledger, edits: Mapping[str, Mapping[str, int]], *, source: str, key: str) -> None:
        """Raises DataError where a record was neither written, nor dropped, nor quarantined."""
        if self._texts.num_bytes or not self._arrays:
            self._flush()
        self._text_writer.close()
        if self._score_writer is not None:
            self._score_writer.close()
        for name, arrays in self._arrays.items():
            np.save(self.folder / f"{name}.npy", np.concatenate(arrays, axis=_axis(name)), allow_pickle=False)
        _write_rows(self.folder / "dropped.jsonl", ledger.dropped)
        _write_rows(self.folder / "quarantined.jsonl", ledger.quarantined)
        num_docs = sum(map(len, self._arrays["heldout"]))
        num_lost = len(ledger.dropped) + len(ledger.quarantined)
        if ledger.num_read != num_docs + num_lost:
            raise DataError(f"{self._place}: {ledger.num_read} records read, but {num_docs} passed and {num_lost} lost")
        accounting = {
            "source": source,
            "num_read": ledger.num_read,
            "read_bytes": ledger.read_bytes,
            "num_docs": num_docs,
            "text_bytes": int(sum(array.sum() for array in self._arrays["num_bytes"])),
            "dropped": _by_stage(ledger),
            "num_quarantined": len(ledger.quarantined),
            "edits": edits,
        }
        (self.folder / ACCOUNTING).write_bytes(orjson.dumps(accounting, option=orjson.OPT_SORT_KEYS))
        _mark(self.folder, key)
        # What another attempt or another spec left there goes. A worker of a killed run, if it was quicker, made the
        # same bytes; the stage looks at the marker.
        shutil.rmtree(self._place, ignore_errors=True)
        try:
            self.folder.rename(self._place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            shutil.rmtree(self.folder)


def hashes(texts: Texts, reading: Reading) -> dict[str, npt.NDArray[Any]]:
    """What deciding needs of each text, by the name of its array: see `Part.array`."""
    digests = exact.digests(Spans(data=texts.data, begin_D=texts.offsets[:-1], end_D=texts.offsets[1:]))
    found: dict[str, npt.NDArray[Any]] = {"num_bytes": np.diff(texts.offsets), "digests": digests}
    if reading.hashing is not None:
        from domainlm.corpus import near

        found["keys"] = near.signatures(texts.array, reading.hashing)
    return found


def _strings(kind: type[pa.Array], packed: Packed, width: type[np.int32 | np.int64]) -> Any:
    """The texts as an Arrow array over the same bytes; DataError where ids are too long for one."""
    offsets_D = packed.offsets()
    if offsets_D[-1] > np.iinfo(width).max:
        raise DataError(f"ids of {offsets_D[-1]:,} bytes in one batch: choose another `id_field`")
    data = pa.py_buffer(sealed(packed.data)[: offsets_D[-1]])
    return kind.from_buffers(len(offsets_D) - 1, pa.py_buffer(offsets_D.astype(width)), data)


def _axis(name: str) -> int:
    """The axis along which the documents of an array lie."""
    return 1 if name == "keys" else 0


def _by_stage(ledger: Ledger) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for row in ledger.dropped:
        counts.setdefault(row.stage, Counter())[row.reason] += 1
    return {stage: dict(reasons) for stage, reasons in counts.items()}


def _mark(folder: Path, key: str) -> None:
    """Say that the part is finished: sizes and digests of its files, and of what they were made."""
    files = {path.name: {"num_bytes": path.stat().st_size, "sha256": file_digest(path)} for path in folder.iterdir()}
    write_atomically(folder / FINISHED, orjson.dumps({"key": key, "files": files}, option=orjson.OPT_SORT_KEYS))


def _write_rows(path: Path, rows: Sequence[Dropped | Quarantined]) -> None:
    with path.open("wb") as file:
        for row in rows:
            file.write(orjson.dumps(asdict(row), option=orjson.OPT_APPEND_NEWLINE))
