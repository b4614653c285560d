"""CSV and TSV: a row with a bad byte, a broken quote or a cell too few costs that row, and the next is read.

CSV as RFC 4180 says, so that a quoted cell may hold line feeds; TSV as IANA registered it, without quoting, so that a
line is a row and a huge file can be read in parts.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from datatrove.data import Document

from domainlm.corpus import stream
from domainlm.corpus.fields import Fields
from domainlm.corpus.readers.careful import CarefulReader
from domainlm.corpus.readers.jsonl import LineReader
from domainlm.corpus.stream import Line


class _Fed:
    """The lines of a file as `csv` wants them, with the place of the last one, and why there are no more."""

    def __init__(self, lines: Iterator[Line]):
        self._lines = lines
        self.next_offset = 0
        """Where the line begins that is read next."""
        self.fault: Line | None = None

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            if line.fault:
                self.fault = line
                return
            self.next_offset = line.offset + len(line.content) + 1
            # A bad byte becomes half a surrogate pair, so that it is found in the row where it stands.
            yield line.content.decode("utf-8", "surrogateescape") + "\n"


class CsvReader(CarefulReader):
    """`.csv`: commas, double quotes, the first row names the columns."""

    name = "CSV, carefully"
    recodes = True
    has_fields = True

    def read_file(self, filepath: str) -> Iterator[Document]:
        # A limit of the whole process; the default of 128 KiB is less than a long cell.
        csv.field_size_limit(stream.MAX_RECORD_BYTES)
        with self.data_folder.open(filepath, "rb") as file:
            fed = _Fed(stream.lines(self.blocks(file, filepath)))
            rows = csv.reader(iter(fed), strict=True)
            header: list[str] | None = None
            number, offset = 0, 0
            while True:
                try:
                    cells = next(rows, None)
                except csv.Error as error:
                    if fed.fault is not None:
                        break  # the row that the damage cut: told below
                    self.ledger.quarantine(filepath, offset, f"not CSV: {error}")
                else:
                    if cells is None:
                        break
                    if header is None:
                        header = _header(self, cells, filepath)
                        number -= 1
                        if header is None:
                            return
                    elif cells:
                        document = row_document(self, header, cells, filepath, offset, number)
                        if document is not None:
                            yield document
                number += 1
                offset = fed.next_offset
            if fed.fault is not None:
                reason = fed.fault.fault.removesuffix("; the rest of the file is lost")
                self.ledger.quarantine(filepath, offset, f"{reason}; the rest of the file is lost", fed.fault.content)


class TsvReader(LineReader):
    """`.tsv`: tabs, no quoting, the first line names the columns."""

    name = "TSV, carefully"
    has_fields = True

    def __init__(self, data_folder: Any, files: tuple[str, ...], ledger: Any, fields: Fields):
        super().__init__(data_folder, files, ledger, fields)
        self._header: list[str] | None = None

    def read_file(self, filepath: str) -> Iterator[Document]:
        self._header = None
        if self.span is not None and self.span.begin:
            with self.data_folder.open(filepath, "rb") as file:
                first = next(stream.lines(stream.blocks(file, filepath)))
            self._header = _cells(first)
            if not set(self.columns()) <= set(self._header):
                return  # told once, where the file begins
        yield from super().read_file(filepath)

    def lines(self, filepath: str) -> Iterator[tuple[int, Line]]:
        for row, line in super().lines(filepath):
            if row or line.fault:
                yield row - 1, line
                continue
            self._header = _header(self, _cells(line), filepath)
            if self._header is None:
                return

    def read_line(self, line: Line, filepath: str, row: int) -> Document | None:
        assert self._header is not None
        return row_document(self, self._header, _cells(line), filepath, line.offset, row)


def _cells(line: Line) -> list[str]:
    return line.content.removesuffix(b"\r").decode("utf-8", "surrogateescape").split("\t")


def _header(reader: CarefulReader, cells: list[str], file: str) -> list[str] | None:
    """The names of the columns, or None, the file quarantined, where one is missing that the text or the id needs."""
    missing = [name for name in reader.columns() if name not in cells]
    if not missing:
        return cells
    excerpt = ",".join(cells).encode("utf-8", "backslashreplace")
    there = ", ".join(cells)[:200].encode("utf-8", "backslashreplace").decode()
    reader.ledger.quarantine(file, 0, f"no column {missing[0]!r}; there is {there}", excerpt)
    return None


def row_document(
    reader: CarefulReader, header: list[str], cells: list[str], file: str, offset: int, number: int
) -> Document | None:
    """The document of a row, or None, the row quarantined, where it has other than a cell for each column."""
    if len(cells) != len(header):
        reason = f"a row of {len(cells)} cells under {len(header)} columns"
        reader.ledger.quarantine(file, offset, reason, ",".join(cells).encode("utf-8", "backslashreplace"))
        return None
    return reader.record(dict(zip(header, cells, strict=True)), file, offset, number)
