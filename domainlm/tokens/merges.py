"""Merges of rows of tokens, one after the other, each that which then saves most; and what they change elsewhere.

A row is a word, or words with the spaces between. What is joined is tokens of one word, or whole words: a token that is
the end of one word and another's beginning would mean nothing.
"""

# R rows, T tokens of all rows, K texts: first that which is learnt from, then those that are to be left

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

MAX_WORDS = 4
"""Words of a token at most. Source: SuperBPE, arXiv:2503.13423, section 3.1."""
_LEAST = 2
"""What stands together but once is not learnt."""
_LEFT = 32
"""A pair of tokens is one number: the first, moved by so many bits, and the second."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rows:
    """Distinct rows of tokens, one behind the other."""

    ids_T: npt.NDArray[np.int32]
    begins_T: npt.NDArray[np.bool_]
    """Whether a word begins with the token."""
    ends_R: npt.NDArray[np.int64]
    """Where each row ends."""
    counts_KR: npt.NDArray[np.int32]
    """How often each stands in each text."""


class Merge(NamedTuple):
    """Two tokens that become another."""

    left: int
    right: int
    into: int
    words: int
    """More than one: it joins words, and not the tokens of one."""


class Learnt(NamedTuple):
    """Merges, in the order in which they were found best, and the share of its tokens that each text saves by them."""

    merges: list[Merge]
    saved_K: npt.NDArray[np.float64]


def learn(
    rows: Rows, first_id: int, num_merges: int, takes: Callable[[Merge], bool], weights_K: npt.NDArray[np.float64]
) -> Learnt:
    """Up to `num_merges`, as long as one is worth something: the sum of `weights_K` times the shares that it saves.

    `takes` says whether a merge may be made. Source of the method: Sennrich et al., arXiv:1508.07909, with weights.
    """
    state = _State(rows, weights_K)
    merges: list[Merge] = []
    words: dict[int, int] = {}
    for left, right, joins in state.best():
        num_words = words.get(left, 1) + words.get(right, 1) if joins else 1
        merge = Merge(left, right, first_id + len(merges), num_words)
        if num_words > MAX_WORDS or not takes(merge):
            continue
        state.apply(merge)
        words[merge.into] = num_words
        merges.append(merge)
        if len(merges) == num_merges:
            break
    return Learnt(merges, state.saved_K / state.num_tokens_K)


class _State:
    """Rows while they are merged: a token stays where its first part was, and knows the next one of its row."""

    def __init__(self, rows: Rows, weights_K: npt.NDArray[np.float64]):
        self.ids_T, self.begins_T = rows.ids_T.copy(), rows.begins_T
        num_tokens = len(rows.ids_T)
        self.next_T = np.arange(1, num_tokens + 1, dtype=np.int32)
        self.next_T[rows.ends_R - 1] = -1
        self.before_T = np.arange(-1, num_tokens - 1, dtype=np.int32)
        starts_R = np.concatenate([np.zeros(1, np.int64), rows.ends_R[:-1]])
        self.before_T[starts_R] = -1
        lengths_R = rows.ends_R - starts_R
        self.row_T = np.repeat(np.arange(len(rows.ends_R), dtype=np.int32), lengths_R)
        self.counts_KR = rows.counts_KR
        self.num_tokens_K = np.maximum(rows.counts_KR @ lengths_R, 1)
        self.saved_K = np.zeros(len(weights_K))
        self._worth_K = weights_K / self.num_tokens_K
        self._counts: dict[int, npt.NDArray[np.int64]] = {}
        self._places: dict[int, npt.NDArray[np.int32]] = {}
        self._joining: set[int] = set()
        self._heap: list[tuple[float, int]] = []
        self._room = np.empty(num_tokens, np.int32)
        self._add(np.flatnonzero(self._pairs(np.arange(num_tokens, dtype=np.int32))).astype(np.int32))

    def best(self) -> Iterator[tuple[int, int, bool]]:
        """The pair that is worth most, time and again; one that is not merged before the next is asked for is gone."""
        while self._heap:
            less, key = heapq.heappop(self._heap)
            if key not in self._counts:
                continue
            worth = self._worth(key)
            if worth < -less:  # it was more when it was put there
                heapq.heappush(self._heap, (-worth, key))
            elif worth == -less:
                if worth > 0 and self._counts[key][0] >= _LEAST:
                    yield key >> _LEFT, key & ((1 << _LEFT) - 1), key in self._joining
                del self._counts[key], self._places[key]

    def apply(self, merge: Merge) -> None:
        """Merge a pair wherever it stands, and count its neighbours anew."""
        key = merge.left << _LEFT | merge.right
        places = np.sort(self._places[key])
        num = _merge(places, merge.left, merge.right, merge.into, self.ids_T, self.next_T, self.before_T, self._room)
        done = self._room[:num].copy()
        self.saved_K += self.counts_KR[:, self.row_T[done]].sum(axis=1)
        before, behind = self.before_T[done], self.next_T[done]
        joins = merge.words > 1
        # Neighbours that counted as a pair with what is gone: within a word, or of whole words.
        old = before >= 0
        old[old] = self.begins_T[done[old]] == joins
        old[old] &= self.begins_T[before[old]] | (not joins)
        left = self.ids_T[before[old]].astype(np.int64)
        left[left == merge.into] = merge.right
        self._take(left << _LEFT | merge.left, done[old])
        old = behind >= 0
        old[old] = self.begins_T[behind[old]] == joins
        old[old] &= self._whole(behind[old]) | (not joins)
        right = self.ids_T[behind[old]].astype(np.int64)
        old[old] = right != merge.into  # counted as the left neighbour of the next
        self._take(merge.right << _LEFT | right[right != merge.into], done[old])
        found = np.unique(np.concatenate([before[before >= 0], done]))
        self._add(found[self._pairs(found)])

    def _whole(self, places: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Whether the tokens there, with which words begin, end with a word too."""
        behind = self.next_T[places]
        return (behind < 0) | self.begins_T[behind]

    def _pairs(self, places: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Whether the token there and the next one may be merged."""
        behind = self.next_T[places]
        found = behind >= 0
        joins = found.copy()
        joins[found] = self.begins_T[behind[found]]
        found[joins] = self.begins_T[places[joins]] & self._whole(behind[joins])
        return found

    def _add(self, places: npt.NDArray[np.int32]) -> None:
        """Count the pairs that begin there: all of them are new."""
        if not len(places):
            return
        keys = self.ids_T[places].astype(np.int64) << _LEFT | self.ids_T[self.next_T[places]]
        order = np.argsort(keys, kind="stable")
        places = places[order]
        unique, starts = np.unique(keys[order], return_index=True)
        sums = np.add.reduceat(self.counts_KR[:, self.row_T[places]], starts, axis=1, dtype=np.int64).T
        kept = sums[:, 0] >= _LEAST
        ends = np.append(starts[1:], len(places))
        for key, start, end, counts in zip(
            unique[kept].tolist(), starts[kept].tolist(), ends[kept].tolist(), sums[kept], strict=True
        ):
            self._counts[key], self._places[key] = counts, places[start:end]
            if self.begins_T[self.next_T[places[start]]]:
                self._joining.add(key)
            heapq.heappush(self._heap, (-self._worth(key), key))

    def _take(self, keys: npt.NDArray[np.int64], places: npt.NDArray[np.int32]) -> None:
        """Count pairs no longer that stood there."""
        if not len(keys):
            return
        order = np.argsort(keys, kind="stable")
        unique, starts = np.unique(keys[order], return_index=True)
        sums = np.add.reduceat(self.counts_KR[:, self.row_T[places[order]]], starts, axis=1, dtype=np.int64).T
        for key, counts in zip(unique.tolist(), sums, strict=True):
            if key in self._counts:
                self._counts[key] = self._counts[key] - counts
                if counts[1:].any():  # it may be worth more now
                    heapq.heappush(self._heap, (-self._worth(key), key))

    def _worth(self, key: int) -> float:
        return float(self._worth_K @ self._counts[key])


@numba.njit(nogil=True, cache=True)
def _merge(places: Any, left: int, right: int, into: int, ids_T: Any, next_T: Any, before_T: Any, done: Any) -> int:
    """Merge the pair at `places`, from the left, where it still stands; `done` gets where, and the number is told."""
    num = 0
    for place in places:
        gone = next_T[place]
        if ids_T[place] != left or gone < 0 or ids_T[gone] != right:
            continue
        ids_T[place], ids_T[gone] = into, -1
        behind = next_T[gone]
        next_T[place] = behind
        if behind >= 0:
            before_T[behind] = place
        done[num] = place
        num += 1
    return num
