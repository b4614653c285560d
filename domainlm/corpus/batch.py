"""Some documents as bytes in a few arrays: what is done to most of them is done to all at once, by machine code."""

# D documents
from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numba
import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
Uint8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True)
class Spans(Collection[memoryview]):
    """Texts as places in an array of UTF-8 bytes, in which there may be more."""

    data: Uint8
    """Not to be written to: machine code is compiled for such arrays alone."""
    begin_D: Int64
    end_D: Int64

    @classmethod
    def of(cls, texts: Sequence[bytes]) -> Self:
        """
        >>> list(map(bytes, Spans.of([b"a", b"", b"bc"])))
        [b'a', b'', b'bc']
        """
        end_D = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
        begin_D = np.zeros(len(texts), np.int64)
        begin_D[1:] = end_D[:-1]
        return cls(data=np.frombuffer(b"".join(texts), np.uint8), begin_D=begin_D, end_D=end_D)

    def __len__(self) -> int:
        return len(self.begin_D)

    def __iter__(self) -> Iterator[memoryview]:
        view = self.data.data
        return (view[begin:end] for begin, end in zip(self.begin_D.tolist(), self.end_D.tolist(), strict=True))

    def __getitem__(self, number: int) -> memoryview:
        return self.data.data[int(self.begin_D[number]) : int(self.end_D[number])]

    def __contains__(self, text: object) -> bool:
        return any(own == text for own in self)

    def num_bytes(self) -> Int64:
        """(D,)"""
        return self.end_D - self.begin_D

    def chosen(self, which: npt.NDArray[np.bool_] | Int64 | slice) -> Spans:
        """Those of them, over the same bytes."""
        return Spans(data=self.data, begin_D=self.begin_D[which], end_D=self.end_D[which])

    def replaced(self, texts: dict[int, bytes]) -> Spans:
        """These texts, others in the place of some.

        >>> list(map(bytes, Spans.of([b"a", b"b"]).replaced({1: b"new"})))
        [b'a', b'new']
        """
        if not texts:
            return self
        others = Spans.of(list(texts.values()))
        places = np.fromiter(texts, np.int64, len(texts))
        begin_D, end_D = self.begin_D.copy(), self.end_D.copy()
        begin_D[places], end_D[places] = len(self.data) + others.begin_D, len(self.data) + others.end_D
        return Spans(data=sealed(np.concatenate([self.data, others.data])), begin_D=begin_D, end_D=end_D)


def sealed(data: Uint8) -> Uint8:
    """The same bytes, which cannot be written to from here."""
    view = data.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Documents as they were read."""

    ids: Spans
    texts: Spans

    def __len__(self) -> int:
        return len(self.texts)


class Packed:
    """Texts put together, one behind the other, in memory that is used again."""

    def __init__(self, num_bytes: int):
        self.data = np.empty(num_bytes, np.uint8)
        self._ends: list[Int64] = []
        self.num_bytes = 0

    def add(self, texts: Spans) -> None:
        ends_D = self.num_bytes + np.cumsum(texts.num_bytes())
        total = int(ends_D[-1]) if len(ends_D) else self.num_bytes
        if total > len(self.data):
            grown = np.empty(max(total, 2 * len(self.data)), np.uint8)
            grown[: self.num_bytes] = self.data[: self.num_bytes]
            self.data = grown
        _pack(texts.data, texts.begin_D, texts.end_D, self.data, self.num_bytes)
        self._ends.append(ends_D)
        self.num_bytes = total

    def offsets(self) -> Int64:
        """(D + 1,) First byte of each text."""
        return np.concatenate([np.zeros(1, np.int64), *self._ends])

    def clear(self) -> None:
        self._ends, self.num_bytes = [], 0


@numba.njit(nogil=True, cache=True)
def _pack(data, begin_D, end_D, packed, place):
    """Copy texts behind one another into `packed`, from `place` on."""
    for d in range(begin_D.size):
        place = copied(data, begin_D[d], end_D[d], packed, place)


@numba.njit(nogil=True, cache=True)
def copied(data, begin, end, out, place):
    """Copy bytes to `out`, from `place` on; the place after them.

    Unsigned, since a signed index may be negative: the loop becomes that of memmove, at ten times the speed.
    """
    source, target = np.uint64(begin), np.uint64(place)
    for k in range(np.uint64(end - begin)):
        out[target + k] = data[source + k]
    return place + (end - begin)


@numba.njit(nogil=True, cache=True)
def eight_plain(data, i):
    """Whether the eight bytes from `i` on are ASCII without control characters, quotation marks and backslashes.

    Eight is what the compiler looks at in one go; with sixteen it goes byte by byte.
    """
    first, odd = np.uint64(i), np.uint8(0)
    for k in range(np.uint64(8)):
        byte = data[first + k]
        odd |= np.uint8(byte < np.uint8(0x20)) | np.uint8(byte >= np.uint8(0x7F))
        odd |= np.uint8(byte == np.uint8(0x22)) | np.uint8(byte == np.uint8(0x5C))
    return odd == np.uint8(0)
