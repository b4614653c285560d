"""Lines and paragraphs that recur across documents: found by their hashes, cut but for their first documents.

Each training document counts once for each of its different lines, or paragraphs (lines between empty ones). What
stands in `min_documents` of them or more is boilerplate: it stays in the first `keep_documents`, in order of priority,
and is cut from all others. What is shorter than `min_chars`, or has fewer than 20 letters and digits, never is:
headings, list marks, the lines of tables. Held-out text is left as it was found, so that bits per byte are of the same
bytes whatever the threshold is.

Hashes are counted a split at a time (`spill`): the cost is linear, and memory is that of a split and of what recurs.
"""

# D documents, H hashes, R recurring units, U units (lines or paragraphs)
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from domainlm.corpus import ngrams, spill
from domainlm.corpus.excise import excise
from domainlm.corpus.leaders import ReadTexts
from domainlm.corpus.ngrams import BASE, Int64, Uint64, mix, sort_distinct
from domainlm.corpus.spill import Spill
from domainlm.corpus.texts import Texts
from domainlm.specs.corpus import RepeatedLines

LEAST_ALPHANUMERIC = 20
"""Letters and digits (of ASCII; a character beyond counts as one) of a unit that is hashed at all. A guess."""

_SPLIT_HASHES = 2**23
"""Sorted in memory at once."""
_BYTES_PER_LINE = 60
"""About; more lines than reckoned with take more memory, no more."""

Unit = Literal["line", "paragraph"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Units:
    """The lines, or paragraphs, of a batch of texts that are long enough to be hashed, in order."""

    first_D: Int64
    """(D + 1,) Number of each document's first one."""
    begin_U: Int64
    """First byte in the buffer of the texts."""
    end_U: Int64
    """The byte after the last, without the line feed."""
    hash_U: Uint64
    chars_U: npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Repeated:
    """What recurs."""

    hash_R: Uint64
    num_docs_R: Int64
    """Training documents that it stands in."""
    last_R: Int64
    """Number of the last document that keeps it; -1 where none does."""


def units(texts: Texts, unit: Unit) -> Units:
    """The lines, or paragraphs, of `texts`; of white space at the ends of lines everything counts."""
    lines = texts.lines
    num_lines = len(lines.hash_L)
    found = Units(
        first_D=np.zeros(len(texts) + 1, np.int64),
        begin_U=np.empty(num_lines, np.int64),
        end_U=np.empty(num_lines, np.int64),
        hash_U=np.empty(num_lines, np.uint64),
        chars_U=np.empty(num_lines, np.int32),
    )
    _units(
        texts.data, lines.first_D, lines.begin_L, lines.end_L, lines.hash_L, lines.chars_L, lines.follows_L,
        unit == "paragraph", found.first_D, found.begin_U, found.end_U, found.hash_U, found.chars_U,
    )  # fmt: skip
    num_units = found.first_D[-1]
    return Units(
        first_D=found.first_D,
        begin_U=found.begin_U[:num_units],
        end_U=found.end_U[:num_units],
        hash_U=found.hash_U[:num_units],
        chars_U=found.chars_U[:num_units],
    )


def hashes(texts: Texts, unit: Unit) -> tuple[Uint64, npt.NDArray[np.int32]]:
    """Each document's distinct hashes, ascending, one document's behind another's; and how many each has (D,)."""
    found = units(texts, unit)
    distinct = found.hash_U.copy()
    num_D = np.zeros(len(texts), np.int32)
    _distinct(found.first_D, distinct, num_D)
    return distinct[: num_D.sum()], num_D


def repeated(
    wanted_D: npt.NDArray[np.bool_], texts: ReadTexts, num_bytes: int, spec: RepeatedLines, work: Path
) -> Repeated:
    """What recurs in the wanted documents, which have about `num_bytes`; `work` is a folder that is made for it."""
    spilled = Spill(work, num_bytes // _BYTES_PER_LINE, _SPLIT_HASHES)
    for documents, batch in texts(wanted_D):
        hash_H, num_D = hashes(Texts(batch), spec.unit)
        spilled.add(hash_H, np.repeat(documents, num_D))
    recurring = [_recurring(hash_H, document_H, spec) for hash_H, document_H in spilled.splits()]
    empty = (np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64))
    hash_R, num_docs_R, last_R = (np.concatenate(arrays) for arrays in zip(empty, *recurring, strict=True))
    return Repeated(hash_R=hash_R, num_docs_R=num_docs_R, last_R=last_R)


def _recurring(hash_H: Uint64, document_H: npt.NDArray[np.int32], spec: RepeatedLines) -> tuple[Uint64, Int64, Int64]:
    begins = np.flatnonzero(np.append(True, hash_H[1:] != hash_H[:-1])[: len(hash_H)])
    num_docs = np.diff(np.append(begins, len(hash_H)))
    begins, num_docs = begins[num_docs >= spec.min_documents], num_docs[num_docs >= spec.min_documents]
    last = document_H[begins + spec.keep_documents - 1] if spec.keep_documents else np.full(len(begins), -1)
    return hash_H[begins], num_docs, last.astype(np.int64)


class Cutter:
    """Cuts what recurs from training texts, as often as asked, always the same."""

    def __init__(self, found: Repeated, spec: RepeatedLines):
        self.found = found
        self._spec = spec
        self._slots = spill.table_of(found.hash_R)
        # What does not recur has place -1, the last: every document keeps it.
        self._last = np.append(found.last_R, np.iinfo(np.int64).max)

    def cuts(self, documents_D: Int64, texts: Texts) -> tuple[Units, npt.NDArray[np.int32]]:
        """The units of `texts`, and for each the place of what it is in `found`, if it is cut; else -1."""
        found = units(texts, self._spec.unit)
        place_U = spill.find(found.hash_U, self.found.hash_R, self._slots)
        document_U = np.repeat(documents_D, np.diff(found.first_D))
        stays = (found.chars_U < self._spec.min_chars) | (document_U <= self._last[place_U])
        return found, np.where(stays, -1, place_U).astype(np.int32)

    def cut(self, texts: pa.LargeStringArray, found: Units, place_U: npt.NDArray[np.int32]) -> pa.LargeStringArray:
        """`texts` without the units that `cuts` gave a place."""
        cut_U = place_U >= 0
        if not cut_U.any():
            return texts
        before = np.concatenate([[0], np.cumsum(cut_U)])
        return excise(texts, before[found.first_D], found.begin_U[cut_U], found.end_U[cut_U], line_feeds=1)

    def edit(self, documents_D: Int64, texts: pa.LargeStringArray) -> pa.LargeStringArray:
        """Texts of the training documents with these numbers, without what recurs."""
        return self.cut(texts, *self.cuts(documents_D, Texts(texts)))


@numba.njit(nogil=True, cache=True)
def _units(
    data, first_D, begin_L, end_L, hash_L, chars_L, follows_L, by_paragraph,
    first_unit_D, begin_U, end_U, hash_U, chars_U,
):  # fmt: skip
    u = 0
    for d in range(first_D.size - 1):
        line = first_D[d]
        while line < first_D[d + 1]:
            begin, value, chars, alphanumeric = begin_L[line], np.uint64(0), 0, 0
            while True:
                for i in range(begin_L[line], end_L[line]):
                    letter = ngrams.LETTERS[data[i]]
                    alphanumeric += letter != 0 and (letter & 0xC0) != 0x80
                value = hash_L[line] if not by_paragraph else mix(value * BASE + hash_L[line])
                chars += chars_L[line]
                line += 1
                if not by_paragraph or line == first_D[d + 1] or follows_L[line]:
                    break
                chars += 1
            if alphanumeric >= LEAST_ALPHANUMERIC:
                begin_U[u], end_U[u], hash_U[u], chars_U[u] = begin, end_L[line - 1], value, chars
                u += 1
        first_unit_D[d + 1] = u


@numba.njit(nogil=True, cache=True)
def _distinct(first_D, hash_U, num_D):
    longest = 1
    for d in range(num_D.size):
        longest = max(longest, first_D[d + 1] - first_D[d])
    own = np.empty(longest, np.uint64)
    scratch = np.empty(longest, np.uint64)
    counts = np.empty(4 * longest + 4, np.int64)
    num_kept = 0
    for d in range(num_D.size):
        num_own = first_D[d + 1] - first_D[d]
        own[:num_own] = hash_U[first_D[d] : first_D[d + 1]]
        num_D[d] = sort_distinct(own, num_own, scratch, counts)
        hash_U[num_kept : num_kept + num_D[d]] = own[: num_D[d]]
        num_kept += num_D[d]
