"""Near-duplicates of verified similarity: what goes is like the very document that is kept for it.

Leader clustering: documents come by in order of priority. Each is compared with documents that stayed before it and
share a band with it, those that share most bands first. If one is similar enough, the document goes, and that one is
kept for it; if none is, it stays. Nothing is joined by a chain: of versions of a text that drift apart, one stays every
time that the likeness to the last that stayed falls below the threshold.

A document is compared with `MOST_COMPARISONS` others at most, out of the `MOST_RECENT` last that stayed in each of its
bands: the cost is linear, whatever hub of boilerplate there is. So it can stay beside one that it is like only if they
share no band (Jaccard 0.8: one pair in 74; 0.85: one in 1,100), or if more than MOST_COMPARISONS others share as many
bands with it and yet are not like it.
"""

# C candidates (documents that share a band with another), D documents, G groups of equal keys, K band keys
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from domainlm.corpus import near, ngrams
from domainlm.corpus.ngrams import Int64, Uint64
from domainlm.specs.corpus import NearDuplicates

ReadTexts = Callable[[npt.NDArray[np.bool_]], Iterator[tuple[Int64, pa.LargeStringArray]]]
"""From which documents are wanted (documents,) to their numbers, ascending, with their texts, a batch at a time."""

MOST_COMPARISONS = 8
MOST_RECENT = 16
_CHUNK_BYTES = 64 * 2**20
"""Shingles that are mapped into memory at once, beside those of the leaders that a chunk is compared with."""


def leaders(
    priority_P: Int64, keys_KD: Sequence[Uint64] | Uint64, spec: NearDuplicates, texts: ReadTexts, work: Path
) -> Int64:
    """For each of the documents `priority_P`, in that order, the place in it of the one that is kept; its own if it is.

    `keys_KD` are the band keys of all documents; `work` an existing folder, for the candidates' shingles on disk.
    """
    assert spec.min_jaccard is not None
    num_docs = len(priority_P)
    first_P = near.first_of_cluster(_Chosen(keys_KD, priority_P))
    of_cluster = np.bincount(first_P, minlength=num_docs)
    candidates_C = np.flatnonzero(of_cluster[first_P] > 1)
    # Cluster by cluster: those that are compared with each other lie near each other.
    candidates_C = candidates_C[np.argsort(first_P[candidates_C], kind="stable")]
    kept_P = np.arange(num_docs)
    if not len(candidates_C):
        return kept_P
    documents_C = priority_P[candidates_C]
    groups_KC, num_groups = _groups(keys_KD, documents_C)
    shingles, begins_C, ends_C = _shingles(documents_C, len(keys_KD[0]), spec.ngram_words, texts, work)
    leader_C = np.arange(len(candidates_C), dtype=np.int32)
    latest_G = np.full(num_groups, -1, np.int32)
    earlier_KC = np.full(groups_KC.shape, -1, np.int32)
    begin = 0
    for end in _chunks(ends_C - begins_C):
        chunk = (np.arange(begin, end), groups_KC, latest_G, earlier_KC)
        _follow(*chunk, shingles, begins_C, ends_C, spec.min_jaccard, MOST_RECENT, MOST_COMPARISONS, leader_C)
        shingles = _remapped(shingles)
        begin = end
    kept_P[candidates_C] = candidates_C[leader_C]
    return kept_P


class _Chosen(Sequence[Uint64]):
    """The band keys of chosen documents, made when they are asked for."""

    def __init__(self, keys_KD: Sequence[Uint64] | Uint64, documents: Int64):
        self.keys_KD = keys_KD
        self.documents = documents

    def __len__(self) -> int:
        return len(self.keys_KD)

    def __getitem__(self, band):  # type: ignore[no-untyped-def]
        if band >= len(self.keys_KD):
            raise IndexError(band)
        return self.keys_KD[band][self.documents]


def _groups(keys_KD: Sequence[Uint64] | Uint64, documents_C: Int64) -> tuple[npt.NDArray[np.int32], int]:
    """For each key of each candidate the number of its group, and how many groups there are; -1: alone in its group."""
    groups_KC = np.full((len(keys_KD), len(documents_C)), -1, np.int32)
    num_groups = 0
    for k in range(len(keys_KD)):
        keys_C = keys_KD[k][documents_C]
        order = np.argsort(keys_C, kind="stable")
        ordered = keys_C[order]
        as_before = np.concatenate([[False], ordered[1:] == ordered[:-1]])
        shared = as_before | np.append(as_before[1:], False)
        numbers = np.cumsum(shared & ~as_before) - 1 + num_groups
        groups_KC[k, order[shared]] = numbers[shared]
        num_groups += int((shared & ~as_before).sum())
    return groups_KC, num_groups


def _shingles(
    documents_C: Int64, num_docs: int, ngram_words: int, texts: ReadTexts, work: Path
) -> tuple[Uint64, Int64, Int64]:
    """The candidates' distinct shingles, mapped from a file, and where each one's begin and end in it."""
    wanted_D = np.zeros(num_docs, bool)
    wanted_D[documents_C] = True
    begins_D, ends_D = np.zeros(num_docs, np.int64), np.zeros(num_docs, np.int64)
    num_shingles = 0
    path = work / "shingles.bin"
    with path.open("wb") as file:
        for documents, batch in texts(wanted_D):
            hashes, offsets = ngrams.distinct(batch, ngram_words)
            hashes.tofile(file)
            begins_D[documents], ends_D[documents] = num_shingles + offsets[:-1], num_shingles + offsets[1:]
            num_shingles += len(hashes)
    return np.memmap(path, np.uint64, "r"), begins_D[documents_C], ends_D[documents_C]


def _chunks(num_shingles_C: Int64) -> list[int]:
    """Ends of runs of candidates whose shingles fill a chunk."""
    filled = np.cumsum(num_shingles_C * 8) // _CHUNK_BYTES
    return [*(np.flatnonzero(np.diff(filled)) + 1).tolist(), len(num_shingles_C)]


def _remapped(shingles: Uint64) -> Uint64:
    """The same file mapped anew: what was touched of it no longer counts as memory of this process."""
    assert isinstance(shingles, np.memmap)
    return np.memmap(str(shingles.filename), np.uint64, "r")


@numba.njit(nogil=True, cache=True)
def _similar(shingles, a, a_end, b, b_end, min_jaccard):
    """Whether two sorted sets are; stops as soon as it cannot be."""
    num_both, num_a, num_b = 0, a_end - a, b_end - b
    # |A and B| / |A or B| >= t  if and only if  |A and B| >= t (|A| + |B|) / (1 + t)
    least_both = min_jaccard / (1 + min_jaccard) * (num_a + num_b) - 1e-6
    if min(num_a, num_b) < least_both:
        return False
    can_miss_a, can_miss_b = num_a - least_both, num_b - least_both
    while a < a_end and b < b_end:
        if shingles[a] == shingles[b]:
            num_both += 1
            a += 1
            b += 1
        elif shingles[a] < shingles[b]:
            a += 1
            can_miss_a -= 1
            if can_miss_a < 0:
                return False
        else:
            b += 1
            can_miss_b -= 1
            if can_miss_b < 0:
                return False
    return num_both >= least_both


@numba.njit(nogil=True, cache=True)
def _follow(
    chunk, groups_KC, latest_G, earlier_KC, shingles, begins_C, ends_C, min_jaccard, most_recent, most_comparisons,
    leader_C,
):  # fmt: skip
    """Finds the leader of each candidate of the chunk; a leader is entered in its groups, each a list, latest first."""
    num_keys, num_candidates = groups_KC.shape
    found = np.empty(num_keys * most_recent, np.int32)
    num_shared_C = np.zeros(num_candidates, np.int16)
    for c in chunk:
        num_found = 0
        for k in range(num_keys):
            if groups_KC[k, c] < 0:
                continue
            other = latest_G[groups_KC[k, c]]
            for _ in range(most_recent):
                if other < 0:
                    break
                if num_shared_C[other] == 0:
                    found[num_found] = other
                    num_found += 1
                num_shared_C[other] += 1
                other = earlier_KC[k, other]
        leader = np.int32(-1)
        for _ in range(min(most_comparisons, num_found)):
            best = np.int32(-1)
            for i in range(num_found):
                other = found[i]
                more = best < 0 or num_shared_C[other] > num_shared_C[best]
                if num_shared_C[other] > 0 and (more or (num_shared_C[other] == num_shared_C[best] and other < best)):
                    best = other
            if best < 0:
                break
            if _similar(shingles, begins_C[best], ends_C[best], begins_C[c], ends_C[c], min_jaccard):
                leader = best
                break
            num_shared_C[best] = 0
        for i in range(num_found):
            num_shared_C[found[i]] = 0
        if leader >= 0:
            leader_C[c] = leader
            continue
        for k in range(num_keys):
            if groups_KC[k, c] >= 0:
                earlier_KC[k, c] = latest_G[groups_KC[k, c]]
                latest_G[groups_KC[k, c]] = c
