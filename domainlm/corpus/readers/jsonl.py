"""Files of lines, one record a line: a bad line costs that line, a damaged end costs the rest, and both are told."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import orjson
from datatrove.data import Document

from domainlm.corpus import stream
from domainlm.corpus.readers.careful import CarefulReader, decoded
from domainlm.corpus.stream import Line


class LineReader(CarefulReader):
    """A document a line; an empty line is none."""

    recodes = True

    @abstractmethod
    def read_line(self, line: Line, filepath: str, row: int) -> Document | None:
        """The document of a line that is whole and not blank."""

    def read_file(self, filepath: str) -> Iterator[Document]:
        for row, line in self.lines(filepath):
            document = self.document_of(line, filepath, row)
            if document is not None:
                yield document

    def document_of(self, line: Line, filepath: str, row: int) -> Document | None:
        """The document of a line, unless there is none, or it stands in quarantine."""
        if line.fault:
            self.ledger.quarantine(filepath, line.offset, line.fault, line.content)
            return None
        return self.read_line(line, filepath, row) if line.content.strip() else None

    def lines(self, filepath: str) -> Iterator[tuple[int, Line]]:
        """The lines of the file, or of its part that is asked for, with their numbers from 0."""
        with self.data_folder.open(filepath, "rb") as file:
            if self.span is None:
                yield from enumerate(stream.lines(self.blocks(file, filepath)))
            else:
                found = stream.lines_between(file, self.span.begin, self.span.end)
                yield from enumerate(found, self.span.first_line)


class JsonlReader(LineReader):
    """`.jsonl` and `.ndjson`."""

    name = "JSON lines, carefully"
    has_fields = True

    def read_line(self, line: Line, filepath: str, row: int) -> Document | None:
        try:
            record = orjson.loads(line.content)
        except orjson.JSONDecodeError as error:
            reason = decoded(line.content)[1] or f"not JSON: {error}"
            self.ledger.quarantine(filepath, line.offset, reason, line.content)
            return None
        return self.record(record, filepath, line.offset, row)


class TextLineReader(LineReader):
    """Text files of which each line is a document."""

    name = "Lines of text, carefully"

    def read_line(self, line: Line, filepath: str, row: int) -> Document | None:
        text, fault = decoded(line.content)
        fault = fault or ("NUL bytes: not text" if "\0" in text else "")
        if fault:
            self.ledger.quarantine(filepath, line.offset, fault, line.content)
            return None
        return self.plain(text.removesuffix("\r"), filepath, line.offset, row)
