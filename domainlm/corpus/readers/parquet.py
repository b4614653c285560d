"""Parquet, row group by row group: a broken row group costs that row group, an undecodable cell that row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datatrove.data import Document

from domainlm.corpus.readers.careful import CarefulReader, first_line, is_damage

BATCH_ROWS = 1024
_BATCH_BYTES = 16 * 2**20


class TableReader(CarefulReader):
    """What formats of columns have in common."""

    has_fields = True

    def lacks(self, names: list[str], filepath: str) -> bool:
        """Whether a column is missing that the text or the id needs; then the file is quarantined."""
        missing = [name for name in self.columns() if name not in names]
        if missing:
            there = ", ".join(names)[:200]
            self.ledger.quarantine(filepath, 0, f"no column {missing[0]!r}; there is {there}")
        return bool(missing)

    def rows(self, batch: pa.RecordBatch) -> Iterator[tuple[dict[str, Any], str]]:
        """(record, "") of each row, or (record, fault) where a cell is no UTF-8."""
        names = self.columns()
        columns = [cells(batch.column(name)) for name in names]
        for row in zip(*columns, strict=True):
            bad = next((cell for cell in row if isinstance(cell, UnicodeDecodeError)), None)
            yield dict(zip(names, row, strict=True)), f"not UTF-8: byte at {bad.start}" if bad else ""

    def row(self, row: tuple[dict[str, Any], str], file: str, offset: int, number: int | str) -> Document | None:
        record, fault = row
        if fault:
            bad = next(cell for cell in record.values() if isinstance(cell, UnicodeDecodeError))
            self.ledger.quarantine(file, offset, fault, bad.object)
            return None
        return self.record(record, file, offset, number)


class ParquetReader(TableReader):
    """`.parquet`; only the columns of the text and the id are read."""

    name = "Parquet, carefully"

    def read_file(self, filepath: str) -> Iterator[Document]:
        with self.data_folder.open(filepath, "rb") as file:
            if not file.read(1):
                self.ledger.quarantine(filepath, 0, "an empty file")
                return
            file.seek(0)
            try:
                parquet = pq.ParquetFile(file)
            except (pa.ArrowException, OSError) as error:
                if not is_damage(error):
                    raise
                self.ledger.quarantine(filepath, 0, f"not Parquet: {first_line(error)}")
                return
            if self.lacks(parquet.schema_arrow.names, filepath):
                return
            groups = range(parquet.num_row_groups) if self.span is None else range(self.span.begin, self.span.end)
            first_row = sum(parquet.metadata.row_group(group).num_rows for group in range(groups.start))
            for group in groups:
                yield from self._read_group(parquet, group, filepath, first_row)
                first_row += parquet.metadata.row_group(group).num_rows

    def _read_group(self, parquet: pq.ParquetFile, group: int, file: str, row: int) -> Iterator[Document]:
        written = parquet.metadata.row_group(group)
        row_bytes = written.total_byte_size // max(1, written.num_rows)
        num_rows = max(1, min(BATCH_ROWS, _BATCH_BYTES // max(1, row_bytes)))
        batches = parquet.iter_batches(num_rows, row_groups=[group], columns=self.columns())
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                if not is_damage(error):
                    raise
                reason = f"row group {group} is broken from here: {first_line(error)}"
                self.ledger.quarantine(file, row, reason)
                return
            if batch is None:
                return
            for found in self.rows(batch):
                document = self.row(found, file, row, row)
                if document is not None:
                    yield document
                row += 1


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
