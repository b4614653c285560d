"""Text files, one document a file: bytes that are no UTF-8 text put the file in quarantine."""

from __future__ import annotations

from collections.abc import Iterator

from datatrove.data import Document

from domainlm.corpus import stream
from domainlm.corpus.readers.careful import CarefulReader, decoded


class TextReader(CarefulReader):
    """`.txt`, `.md` and any other text, plain, `.gz` or `.zst`."""

    name = "Text files, carefully"

    def read_file(self, filepath: str) -> Iterator[Document]:
        with self.data_folder.open(filepath, "rb") as file:
            _, content, fault = stream.whole(stream.blocks(file, filepath))
        text, undecodable = decoded(content)
        fault = fault or undecodable or ("NUL bytes: not text" if "\0" in text else "")
        if fault:
            self.ledger.quarantine(filepath, 0, fault, content)
            return
        place = f"{self.prefix}/{filepath}"
        document = self.document(text, place, filepath, 0, place)
        if document is not None:
            yield document


class UnreadReader(CarefulReader):
    """Formats that hold text inside another format, and have no reader yet: each file is quarantined as a whole."""

    name = "Files without a reader"

    def read_file(self, filepath: str) -> Iterator[Document]:
        suffix = filepath.removesuffix(".gz").removesuffix(".zst").rpartition(".")[2]
        self.ledger.quarantine(filepath, 0, f"no reader for .{suffix} files")
        yield from ()
