"""Arrow IPC, file and stream, record batch by record batch: a broken batch costs itself, or the rest of a stream.

Of a file that lies on disk and is not compressed, nothing is read but the columns of the text and the id.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import IO

import pyarrow as pa
from datatrove.data import Document
from pyarrow import ipc

from domainlm.corpus.readers.careful import first_line, is_damage
from domainlm.corpus.readers.parquet import BATCH_ROWS, TableReader
from domainlm.corpus.span import Span

MAGIC = b"ARROW1"
"""The first bytes of a file; a stream has none."""


class ArrowReader(TableReader):
    """`.arrow` and `.feather` (version 2); ids and offsets are the number of the batch and of the row in it."""

    name = "Arrow, carefully"

    def read_file(self, filepath: str) -> Iterator[Document]:
        with self.data_folder.open(filepath, "rb") as file:
            head = file.read(len(MAGIC))
            file.seek(0)
            if not head:
                self.ledger.quarantine(filepath, 0, "an empty file")
                return
            batches = _of_file(file, self.span) if head == MAGIC else _of_stream(file, self.span)
            number = 0 if self.span is None else self.span.begin
            while True:
                try:
                    batch = next(batches, None)
                except (pa.ArrowException, OSError) as error:
                    if not is_damage(error):
                        raise
                    rest = "" if head == MAGIC else "; the rest of the file is lost"
                    self.ledger.quarantine(filepath, number, f"not Arrow: {first_line(error)}{rest}")
                    return
                if batch is None or self.lacks(batch.schema.names, filepath):
                    return
                yield from self._documents(batch, number, filepath)
                number += 1

    def _documents(self, batch: pa.RecordBatch, number: int, file: str) -> Iterator[Document]:
        for begin in range(0, batch.num_rows, BATCH_ROWS):
            for row, found in enumerate(self.rows(batch.slice(begin, BATCH_ROWS)), begin):
                document = self.row(found, file, row, f"{number}.{row}")
                if document is not None:
                    yield document


def num_batches(file: IO[bytes]) -> int:
    """Record batches that can be read each by itself; 0 of a stream with dictionaries, or behind a URL, where to find
    one is to read all before it. Raises what pyarrow raises of broken data."""
    head = file.read(len(MAGIC))
    file.seek(0)
    if head == MAGIC:
        return ipc.open_file(file).num_record_batches
    messages = _messages(file)
    if messages is None:
        return 0
    kinds = [message.type for message in messages]
    return 0 if "dictionary" in kinds else kinds.count("record batch")


def _of_file(file: IO[bytes], span: Span | None) -> Iterator[pa.RecordBatch]:
    reader = ipc.open_file(file)
    for number in range(reader.num_record_batches) if span is None else range(span.begin, span.end):
        yield reader.get_batch(number)


def _of_stream(file: IO[bytes], span: Span | None) -> Iterator[pa.RecordBatch]:
    if span is None:
        yield from ipc.open_stream(file)
        return
    messages = _messages(file)
    assert messages is not None, "a stream behind a URL is not cut"
    schema = ipc.read_schema(next(messages))
    for message in islice(messages, span.begin, span.end):
        yield ipc.read_record_batch(message, schema)


def _messages(file: IO[bytes]) -> Iterator[ipc.Message] | None:
    """The messages of a stream, mapped from disk, so that to pass over one reads nothing; None where it is remote."""
    try:
        mapped = pa.memory_map(str(file.name))
    except (AttributeError, FileNotFoundError):
        return None
    return iter(ipc.MessageReader.open_stream(mapped).read_next_message, None)
