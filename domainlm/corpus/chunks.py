"""A file's lines, many at a time, for those who look at bytes and not at lines; the same lines as `stream` gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import IO, NamedTuple

from domainlm.corpus import stream
from domainlm.corpus.stream import Damaged, Line


class Chunk(NamedTuple):
    """Lines behind one another."""

    offset: int
    """Byte of its beginning, after decompression."""
    content: bytes


def chunks(inflated: Iterator[bytes], offset: int = 0) -> Iterator[Chunk | Line]:
    """Whole lines, about as many at a time as the bytes come; behind damage, or a line that is too long, line by line.

    >>> list(chunks(iter([b"a\\nb", b"c\\nd"])))
    [Chunk(offset=0, content=b'a\\n'), Chunk(offset=2, content=b'bc\\n'), Chunk(offset=5, content=b'd')]
    """
    held: list[bytes] = []
    held_bytes = 0
    try:
        for block in inflated:
            cut = block.rfind(b"\n") + 1
            if held_bytes + (cut or len(block)) > stream.MAX_RECORD_BYTES:
                yield from stream.lines(chain(held, [block], inflated), offset)
                return
            if cut:
                yield Chunk(offset, b"".join([*held, block[:cut]]))
                offset += held_bytes + cut
                held, held_bytes = [], 0
            held.append(block[cut:])
            held_bytes += len(block) - cut
    except Damaged as damage:
        yield from stream.lines(damaged(held, damage), offset)
        return
    if held_bytes:
        yield Chunk(offset, b"".join(held))


def damaged(blocks: Sequence[bytes], damage: Damaged) -> Iterator[bytes]:
    """The blocks of a file that end in damage."""
    yield from blocks
    raise damage


def chunks_between(file: IO[bytes], begin: int, end: int) -> Iterator[Chunk | Line]:
    """As `lines_between`, but whole lines at a time."""
    first = stream.first_line(file, begin, end)
    if first is None:
        return
    file.seek(first)
    for found in chunks(iter(lambda: file.read(stream.PLAIN_BYTES), b""), first):
        if found.offset >= end:
            return
        if isinstance(found, Line) or found.offset + len(found.content) <= end:
            yield found
            continue
        # The line that begins before the end is ours up to its line feed.
        last = found.content.find(b"\n", max(0, end - 1 - found.offset)) + 1
        yield Chunk(found.offset, found.content[: last or None])
        return
