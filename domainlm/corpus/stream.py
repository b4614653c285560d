"""Bytes of a file, decompressed, cut at b"\\n" and at nothing else; damage ends the file and is told, not raised."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple

import zstandard

MAX_RECORD_BYTES = 64 * 2**20
"""A longer line, or text file, is quarantined: it is a bomb or not text. A guess; the longest novel has 4 MB."""
_PLAIN_BYTES = 2**20
# Small steps: what a step inflates to is held in memory, and zstd can inflate 4 bytes to 128 KiB.
_PACKED_BYTES = 2**14
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
        while block := file.read(_PLAIN_BYTES):
            yield block


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
    frame = None
    while block := file.read(_PACKED_BYTES):
        while block:
            if frame is None:
                frame = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES).decompressobj()
            try:
                inflated = frame.decompress(block)
            except zstandard.ZstdError as error:
                raise Damaged(f"broken zstd data ({error})") from error
            if inflated:
                yield inflated
            block = frame.unused_data if frame.eof else b""
            if frame.eof:
                frame = None
    if frame is not None:
        raise Damaged("zstd data ends early")


def lines(inflated: Iterator[bytes]) -> Iterator[Line]:
    """Lines in order; a damaged end or a line over MAX_RECORD_BYTES comes as a line with a fault.

    >>> [(line.offset, line.content) for line in lines(iter([b"a\\x85", b"b\\nc"]))]
    [(0, b'a\\x85b'), (4, b'c')]
    """
    offset, held, held_bytes, fault = 0, [], 0, ""
    try:
        for block in inflated:
            *ended, rest = block.split(b"\n")
            for piece in ended:
                yield _line(offset, [*held, piece], held_bytes + len(piece))
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
    content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    if offset == 0:
        content = content.removeprefix(_BOM)
    fault = f"a record of more than {MAX_RECORD_BYTES:,} bytes" if num_bytes > MAX_RECORD_BYTES else ""
    return Line(offset, content, fault)


def whole(inflated: Iterator[bytes]) -> Line:
    """The file as one record, without a byte order mark; with a fault where it is damaged or too long."""
    pieces, num_bytes = [], 0
    try:
        for block in inflated:
            pieces.append(block)
            num_bytes += len(block)
            if num_bytes > MAX_RECORD_BYTES:
                break
    except Damaged as damage:
        return Line(0, b"".join(pieces), str(damage))
    return _line(0, pieces, num_bytes)
