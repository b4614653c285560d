"""Parquet, row group by row group: a broken row group costs that row group, an undecodable cell that row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datatrove.data import Document

from domainlm.corpus.readers.careful import CarefulReader

_BATCH_ROWS = 1024


class ParquetReader(CarefulReader):
    """`.parquet`; only the columns of the text and the id are read."""

    name = "Parquet, carefully"

    def read_file(self, filepath: str) -> Iterator[Document]:
        with self.data_folder.open(filepath, "rb") as file:
            try:
                parquet = pq.ParquetFile(file)
            except (pa.ArrowException, OSError) as error:
                self.ledger.quarantine(filepath, 0, f"not Parquet: {_first_line(error)}")
                return
            columns = [self.text_key, *([self.id_field] if self.id_field else [])]
            missing = [name for name in columns if name not in parquet.schema_arrow.names]
            if missing:
                there = ", ".join(parquet.schema_arrow.names)
                self.ledger.quarantine(filepath, 0, f"no column {missing[0]!r}; there is {there}")
                return
            first_row = 0
            for group in range(parquet.num_row_groups):
                yield from self._read_group(parquet, group, columns, filepath, first_row)
                first_row += parquet.metadata.row_group(group).num_rows

    def _read_group(
        self, parquet: pq.ParquetFile, group: int, columns: list[str], file: str, row: int
    ) -> Iterator[Document]:
        batches = parquet.iter_batches(_BATCH_ROWS, row_groups=[group], columns=columns)
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                reason = f"row group {group} is broken from here: {_first_line(error)}"
                self.ledger.quarantine(file, row, reason)
                return
            if batch is None:
                return
            own_ids = cells(batch.column(self.id_field)) if self.id_field else [None] * batch.num_rows
            for text, own_id in zip(cells(batch.column(self.text_key)), own_ids, strict=True):
                document = self._row(text, own_id, file, row)
                if document is not None:
                    yield document
                row += 1

    def _row(self, text: Any, own_id: Any, file: str, row: int) -> Document | None:
        if isinstance(text, UnicodeDecodeError):
            self.ledger.quarantine(file, row, f"not UTF-8: byte at {text.start}", text.object)
            return None
        return self.document(text, own_id, file, row, f"{self.prefix}/{file}/{row}")


def cells(column: pa.Array) -> list[Any]:
    """The column's values; a UnicodeDecodeError stands where the bytes are no UTF-8."""
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        return [_cell(value) for value in column]


def _cell(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError as error:
        return error


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:200]
