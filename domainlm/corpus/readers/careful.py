"""The careful half of every reader: a record becomes a DataTrove Document or a quarantined entry, never nothing.

DataTrove 0.10.1's own readers skip a record without text, and a whole file for one bad byte, with no more than a log
line; here the ledger counts both.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import IO, Any

from datatrove.data import Document
from datatrove.io import DataFolderLike
from datatrove.pipeline.readers.base import BaseDiskReader

from domainlm.corpus import stream
from domainlm.corpus.fields import Fields
from domainlm.corpus.ledger import Ledger
from domainlm.specs.template import kind_of


class CarefulReader(BaseDiskReader):
    """Reads `files` of `data_folder` in order."""

    recodes = False
    """Whether its files are text in any encoding that is declared, or marked."""
    has_fields = False
    """Whether its records have fields, and so may have an id."""

    def __init__(self, data_folder: DataFolderLike, files: tuple[str, ...], ledger: Ledger, fields: Fields):
        super().__init__(data_folder, text_key=fields.text.fields[0], id_key=fields.id_field or "", add_file_path=False)
        self.files = files
        self.ledger = ledger
        self.prefix = fields.prefix
        self.template = fields.text
        self.id_field = fields.id_field
        self.encoding = fields.encoding
        self.span = fields.span

    @abstractmethod
    def read_file(self, filepath: str) -> Iterator[Document]:
        """Documents of one file."""

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """The documents of this rank's share of the files, in order."""
        if data:
            yield from data
        for file in self.files[rank::world_size]:
            yield from self.read_file(file)

    def columns(self) -> list[str]:
        """The fields that are read, each once."""
        return list(dict.fromkeys([*self.template.fields, *([self.id_field] if self.id_field else [])]))

    def blocks(self, file: IO[bytes], filepath: str) -> Iterator[bytes]:
        """The bytes of a file, decompressed; that it has none is told. Raises stream.Damaged."""
        empty = True
        inflated = stream.blocks(file, filepath)
        for block in stream.recoded(inflated, self.encoding) if self.recodes else inflated:
            empty = False
            yield block
        if empty:
            self.ledger.quarantine(filepath, 0, "an empty file")

    def document(self, text: str, own_id: Any, file: str, offset: int, place: str) -> Document | None:
        """A counted Document, or None where the text or the id is not what it must be and stands in quarantine."""
        if self.id_field is None:
            own_id = place
        elif not isinstance(own_id, str | int) or isinstance(own_id, bool):
            reason = f"field {self.id_field!r} is {kind_of(own_id)}, not an id"
            self.ledger.quarantine(file, offset, reason, text[:200].encode("utf-8", "replace"))
            return None
        try:
            num_bytes = len(text) if text.isascii() else len(text.encode())
        except UnicodeEncodeError:
            self.ledger.quarantine(file, offset, _undecoded(text), text[:200].encode("utf-8", "backslashreplace"))
            return None
        self.ledger.num_read += 1
        self.ledger.read_bytes += num_bytes
        return Document(text=text, id=str(own_id))

    def plain(self, text: str, file: str, offset: int, number: int | str | None = None) -> Document | None:
        """As `document`, of a text that stands in no record and so has no id but its place."""
        place = f"{self.prefix}/{file}" if number is None else f"{self.prefix}/{file}/{number}"
        return self.document(text, place, file, offset, place)

    def record(self, record: Any, file: str, offset: int, number: int | str) -> Document | None:
        """As `document`, from a record with fields; `number` tells it from the others of its file."""
        if not isinstance(record, dict):
            reason = f"{kind_of(record)} where an object should be"
            self.ledger.quarantine(file, offset, reason, str(record)[:200].encode("utf-8", "replace"))
            return None
        text, fault = self.template.fill(record)
        if fault:
            self.ledger.quarantine(file, offset, fault, str(record)[:200].encode("utf-8", "replace"))
            return None
        own_id = record.get(self.id_field) if self.id_field else None
        return self.document(text, own_id, file, offset, f"{self.prefix}/{file}/{number}")


def decoded(content: bytes) -> tuple[str, str]:
    """(text, "") of UTF-8 bytes, or ("", reason) where they are none."""
    try:
        return content.decode(), ""
    except UnicodeDecodeError as error:
        return "", f"not UTF-8: byte 0x{content[error.start]:02x} at {error.start}"


def _undecoded(text: str) -> str:
    """Why `text` cannot be encoded: a byte that was no UTF-8, kept aside by `surrogateescape`, or half a character."""
    bad = next(c for c in text if 0xD800 <= ord(c) <= 0xDFFF)
    return f"not UTF-8: byte 0x{ord(bad) - 0xDC00:02x}" if 0xDC80 <= ord(bad) <= 0xDCFF else "half of a surrogate pair"


def first_line(error: BaseException) -> str:
    """The beginning of what a library says of an error."""
    return f"{error}".partition("\n")[0][:200]


def is_damage(error: BaseException) -> bool:
    """Whether a library says that data is damaged, and not that a disk or a connection failed, which a rerun may mend.

    pyarrow raises bare OSErrors, without a number, for data that it cannot read.
    """
    return not isinstance(error, OSError) or (type(error) is OSError and error.errno is None)
