"""JSON: an array of objects, one object, or several after one another; read a piece at a time, so of any length.

What is not JSON costs the rest of the file: where the next record begins cannot be known.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from datatrove.data import Document

from domainlm.corpus import stream
from domainlm.corpus.readers.careful import CarefulReader, first_line

_SPACE = " \t\r\n"
_DECODER = json.JSONDecoder()


class Found(NamedTuple):
    """A value that stands for a record."""

    offset: int
    """Byte of its beginning, after decompression."""
    value: Any
    fault: str
    """Why there is no value, nor any after it; empty where there is one."""


class JsonReader(CarefulReader):
    """`.json`."""

    name = "JSON, carefully"
    recodes = True
    has_fields = True

    def read_file(self, filepath: str) -> Iterator[Document]:
        with self.data_folder.open(filepath, "rb") as file:
            for number, found in enumerate(Values(self.blocks(file, filepath)).found()):
                if found.fault:
                    self.ledger.quarantine(filepath, found.offset, f"{found.fault}; the rest of the file is lost")
                    return
                document = self.record(found.value, filepath, found.offset, number)
                if document is not None:
                    yield document


class Values:
    """The values in a stream of bytes: its text is held only as far as one value needs."""

    def __init__(self, blocks: Iterator[bytes]):
        self._blocks = blocks
        # A bad byte becomes half a surrogate pair, so that it is found in the record where it stands.
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self._text = ""
        self._at = 0
        """Sign of `_text` up to which it was taken."""
        self._offset = 0
        """Byte of that sign; a byte order mark is not counted."""
        self._damage = ""

    def found(self) -> Iterator[Found]:
        """Each value in order; the last one has the fault, if any."""
        in_array = self._peek() == "["
        if in_array:
            self._take(1)
        first = True
        while sign := self._peek():
            if in_array and sign == "]":
                self._take(1)
                if self._peek():
                    yield Found(self._offset, None, "not JSON: data after the end of the array")
                return
            if in_array and not first:
                if sign != ",":
                    yield Found(self._offset, None, "not JSON: no comma between two records")
                    return
                self._take(1)
                self._peek()
            value = self._value()
            yield value
            if value.fault:
                return
            first = False
        if in_array or self._damage:
            yield Found(self._offset, None, self._damage or "not JSON: the array does not end")

    def _value(self) -> Found:
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                place = self._offset + len(_bytes(self._text[self._at : error.pos]))
                # The error may be that the value goes on in bytes that are not read yet.
                if not self._more():
                    return Found(self._offset, None, self._damage or f"not JSON: {error.msg} at byte {place}")
            except (RecursionError, ValueError) as error:  # brackets, or digits of a number, without end
                return Found(self._offset, None, f"JSON that cannot be held: {first_line(error)}")
            else:
                if end < len(self._text) or not self._more():
                    found = Found(self._offset, value, "")
                    self._take(end - self._at)
                    return found

    def _peek(self) -> str:
        """The next sign that is no space, or empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._take(1)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _take(self, num_signs: int) -> None:
        self._offset += len(_bytes(self._text[self._at : self._at + num_signs]))
        self._at += num_signs

    def _more(self) -> bool:
        """Whether more text came: as much as is held already, so that no value is tried too often."""
        held = self._text[self._at :]
        self._text, self._at = held, 0
        if len(held) > stream.MAX_RECORD_BYTES:
            self._damage = self._damage or f"a record of more than {stream.MAX_RECORD_BYTES:,} bytes"
        pieces, came = [held], 0
        while not self._damage and came <= len(held):
            try:
                block = next(self._blocks, None)
            except stream.Damaged as damage:
                self._damage = str(damage)
                break
            piece = self._decoder.decode(block or b"", final=block is None)
            pieces.append(piece)
            came += len(piece)
            if block is None:
                break
        self._text = "".join(pieces)
        return came > 0


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
