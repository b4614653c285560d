"""Pairs of a hash and a number, too many for memory: on disk, split by leading bits, sorted a split at a time."""

# R pairs
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt

from domainlm.corpus.ngrams import Int64, Uint64

Int32 = npt.NDArray[np.int32]


class Spill:
    """Takes about `num_pairs` pairs, numbers below 2**31. Equal hashes come out together, in the order they came.

    `split_pairs` are sorted in memory at once: 12 bytes each, and half as much again for the sort.
    """

    def __init__(self, folder: Path, num_pairs: int, split_pairs: int):
        folder.mkdir(parents=True)
        self.folder = folder
        self.num_bits = max(0, (num_pairs - 1) // split_pairs).bit_length()

    def add(self, hashes_R: Uint64, numbers_R: Int64) -> None:
        narrow_R = numbers_R.astype(np.int32)
        if not self.num_bits:
            return self._append(0, hashes_R, narrow_R)
        split_R = hashes_R >> np.uint64(64 - self.num_bits)
        order = np.argsort(split_R, kind="stable")
        ends = np.cumsum(np.bincount(split_R.astype(np.int64), minlength=1 << self.num_bits))
        for split, end in enumerate(ends.tolist()):
            chosen = order[ends[split - 1] if split else 0 : end]
            self._append(split, hashes_R[chosen], narrow_R[chosen])

    def _append(self, split: int, hashes_R: Uint64, numbers_R: Int32) -> None:
        for name, values in (("hashes", hashes_R), ("numbers", numbers_R)):
            with (self.folder / f"{split:04d}-{name}.bin").open("ab") as file:
                values.tofile(file)

    def splits(self) -> Iterator[tuple[Uint64, Int32]]:
        """Hashes, ascending, and numbers of each split in turn; the splits ascend too."""
        for path in sorted(self.folder.glob("*-hashes.bin")):
            hashes_R = np.fromfile(path, np.uint64)
            order = np.argsort(hashes_R, kind="stable")
            hashes_R = hashes_R[order]
            numbers_R = np.fromfile(path.with_name(path.name.replace("hashes", "numbers")), np.int32)[order]
            del order
            yield hashes_R, numbers_R


def table_of(hashes_H: Uint64) -> npt.NDArray[np.int32]:
    """An open-addressing table of distinct hashes: at most half full, each slot the place of a hash, or -1."""
    num_bits = max(4, int(2 * len(hashes_H)).bit_length())
    slots = np.full(1 << num_bits, -1, np.int32)
    _fill(hashes_H, slots)
    return slots


def find(hashes_Q: Uint64, hashes_H: Uint64, slots: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """The place of each of `hashes_Q` among `hashes_H`, whose table is `slots`; -1 where it is not there.

    >>> known = np.array([30, 10], np.uint64)
    >>> find(np.array([10, 20, 30], np.uint64), known, table_of(known)).tolist()
    [1, -1, 0]
    """
    places_Q = np.empty(len(hashes_Q), np.int32)
    _find(hashes_Q, hashes_H, slots, places_Q)
    return places_Q


@numba.njit(nogil=True, cache=True, inline="always")
def place_of(value, hashes_H, slots):
    """Hashes are even, so that their last bits choose the slot (their first ones may be those of a split)."""
    mask = np.uint64(slots.size - 1)
    slot = value & mask
    while slots[slot] >= 0 and hashes_H[slots[slot]] != value:
        slot = (slot + np.uint64(1)) & mask
    return slots[slot]


@numba.njit(nogil=True, cache=True)
def _fill(hashes_H, slots):
    mask = np.uint64(slots.size - 1)
    for place in range(hashes_H.size):
        slot = hashes_H[place] & mask
        while slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = place


@numba.njit(nogil=True, cache=True)
def _find(hashes_Q, hashes_H, slots, places_Q):
    for q in range(hashes_Q.size):
        places_Q[q] = place_of(hashes_Q[q], hashes_H, slots)
