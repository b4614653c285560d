"""A Hugging Face dataset, streamed shard by shard: a local folder, or the hub at a revision that a lock file pins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from datasets import IterableDataset, load_dataset
from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError
from datasets.table import CastError
from datatrove.data import Document

from domainlm.corpus.fields import Fields
from domainlm.corpus.ledger import Ledger
from domainlm.corpus.readers.careful import CarefulReader, first_line, is_damage
from domainlm.errors import DataError

_BROKEN = (pa.ArrowException, DatasetGenerationError, CastError, UnicodeDecodeError, json.JSONDecodeError, OSError)
"""What rows raise that cannot be read. Any other error, of the network or of ours, ends the stage."""


class HuggingFaceReader(CarefulReader):
    """Rows of `dataset`, one document each. What the network breaks is raised, so that a rerun can mend it.

    Ids and offsets are the number of the shard (a file, mostly) and of the row in it.
    """

    name = "Hugging Face dataset, carefully"

    def __init__(
        self, dataset: str, ledger: Ledger, fields: Fields, *, config: str | None, split: str, revision: str | None
    ):
        super().__init__(".", (split,), ledger, fields)
        self.dataset = dataset
        self.config = config
        self.revision = revision

    def read_file(self, filepath: str) -> Iterator[Document]:
        """Documents of the split `filepath`."""
        rows = streamed(self.dataset, self.config, filepath, self.revision)
        wanted, known = self.columns(), rows.column_names
        if known and set(wanted) <= set(known):
            rows = rows.select_columns(wanted)
        num_shards = rows.num_shards
        for shard in range(num_shards) if self.span is None else range(self.span.begin, self.span.end):
            yield from self._read_shard(rows.shard(num_shards, shard), f"{filepath}/{shard}")

    def _read_shard(self, rows: IterableDataset, place: str) -> Iterator[Document]:
        found = iter(rows)
        row = 0
        while True:
            try:
                record = next(found, None)
            except _BROKEN as error:
                if not _is_damage(error):
                    raise
                reason = f"{type(error).__name__}: {first_line(error)}".replace(self.dataset, ".")
                self.ledger.quarantine(place, row, f"{reason}; the rest of the shard is lost")
                return
            if record is None:
                return
            document = self.record(record, place, row, row)
            if document is not None:
                yield document
            row += 1


def streamed(dataset: str, config: str | None, split: str, revision: str | None) -> IterableDataset:
    """The rows of a split, none of them read yet. Raises DataError where there is no such dataset, config or split."""
    try:
        return load_dataset(dataset, config, split=split, revision=revision, streaming=True)
    except (ValueError, DatasetNotFoundError, DatasetGenerationError) as error:
        where = f"hf:{'.' if Path(dataset).is_absolute() else dataset}"
        asked = ", ".join([f"split {split}", *([f"config {config}"] if config else [])])
        why = first_line(error).replace(dataset, ".")
        raise DataError(f"{where}: cannot be read with {asked} ({why}); correct `split`, `config` or `uri`") from error


def _is_damage(error: Exception) -> bool:
    """Whether rows are broken, and not the connection, which the error of datasets can stand for as well."""
    cause = error.__cause__ if isinstance(error, DatasetGenerationError) else error
    return cause is None or (isinstance(cause, _BROKEN) and is_damage(cause))
