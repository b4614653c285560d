"""A submission to EDGAR: a document for each main document filed in it; exhibits and binaries are dropped, counted."""

from __future__ import annotations

from collections.abc import Iterator

from datatrove.data import Document

from domainlm.corpus import stream
from domainlm.corpus.extract import Unreadable, edgar
from domainlm.corpus.readers.careful import CarefulReader


class EdgarReader(CarefulReader):
    """`.nc`; the same under `.txt` is known by its beginning."""

    name = "EDGAR, carefully"

    def read_file(self, filepath: str) -> Iterator[Document]:
        with self.data_folder.open(filepath, "rb") as file:
            yield from filings(self, self.blocks(file, filepath), filepath)


def filings(reader: CarefulReader, blocks: Iterator[bytes], file: str) -> Iterator[Document]:
    """The main documents of a submission; ids are the place of a document among all that were filed."""
    ledger = reader.ledger
    num_before, number = ledger.num_read, -1
    for number, filed in enumerate(edgar.documents(stream.lines(blocks))):
        head = b"\n".join(filed.content[:5])
        skipped = filed.skipped()
        if filed.fault:
            ledger.quarantine(file, filed.offset, filed.fault, head)
            continue
        if skipped:
            ledger.drop(f"{reader.prefix}/{file}/{number}", skipped, f"<TYPE>{filed.type}")
            continue
        try:
            text = filed.text()
        except Unreadable as error:
            ledger.quarantine(file, filed.offset, str(error), head)
            continue
        document = reader.plain(text, file, filed.offset, number)
        if document is not None:
            yield document
    if number < 0 and ledger.num_read == num_before:
        ledger.quarantine(file, 0, "a submission without one <DOCUMENT>")
