"""WARC: the pages that a crawl got, and the texts that were made of them (WET); what else it holds is counted.

By fastwarc (Apache-2.0), which ends in silence where a file does: the bytes are inflated here, so that its end is seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, cast

from datatrove.data import Document
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from domainlm.corpus import stream
from domainlm.corpus.extract import Unreadable, html, kind
from domainlm.corpus.readers.careful import CarefulReader, decoded, first_line

_PAGES = ("text/html", "application/xhtml+xml")
_TAIL_BYTES = 2**16
"""What follows the last record is looked for in so many bytes."""
_ENDING_BYTES = 200
_OF_THE_WEB = re.compile(r"(?i)(https?|ftp|file):")
_READ = WarcRecordType.response | WarcRecordType.resource | WarcRecordType.conversion


class WarcReader(CarefulReader):
    """`.warc`, `.wet`; requests, metadata and the like are no documents and are not counted.

    Ids and offsets are the byte at which a record begins, after decompression.
    """

    name = "WARC, carefully"

    def read_file(self, filepath: str) -> Iterator[Document]:
        with self.data_folder.open(filepath, "rb") as file:
            inflated = _Inflated(self.blocks(file, filepath))
            records = ArchiveIterator(cast(BinaryIO, inflated), parse_http=False, record_types=WarcRecordType.any_type)
            end, content = 0, b""
            while True:
                try:
                    record = next(records, None)
                    if record is None:
                        break
                    if "Content-Length" not in record.headers:
                        break  # the head of a record that the end of the file cuts
                    content = record.reader.read(stream.MAX_RECORD_BYTES + 1)
                    num_more = record.reader.consume() if len(content) > stream.MAX_RECORD_BYTES else 0
                except OSError as error:
                    if inflated.failed is not None:
                        raise inflated.failed from error
                    offset, rest = inflated.after(end, content)
                    self.ledger.quarantine(filepath, offset, f"{first_line(error)}; the rest of the file is lost", rest)
                    return
                offset, end = record.stream_pos, record.stream_pos + record.content_length
                if len(content) + num_more < record.content_length:
                    fault = inflated.damage or "a record that ends early"
                    self.ledger.quarantine(filepath, offset, f"{fault}; the rest of the file is lost", content)
                    return
                if record.record_type & _READ:
                    document = self._document(record, content, filepath, offset)
                    if document is not None:
                        yield document
            offset, rest = inflated.after(end, content)
            fault = inflated.damage or ("the head of a record ends early" if rest else "")
            if fault:
                self.ledger.quarantine(filepath, offset, f"{fault}; the rest of the file is lost", rest)

    def _document(self, record: WarcRecord, content: bytes, file: str, offset: int) -> Document | None:
        if len(content) > stream.MAX_RECORD_BYTES:
            reason = f"a record of more than {stream.MAX_RECORD_BYTES:,} bytes"
            self.ledger.quarantine(file, offset, reason, content)
            return None
        try:
            text, skipped = _text(record, content)
        except (Unreadable, OSError) as error:
            self.ledger.quarantine(file, offset, first_line(error), content)
            return None
        if skipped:
            place = f"{self.prefix}/{file}/{offset}"
            self.ledger.drop(place, f"WARC: {skipped}", _target(record))
            return None
        return self.plain(text, file, offset, offset)


def _text(record: WarcRecord, content: bytes) -> tuple[str, str]:
    """(text, "") of a record, or ("", what it is instead of a page or a text). Raises Unreadable, OSError."""
    charset = None
    if record.record_type == WarcRecordType.resource and not _OF_THE_WEB.match(_target(record)):
        return "", "a note of the crawler"
    if record.is_http:
        record.set_bytes_content(content)
        record.parse_http(auto_decode="all")
        status = record.http_headers.status_code
        if status != 200:
            return "", f"HTTP status {status}"
        content = record.reader.read(stream.MAX_RECORD_BYTES + 1)
        if len(content) > stream.MAX_RECORD_BYTES:
            raise Unreadable(f"a page of more than {stream.MAX_RECORD_BYTES:,} bytes, once inflated")
        media, charset = record.http_content_type, record.http_charset
    else:
        media = (record.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    if media in _PAGES or (not media and kind.is_page(content)):
        return html.text(content, charset), ""
    if media != "text/plain":
        return "", media or "no type of content"
    found = kind.binary(content)
    if found:
        raise Unreadable(f"{found}, not text")
    text, fault = (html.decoded(content, charset), "") if record.is_http else decoded(content)
    fault = fault or ("NUL bytes: not text" if "\0" in text else "")
    if fault:
        raise Unreadable(fault)
    return text, ""


def _target(record: WarcRecord) -> str:
    return (record.headers.get("WARC-Target-URI") or "").strip("<>")


class _Inflated:
    """The bytes of a file, inflated, as a file to read from; remembers whether it was damaged."""

    def __init__(self, blocks: Iterator[bytes]):
        self._blocks = blocks
        self._held = memoryview(b"")
        self._position = 0
        self._tail = b""
        self.damage = ""
        """Why the file ended, where it did not end well."""
        self.failed: OSError | None = None
        """What the disk or the connection raised."""

    def read(self, num_bytes: int) -> bytes:
        while not self._held:
            try:
                block = next(self._blocks, None)
            except stream.Damaged as damage:
                self.damage, block = str(damage), None
            except OSError as error:
                self.failed = error
                raise
            if block is None:
                return b""
            self._held = memoryview(block)
        piece, self._held = bytes(self._held[:num_bytes]), self._held[num_bytes:]
        self._position += len(piece)
        self._tail = (self._tail + piece)[-_TAIL_BYTES:]
        return piece

    def tell(self) -> int:
        return self._position

    def after(self, least: int, content: bytes) -> tuple[int, bytes]:
        """What follows a record of that content, which ends at byte `least` or later: where it begins, and its bytes;
        none where the file ends with the record."""
        tail_begin = self._position - len(self._tail)
        ending = content[-_ENDING_BYTES:]
        found = self._tail.find(ending, max(0, least - len(ending) - tail_begin))
        rest = self._tail[found + len(ending) if found >= 0 else 0 :].lstrip(b"\r\n")
        return self._position - len(rest), rest
