"""The careful half of every reader: a record becomes a DataTrove Document or a quarantined entry, never nothing.

DataTrove 0.10.1's own readers skip a record without text, and a whole file for one bad byte, with no more than a log
line; here the ledger counts both.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

from datatrove.data import Document
from datatrove.io import DataFolderLike
from datatrove.pipeline.readers.base import BaseDiskReader

from domainlm.corpus.ledger import Ledger


class CarefulReader(BaseDiskReader):
    """Reads `files` of `data_folder` in order."""

    def __init__(
        self,
        data_folder: DataFolderLike,
        files: tuple[str, ...],
        ledger: Ledger,
        *,
        prefix: str,
        text_field: str = "text",
        id_field: str | None = None,
    ):
        super().__init__(data_folder, text_key=text_field, id_key=id_field or "", add_file_path=False)
        self.files = files
        self.ledger = ledger
        self.prefix = prefix
        """Ids begin with it where the records have none of their own."""
        self.id_field = id_field

    @abstractmethod
    def read_file(self, filepath: str) -> Iterator[Document]:
        """Documents of one file."""

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """The documents of this rank's share of the files, in order."""
        if data:
            yield from data
        for file in self.files[rank::world_size]:
            yield from self.read_file(file)

    def document(self, text: Any, own_id: Any, file: str, offset: int, place: str) -> Document | None:
        """A counted Document, or None where the text or the id is not what it must be and stands in quarantine."""
        if not isinstance(text, str):
            self.ledger.quarantine(file, offset, f"field {self.text_key!r} is {_kind(text)}, not text")
            return None
        if self.id_field is None:
            own_id = place
        elif not isinstance(own_id, str | int) or isinstance(own_id, bool):
            reason = f"field {self.id_field!r} is {_kind(own_id)}, not an id"
            self.ledger.quarantine(file, offset, reason, text[:200].encode("utf-8", "replace"))
            return None
        try:
            num_bytes = len(text) if text.isascii() else len(text.encode())
        except UnicodeEncodeError:
            self.ledger.quarantine(file, offset, "half of a surrogate pair", text[:200].encode("utf-8", "replace"))
            return None
        self.ledger.num_read += 1
        self.ledger.read_bytes += num_bytes
        return Document(text=text, id=str(own_id))

    def record(self, record: Any, file: str, offset: int, row: int) -> Document | None:
        """As `document`, from a record with fields."""
        if not isinstance(record, dict):
            self.ledger.quarantine(file, offset, f"{_kind(record)} where an object should be", str(record).encode())
            return None
        own_id = record.get(self.id_field) if self.id_field else None
        return self.document(record.get(self.text_key), own_id, file, offset, f"{self.prefix}/{file}/{row}")


def decoded(content: bytes) -> tuple[str, str]:
    """(text, "") of UTF-8 bytes, or ("", reason) where they are none."""
    try:
        return content.decode(), ""
    except UnicodeDecodeError as error:
        return "", f"not UTF-8: byte 0x{content[error.start]:02x} at {error.start}"


def _kind(value: Any) -> str:
    names = {type(None): "missing", list: "a list", dict: "an object", str: "a string", bool: "true or false"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else f"a {type(value).__name__}")
