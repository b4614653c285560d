"""The substrings of pretokens from which a Unigram model begins: the most frequent.

Longer substrings are counted where both of their shorter ones came more than once, length by length, as in Apriori. One
that always stands in the same longer one is no seed: whatever it would save, that one saves.
"""

# P bytes of pretokens, N substrings of one length, S seeds

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from domainlm.tokens.kernel import slot_of
from domainlm.tokens.words import Counted

MAX_BYTES = 32
"""Of a token. sentencepiece's limit is 16 characters, which several words in one token often pass."""
_MIN_COUNT = 2


class Seeds(NamedTuple):
    """Substrings of pretokens."""

    places: npt.NDArray[np.int64]
    """(S,): where in the pretokens' text each stands once."""
    lengths: npt.NDArray[np.int64]
    """(S,), in bytes."""
    counts: npt.NDArray[np.int64]
    """(S,): how often each is there."""


def seeds(words: Counted, num_seeds: int) -> Seeds:
    """At most `num_seeds` substrings of at least two bytes, the most frequent first.

    By frequency times length, as sentencepiece has it, long ones that come twice are learnt by heart where a token may
    hold several words: docs/log.md.
    """
    ids_P = words.text.astype(np.int32)
    found: list[Seeds] = []
    for length in range(2, MAX_BYTES + 1):
        places, counts, shorter = _longer(words.text, words.offsets, words.counts, ids_P, length)
        kept = counts >= _MIN_COUNT
        _renumber(ids_P, np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32))
        places, counts, shorter = places[kept], counts[kept], shorter[kept]
        if found:
            last = found[-1]
            alone = np.ones(last.counts.size, np.bool_)
            for part in shorter.T:
                alone[part[counts == last.counts[part]]] = False
            found[-1] = Seeds(*(array[alone] for array in last))
        found.append(Seeds(places, np.full(places.size, length, np.int64), counts))
        if not places.size:
            break
    every = Seeds(*(np.concatenate(arrays) for arrays in zip(*found, strict=True)))
    best = np.argsort(-every.counts, kind="stable")[:num_seeds]
    return Seeds(*(array[best] for array in every))


@numba.njit(nogil=True, cache=True)
def _longer(text, offsets, counts, ids_P, length):
    """The substrings of `length`: where each is first, how often it is there, and the two that are shorter by one.

    `ids_P` has the number of the substring that is shorter by one at each place, or -1; then that of this length.
    """
    room = np.int64(1) << 16
    table = np.full(2 * room, -1, np.int32)
    keys, places = np.empty(room, np.int64), np.empty(room, np.int64)
    totals, shorter = np.empty(room, np.int64), np.empty((room, 2), np.int32)
    num = np.int64(0)
    for w in range(counts.size):
        last = offsets[w + 1] - length
        for i in range(offsets[w], offsets[w + 1]):
            if i > last or ids_P[i] < 0 or ids_P[i + 1] < 0:
                ids_P[i] = -1
                continue
            key = np.int64(ids_P[i]) << 8 | np.int64(text[i + length - 1])
            mask = np.uint64(table.size - 1)
            slot = slot_of(key, mask)
            while table[slot] >= 0 and keys[table[slot]] != key:
                slot = (slot + np.uint64(1)) & mask
            if table[slot] < 0:
                if num == room:
                    room *= 2
                    keys, places = _twice(keys), _twice(places)
                    totals = _twice(totals)
                    wider = np.empty((room, 2), np.int32)
                    wider[:num] = shorter
                    shorter = wider
                    table = _table(keys, num, 2 * room)
                    mask = np.uint64(table.size - 1)
                    slot = slot_of(key, mask)
                    while table[slot] >= 0:
                        slot = (slot + np.uint64(1)) & mask
                table[slot] = num
                keys[num], places[num], totals[num] = key, i, 0
                shorter[num, 0], shorter[num, 1] = ids_P[i], ids_P[i + 1]
                num += 1
            totals[table[slot]] += counts[w]
            # The place behind still has the shorter one's number, which is all that is asked of it.
            ids_P[i] = table[slot]
    return places[:num].copy(), totals[:num].copy(), shorter[:num].copy()


@numba.njit(nogil=True, cache=True)
def _twice(array):
    grown = np.empty(2 * array.size, np.int64)
    grown[: array.size] = array
    return grown


@numba.njit(nogil=True, cache=True)
def _table(keys, num, size):
    table = np.full(size, -1, np.int32)
    mask = np.uint64(size - 1)
    for n in range(num):
        slot = slot_of(keys[n], mask)
        while table[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = n
    return table


@numba.njit(nogil=True, cache=True)
def _renumber(ids_P, new_N):
    for i in range(ids_P.size):
        if ids_P[i] >= 0:
            ids_P[i] = new_N[ids_P[i]]
