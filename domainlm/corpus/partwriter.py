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

from domainlm.corpus import exact, near, sieve
from domainlm.corpus.ledger import Dropped, Ledger, Quarantined
from domainlm.corpus.part import ACCOUNTING, FINISHED, SCORES, TEXT, TEXT_SCHEMA, string_array, text_writer
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
        self._text_writer = text_writer(folder / TEXT, "lz4")
        self._score_writer: pq.ParquetWriter | None = None
        self._ids: list[str] = []
        self._texts: list[bytes] = []
        self._heldout: list[bool] = []
        self._batch_bytes = 0
        self._arrays: dict[str, list[npt.NDArray[Any]]] = {}

    def add(self, document_id: str, utf8: bytes, heldout: bool) -> None:
        self._ids.append(document_id)
        self._texts.append(utf8)
        self._heldout.append(heldout)
        self._batch_bytes += len(utf8)
        if self._batch_bytes >= _BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        texts = Texts(string_array(self._texts))
        for name, array in hashes(texts, self._texts, self.reading).items():
            self._arrays.setdefault(name, []).append(array)
        self._arrays.setdefault("heldout", []).append(np.array(self._heldout, bool))
        if self._texts:
            self._text_writer.write_table(pa.table([pa.array(self._ids, pa.string()), texts.array], schema=TEXT_SCHEMA))
            self._write_scores(sieve.score(texts, self.reading.filters))
        self._ids, self._texts, self._heldout, self._batch_bytes = [], [], [], 0

    def _write_scores(self, scores: dict[str, npt.NDArray[np.float32]]) -> None:
        if not scores:
            return
        table = pa.table(scores)
        if self._score_writer is None:
            self._score_writer = pq.ParquetWriter(self.folder / SCORES, table.schema, compression="zstd", version="2.6")
        self._score_writer.write_table(table)

    def close(self, ledger: Ledger, edits: Mapping[str, Mapping[str, int]], *, source: str, key: str) -> None:
        """Raises DataError where a record was neither written, nor dropped, nor quarantined."""
        if self._texts or not self._arrays:
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


def hashes(texts: Texts, utf8: Sequence[bytes], reading: Reading) -> dict[str, npt.NDArray[Any]]:
    """What deciding needs of each text, by the name of its array: see `Part.array`."""
    found: dict[str, npt.NDArray[Any]] = {"num_bytes": np.diff(texts.offsets), "digests": exact.digests(utf8)}
    if reading.hashing is not None:
        found["keys"] = near.signatures(texts.array, reading.hashing)
    return found


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
