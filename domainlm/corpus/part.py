"""What one work item became: its documents with scores and hashes, what it lost, an accounting, and last a marker."""

# D documents, B bands
from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from domainlm.corpus.ledger import Dropped, Quarantined

ACCOUNTING, TEXT, SCORES = "accounting.json", "text.arrow", "scores.parquet"
FINISHED = "finished.json"
"""Written last; no part of what the stage's manifest lists."""
TEXT_SCHEMA = pa.schema([("id", pa.string()), ("text", pa.large_string())])


def heldout_by_hash(texts: Collection[bytes | memoryview], share: float) -> npt.NDArray[np.bool_]:
    """Which UTF-8 texts (D,) are held out: the same for the same text, whatever else is read.

    >>> heldout_by_hash([b"any"], 0.0).tolist(), heldout_by_hash([b"any"], 1.0).tolist()
    ([False], [True])
    """
    if share in (0, 1):
        return np.full(len(texts), share == 1)
    firsts = (int.from_bytes(hashlib.sha256(text).digest()[:8], "big") for text in texts)
    return np.fromiter((first < share * 2**64 for first in firsts), bool)


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
        # Mapped: of a batch that is not wanted, only its length is looked at.
        with pa.memory_map(str(self.folder / TEXT)) as mapped, pa.ipc.open_file(mapped) as file:
            first_row = 0
            for number in range(file.num_record_batches):
                batch = file.get_batch(number)
                end_row = first_row + batch.num_rows
                if wanted_D is None or wanted_D[first_row:end_row].any():
                    yield first_row, pa.table(batch.select(list(columns)))
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


def _read_rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        yield from map(orjson.loads, file)
