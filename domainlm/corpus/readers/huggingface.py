"""A Hugging Face dataset, streamed: a local folder, or the hub at a revision that a lock file pins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from datasets import load_dataset
from datasets.exceptions import DatasetGenerationError
from datatrove.data import Document

from domainlm.corpus.ledger import Ledger
from domainlm.corpus.readers.careful import CarefulReader


class HuggingFaceReader(CarefulReader):
    """Rows of `dataset`, one document each. What the network breaks is raised, so that a rerun can mend it."""

    name = "Hugging Face dataset, carefully"

    def __init__(
        self,
        dataset: str,
        ledger: Ledger,
        *,
        config: str | None,
        split: str,
        revision: str | None,
        prefix: str,
        text_field: str,
        id_field: str | None,
    ):
        fields = {"prefix": prefix, "text_field": text_field, "id_field": id_field}
        super().__init__(".", (split,), ledger, **fields)
        self.dataset = dataset
        self.config = config
        self.revision = revision

    def read_file(self, filepath: str) -> Iterator[Document]:
        """Documents of the split `filepath`."""
        rows = iter(self._rows(filepath))
        row = 0
        while True:
            try:
                record = next(rows, None)
            except (ValueError, DatasetGenerationError) as error:
                # Broken rows raise ValueErrors (of Arrow, JSON or Unicode); a lost connection raises OSErrors.
                reason = f"{type(error).__name__}: {error}".replace(self.dataset, ".").partition("\n")[0]
                self.ledger.quarantine(filepath, row, f"{reason[:200]}; the rest of the split is lost")
                return
            if record is None:
                return
            document = self.record(record, filepath, row, row)
            if document is not None:
                yield document
            row += 1

    def _rows(self, split: str) -> Any:
        dataset = load_dataset(self.dataset, self.config, split=split, revision=self.revision, streaming=True)
        wanted = [self.text_key, *([self.id_field] if self.id_field else [])]
        known = dataset.column_names
        return dataset.select_columns(wanted) if known and set(wanted) <= set(known) else dataset


def resolve(dataset: str) -> str:
    """The commit that `OWNER/DATASET` points to now, asked of the hub, for the lock file."""
    from huggingface_hub import HfApi

    revision = HfApi().dataset_info(dataset).sha
    if not revision:
        raise ValueError(f"the hub names no revision of {dataset}")
    return revision
