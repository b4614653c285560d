"""Files that are one document each: text, HTML, PDF, XML, SGML; a submission to EDGAR is the documents filed in it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

from datatrove.data import Document

from domainlm.corpus import stream
from domainlm.corpus.extract import Unreadable, kind
from domainlm.corpus.readers.careful import CarefulReader, decoded
from domainlm.specs.formats import unpacked

if TYPE_CHECKING:
    from domainlm.corpus.extract.apart import Apart


class WholeReader(CarefulReader):
    """A document a file; one that gives no text is quarantined and its reason told."""

    max_bytes: int | None = None
    """A longer file is quarantined; None for the limit of a record."""

    @abstractmethod
    def text_of(self, content: bytes) -> str:
        """The text of a whole file; raises Unreadable."""

    def read_file(self, filepath: str) -> Iterator[Document]:
        with self.data_folder.open(filepath, "rb") as file:
            yield from self.read_blocks(self.blocks(file, filepath), filepath)

    def read_blocks(self, blocks: Iterator[bytes], filepath: str) -> Iterator[Document]:
        """As `read_file`, of a file whose bytes are handed over."""
        num_before = self.ledger.num_read
        _, content, fault = stream.whole(blocks, self.max_bytes)
        if self.ledger.num_read > num_before:
            return  # an empty file, which was told
        text = ""
        try:
            text = "" if fault else self.text_of(content)
        except Unreadable as error:
            fault = str(error)
        if fault:
            self.ledger.quarantine(filepath, 0, fault, content)
            return
        document = self.plain(text, filepath, 0)
        if document is not None:
            yield document


class TextReader(WholeReader):
    """`.txt`, `.md` and any other text; a submission to EDGAR is known by its beginning."""

    name = "Text files, carefully"
    recodes = True

    def read_blocks(self, blocks: Iterator[bytes], filepath: str) -> Iterator[Document]:
        from domainlm.corpus.extract import edgar
        from domainlm.corpus.readers.edgar import filings

        try:
            head = next(blocks, None)
        except stream.Damaged as damage:
            self.ledger.quarantine(filepath, 0, str(damage))
            return
        if head is None:
            return  # an empty file, which was told
        if edgar.is_submission(head):
            yield from filings(self, chain([head], blocks), filepath)
        else:
            yield from super().read_blocks(chain([head], blocks), filepath)

    def text_of(self, content: bytes) -> str:
        found = kind.binary(content)
        if found:
            raise Unreadable(f"{found}, not text")
        text, fault = decoded(content)
        fault = fault or ("NUL bytes: not text" if "\0" in text else "")
        if fault:
            raise Unreadable(fault)
        return text


class HtmlReader(WholeReader):
    """`.html`, `.htm`."""

    name = "HTML, carefully"

    def text_of(self, content: bytes) -> str:
        from domainlm.corpus.extract import html

        return html.text(content)


class PdfReader(WholeReader):
    """`.pdf`."""

    name = "PDF, carefully"
    max_bytes = 512 * 2**20
    """Images make a PDF long. A guess."""

    def text_of(self, content: bytes) -> str:
        return self._apart.text(content)

    @cached_property
    def _apart(self) -> Apart:
        from domainlm.corpus.extract.apart import Apart

        return Apart()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_apart"}


class XmlReader(WholeReader):
    """`.xml`, `.nxml`."""

    name = "XML, carefully"

    def text_of(self, content: bytes) -> str:
        from domainlm.corpus.extract import xml

        return xml.text(content)


class SgmlReader(WholeReader):
    """`.sgml`, `.sgm`: nothing but the tags is taken away."""

    name = "SGML, carefully"

    def text_of(self, content: bytes) -> str:
        from domainlm.corpus.extract import html

        return html.without_tags(content)


class UnreadReader(CarefulReader):
    """Formats that have no reader: each file is quarantined as a whole."""

    name = "Files without a reader"

    def read_file(self, filepath: str) -> Iterator[Document]:
        self.ledger.quarantine(filepath, 0, f"no reader for .{unpacked(filepath).rpartition('.')[2]} files")
        yield from ()
