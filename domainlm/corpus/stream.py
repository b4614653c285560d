"""Bytes of a file, decompressed, cut at b"\\n" and at nothing else; damage ends the file and is told, not raised."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator
from itertools import chain
from typing import IO, NamedTuple

import zstandard

MAX_RECORD_BYTES = 64 * 2**20
"""A longer line, or text file, is quarantined: it is a bomb or not text. A guess; the longest novel has 4 MB."""
PLAIN_BYTES = 2**20
"""Of a file that is not compressed, read at once."""
_PACKED_BYTES = 2**14
# Small steps: what a step inflates to is held in memory, and zstd can inflate 4 bytes to 128 KiB.
_ZSTD_STEP_BYTES = 2**10
_INFLATED_BYTES = 2**20
_MAX_WINDOW_BYTES = 2**31
_BOM = b"\xef\xbb\xbf"


class Damaged(Exception):
    """The compressed data ends early or is broken; all bytes before were handed out."""


class Line(NamedTuple):
    offset: int
    """Byte of its beginning, after decompression."""
    content: bytes
    """Without the line feed; the beginning only, where there is a fault."""
    fault: str
    """Why the content is not whole; empty where it is."""


def blocks(file: IO[bytes], name: str) -> Iterator[bytes]:
    """The bytes of `file`, decompressed as the suffix of `name` says (.gz, .zst); raises Damaged at broken data."""
    if name.endswith(".gz"):
        yield from _gunzip(file)
    elif name.endswith(".zst"):
        yield from _unzstd(file)
    else:
        while block := file.read(PLAIN_BYTES):
            yield block


_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16's, with which it begins
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def marked(head: bytes) -> str | None:
    """The encoding that a byte order mark tells, but for that of UTF-8, which is none to be told.

    >>> marked("Ähre".encode("utf-16")), marked(b"plain")
    ('utf-16', None)
    """
    return next((encoding for mark, encoding in _MARKS.items() if head.startswith(mark)), None)


def recoded(inflated: Iterator[bytes], encoding: str | None) -> Iterator[bytes]:
    """Bytes in UTF-8, out of the encoding that is declared or that a byte order mark tells; raises Damaged where the
    bytes are not in it. Bytes of which nothing is known stay as they are.

    >>> b"".join(recoded(iter([b"caf", b"\\xe9"]), "cp1252")).decode()
    'café'
    """
    first = next(inflated, None)
    if first is None:
        return
    every = chain([first], inflated)
    found = encoding or marked(first)
    if found is None:
        yield from every
        return
    decoder = codecs.getincrementaldecoder(found)()
    try:
        for block in every:
            if text := decoder.decode(block):
                yield text.encode()
        decoder.decode(b"", final=True)
    except UnicodeError as error:
        raise Damaged(f"not {found}: {error}") from error


def _gunzip(file: IO[bytes]) -> Iterator[bytes]:
    member = None
    while block := file.read(_PACKED_BYTES):
        while block:
            if member is None:
                block = block.lstrip(b"\0")  # gzip(1) allows zeros between and after members
                if not block:
                    break
                member = zlib.decompressobj(wbits=31)
            try:
                inflated = member.decompress(block, _INFLATED_BYTES)
            except zlib.error as error:
                raise Damaged(f"broken gzip data ({error})") from error
            if inflated:
                yield inflated
            block = member.unused_data if member.eof else member.unconsumed_tail
            if member.eof:
                member = None
    if member is not None:
        yield member.flush()
        raise Damaged("gzip data ends early")


def _unzstd(file: IO[bytes]) -> Iterator[bytes]:
    frame, held, held_bytes = None, [], 0
    damage: Damaged | None = None
    for block in _steps(file):
        while block:
            if frame is None:
                frame = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES).decompressobj()
            try:
                inflated = frame.decompress(block)
            except zstandard.ZstdError as error:
                damage = Damaged(f"broken zstd data ({error})")
                break
            held.append(inflated)
            held_bytes += len(inflated)
            block = frame.unused_data if frame.eof else b""
            if frame.eof:
                frame = None
        if damage is not None:
            break
        if held_bytes >= _INFLATED_BYTES:
            yield b"".join(held)
            held, held_bytes = [], 0
    if held_bytes:
        yield b"".join(held)
    if damage is not None:
        raise damage
    if frame is not None:
        raise Damaged("zstd data ends early")


def _steps(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(PLAIN_BYTES):
        for begin in range(0, len(block), _ZSTD_STEP_BYTES):
            yield block[begin : begin + _ZSTD_STEP_BYTES]


def lines(inflated: Iterator[bytes], offset: int = 0) -> Iterator[Line]:
    """Lines in order, the first at `offset`; a damaged end or one over MAX_RECORD_BYTES comes with a fault.

    >>> [(line.offset, line.content) for line in lines(iter([b"a\\x85", b"b\\nc"]))]
    [(0, b'a\\x85b'), (4, b'c')]
    """
    held, held_bytes, fault = [], 0, ""
    try:
        for block in inflated:
            *ended, rest = block.split(b"\n")
            for piece in ended:
                if held or not offset or len(piece) > MAX_RECORD_BYTES:
                    yield _line(offset, [*held, piece], held_bytes + len(piece))
                else:  # nearly all
                    yield Line(offset, piece, "")
                offset += held_bytes + len(piece) + 1
                held, held_bytes = [], 0
            if held_bytes <= MAX_RECORD_BYTES:
                held.append(rest)
            held_bytes += len(rest)
    except Damaged as damage:
        fault = f"{damage}; the rest of the file is lost"
    if held_bytes or fault:
        line = _line(offset, held, held_bytes)
        yield line._replace(fault=fault or line.fault)


def _line(offset: int, pieces: list[bytes], num_bytes: int) -> Line:
    return line_of(offset, pieces[0] if len(pieces) == 1 else b"".join(pieces), num_bytes)


def line_of(offset: int, content: bytes, num_bytes: int | None = None) -> Line:
    """The line of these bytes: a byte order mark is taken off the first, and one that is too long has a fault."""
    num_bytes = len(content) if num_bytes is None else num_bytes
    if offset == 0:
        content = content.removeprefix(_BOM)
    return Line(offset, content, _too_long(MAX_RECORD_BYTES) if num_bytes > MAX_RECORD_BYTES else "")


def _too_long(max_bytes: int) -> str:
    return f"a record of more than {max_bytes:,} bytes"


def lines_between(file: IO[bytes], begin: int, end: int) -> Iterator[Line]:
    """Lines of a plain, seekable file whose first byte is at `begin` or after it, and before `end`.

    Ranges that together cover a file give each of its lines once, as `lines` would.
    """
    first = first_line(file, begin, end)
    if first is None:
        return
    file.seek(first)
    for line in lines(iter(lambda: file.read(PLAIN_BYTES), b""), first):
        if line.offset >= end:
            return
        yield line


def first_line(file: IO[bytes], begin: int, end: int) -> int | None:
    """Where the first line begins that begins at `begin` or after it; None where that is not before `end`."""
    if not begin:
        return 0
    file.seek(begin - 1)
    return _skip_line(file, begin - 1, end)


def _skip_line(file: IO[bytes], offset: int, end: int) -> int | None:
    """Where the line after the one at `offset` begins, or None where that is not before `end`."""
    while offset < end and (block := file.read(min(PLAIN_BYTES, end - offset))):
        found = block.find(b"\n")
        if found >= 0:
            return offset + found + 1 if offset + found + 1 < end else None
        offset += len(block)
    return None


def cuts(file: IO[bytes], num_bytes: int) -> list[tuple[int, int, int]]:
    """(begin, end, number of the first line) of the ranges of `num_bytes` that a plain file of lines is cut into."""
    found, begin, num_lines = [], 0, 0
    ends_line = True
    while block := file.read(num_bytes):
        # A range that begins inside a line owns the lines after that one.
        found.append((begin, begin + len(block), num_lines + (not ends_line)))
        num_lines += block.count(b"\n")
        begin, ends_line = begin + len(block), block.endswith(b"\n")
    return found


def whole(inflated: Iterator[bytes], max_bytes: int | None = None) -> Line:
    """The file as one record, without a byte order mark; with a fault where it is damaged or too long.

    Too long is more than `max_bytes`, or MAX_RECORD_BYTES.
    """
    max_bytes = MAX_RECORD_BYTES if max_bytes is None else max_bytes
    pieces, num_bytes = [], 0
    try:
        for block in inflated:
            pieces.append(block)
            num_bytes += len(block)
            if num_bytes > max_bytes:
                return Line(0, pieces[0], _too_long(max_bytes))
    except Damaged as damage:
        return Line(0, b"".join(pieces), str(damage))
    return Line(0, b"".join(pieces).removeprefix(_BOM), "")
