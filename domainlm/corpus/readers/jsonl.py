"""JSON lines, one record a line: a bad line costs that line, a damaged end costs the rest, and both are told."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
from datatrove.data import Document

from domainlm.corpus import stream
from domainlm.corpus.readers.careful import CarefulReader, decoded


class JsonlReader(CarefulReader):
    """`.jsonl`, plain, `.gz` or `.zst`."""

    name = "JSON lines, carefully"

    def read_file(self, filepath: str) -> Iterator[Document]:
        with self.data_folder.open(filepath, "rb") as file:
            for row, line in enumerate(stream.lines(stream.blocks(file, filepath))):
                offset, content, fault = line
                if fault:
                    self.ledger.quarantine(filepath, offset, fault, content)
                    continue
                if not content.strip():
                    continue
                try:
                    record = orjson.loads(content)
                except orjson.JSONDecodeError as error:
                    reason = decoded(content)[1] or f"not JSON: {error}"
                    self.ledger.quarantine(filepath, offset, reason, content)
                    continue
                document = self.record(record, filepath, offset, row)
                if document is not None:
                    yield document
