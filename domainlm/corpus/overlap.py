"""Where texts share n-grams with targets: one pass over the texts, each n-gram looked up in a table of the targets'.

N-grams in more than `max_documents` texts are common phrases and do not count: GPT-3, arXiv:2005.14165, appendix C.
"""

# D documents, H distinct n-grams of targets, L lengths, M matches, O pairs of n-gram and target, P passages
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from domainlm.corpus import ngrams, spill
from domainlm.corpus.leaders import ReadTexts
from domainlm.corpus.ngrams import BASE, LETTERS, Int64, Uint64, mix, power, words
from domainlm.corpus.spill import Spill, place_of

Int32 = npt.NDArray[np.int32]

_SPLIT_NGRAMS = 2**24
"""N-grams of targets in a table; each table takes a pass over the texts."""
_OWNERS = 32
"""Targets that are remembered of an n-gram, the first."""
_DOCUMENT, _BEGIN, _END, _WORD, _LENGTH, _NGRAM = range(6)
"""Columns of a match: the document's place among those asked for, first byte and end, first word, words, n-gram."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlap:
    """What texts share with targets."""

    matches: Int32
    """(M, 6) in the order of documents and words."""
    documents: Int64
    """The documents that were asked for, whose places stand in the first column."""
    ngram_O: Int64
    """N-grams that were found, ascending, once for each of their targets."""
    target_O: Int64

    def targets_of(self, ngrams: Int64) -> tuple[Int64, Int64]:
        """For n-grams: places among them, and targets, all pairs."""
        first, last = (np.searchsorted(self.ngram_O, ngrams, side=side) for side in ("left", "right"))
        num_O = last - first
        place = np.repeat(np.arange(len(ngrams)), num_O)
        within = np.arange(len(place)) - np.repeat(np.cumsum(num_O) - num_O, num_O)
        return place, self.target_O[first[place] + within]


class TargetNgrams:
    """The n-grams of the targets, on disk: `num_words` words each, or all words of a target that has fewer."""

    def __init__(self, num_words: int, least_words: int, folder: Path, num_ngrams: int):
        """Targets of fewer than `least_words` words have none; `num_ngrams` is about how many there will be."""
        self.num_words = num_words
        self.least_words = least_words
        self.lengths: set[int] = set()
        """Words of the n-grams that there are."""
        self._spilled = Spill(folder, num_ngrams, _SPLIT_NGRAMS)

    def add(self, targets_D: Int64, texts: pa.LargeStringArray) -> Int64:
        """Adds the n-grams of texts, each of the target with this number; returns how many words each has (D,)."""
        offsets_D, data = ngrams.buffers(texts)
        hashes = np.empty(int(offsets_D[-1] - offsets_D[0] + 1) // 2 + len(texts), np.uint64)
        ends_D, words_D = np.zeros(len(texts) + 1, np.int64), np.zeros(len(texts), np.int64)
        _of_targets(offsets_D, data, LETTERS, self.num_words, self.least_words, hashes, ends_D, words_D)
        self.lengths |= {n for n in np.unique(np.minimum(words_D, self.num_words)).tolist() if n >= self.least_words}
        self._spilled.add(hashes[: ends_D[-1]], np.repeat(targets_D, np.diff(ends_D)))
        return words_D

    def overlap(self, wanted_D: npt.NDArray[np.bool_], texts: ReadTexts, max_documents: int) -> Overlap:
        """What the wanted documents share with the targets, common phrases left out."""
        matches, ngram_O, target_O = [np.empty((0, 6), np.int32)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        first_ngram = 0
        for hash_H, ngram, target in self._tables():
            found = _scan(hash_H, np.array(sorted(self.lengths), np.int64), wanted_D, texts, max_documents)
            found_H = np.zeros(len(hash_H), bool)
            found_H[found[:, _NGRAM]] = True
            ngram_O.append(ngram[found_H[ngram]].astype(np.int64) + first_ngram)
            target_O.append(target[found_H[ngram]].astype(np.int64))
            found[:, _NGRAM] += first_ngram
            matches.append(found)
            first_ngram += len(hash_H)
        table = np.concatenate(matches)
        if len(matches) > 2 or len(self.lengths) > 1:
            table = table[np.lexsort((table[:, _LENGTH], table[:, _WORD], table[:, _DOCUMENT]))]
        return Overlap(
            matches=table,
            documents=np.flatnonzero(wanted_D),
            ngram_O=np.concatenate(ngram_O),
            target_O=np.concatenate(target_O),
        )

    def _tables(self) -> Iterator[tuple[Uint64, Int32, Int32]]:
        """For each table its hashes, and pairs of n-gram (place among them) and target."""
        for hash_O, target_O in self._spilled.splits():
            ngram_O = np.empty(len(hash_O), np.int32)
            num_ngrams, num_pairs = _own(hash_O, ngram_O, target_O, _OWNERS)
            yield hash_O[:num_ngrams], ngram_O[:num_pairs], target_O[:num_pairs]


def _scan(
    hash_H: Uint64, lengths_L: Int64, wanted_D: npt.NDArray[np.bool_], texts: ReadTexts, max_documents: int
) -> Int32:
    """Matches of the wanted documents."""
    slots, seen = spill.table_of(hash_H), np.zeros(2 ** max(3, len(hash_H).bit_length()), np.uint8)
    _mark(hash_H, seen)
    num_docs_H, latest_H = np.zeros(len(hash_H), np.int32), np.full(len(hash_H), -1, np.int32)
    found = [np.empty((0, 6), np.int32)]
    rows = np.empty((2**16, 6), np.int32)
    first = 0
    for documents, batch in texts(wanted_D):
        offsets_D, data = ngrams.buffers(batch)
        done = 0
        while done < len(documents):
            num_rows, done, room = _match(
                first, offsets_D, data, LETTERS, lengths_L, hash_H, slots, seen, num_docs_H, latest_H, max_documents,
                done, rows,
            )  # fmt: skip
            found.append(rows[:num_rows].copy())
            if room > len(rows):
                rows = np.empty((room, 6), np.int32)
        first += len(documents)
    table = np.concatenate(found)
    return table[num_docs_H[table[:, _NGRAM]] <= max_documents]


def passages(overlap: Overlap, need_H: Int64) -> tuple[Int64, Int64]:
    """Runs of words that matches cover without a gap: (P, 4) place of the document, first byte, end, number of words.

    Only those of as many words as `need_H` says of one of their n-grams. And for each match its passage (M,), or -1.
    """
    matches = overlap.matches
    runs, run_M = np.empty((len(matches), 5), np.int64), np.empty(len(matches), np.int64)
    need_M = need_H[np.searchsorted(_distinct(overlap.ngram_O), matches[:, _NGRAM])]
    runs = runs[: _runs(matches, need_M, runs, run_M)]
    enough = runs[:, 3] >= runs[:, 4]
    number = np.where(enough, np.cumsum(enough) - 1, -1)
    return runs[enough, :4], number[run_M]


def _distinct(ascending: Int64) -> Int64:
    return ascending[np.append(True, ascending[1:] != ascending[:-1])[: len(ascending)]]


@numba.njit(nogil=True, cache=True)
def _own(hash_O, ngram_O, target_O, most_targets):
    """From sorted hashes and targets to distinct hashes, and pairs of n-gram and target, in place; how many of each."""
    num_ngrams, num_pairs, num_own = 0, 0, 0
    for o in range(hash_O.size):
        if o == 0 or hash_O[o] != hash_O[num_ngrams - 1]:
            hash_O[num_ngrams] = hash_O[o]
            num_ngrams += 1
            num_own = 0
        if num_own < most_targets and (num_own == 0 or target_O[o] != target_O[num_pairs - 1]):
            ngram_O[num_pairs] = num_ngrams - 1
            target_O[num_pairs] = target_O[o]
            num_pairs += 1
            num_own += 1
    return num_ngrams, num_pairs


@numba.njit(nogil=True, cache=True)
def _mark(hash_H, seen):
    """A bit for each hash among 8 to 16 times as many: small enough for the cache, it answers nine times in ten."""
    last_bit = np.uint64(8 * seen.size - 1)
    for h in range(hash_H.size):
        bit = (hash_H[h] >> np.uint64(16)) & last_bit
        seen[bit >> np.uint64(3)] |= np.uint8(1) << np.uint8(bit & np.uint64(7))


@numba.njit(nogil=True, cache=True)
def _of_targets(offsets_D, data, letters, num_words, least_words, hashes, ends_D, words_D):
    longest = 0
    for d in range(words_D.size):
        longest = max(longest, offsets_D[d + 1] - offsets_D[d])
    word_hashes = np.empty(longest // 2 + 1, np.uint64)
    places = np.empty(longest // 2 + 1, np.int64)
    for d in range(words_D.size):
        words_D[d] = words(data, offsets_D[d], offsets_D[d + 1], letters, word_hashes, places, places)
        length = min(num_words, words_D[d])
        factor = power(length)
        rolling = np.uint64(0)
        h = ends_D[d]
        if length >= least_words:
            for w in range(words_D[d]):
                rolling = rolling * BASE + word_hashes[w]
                if w >= length:
                    rolling -= word_hashes[w - length] * factor
                if w >= length - 1:
                    hashes[h] = mix(rolling + np.uint64(length))
                    h += 1
        ends_D[d + 1] = h


@numba.njit(nogil=True, cache=True)
def _match(
    first_place, offsets_D, data, letters, lengths_L, hash_H, slots, seen, num_docs_H, latest_H, max_documents,
    done, rows,
):  # fmt: skip
    """Writes rows of matches; returns how many, the first document that had no room for them, and the room it wants."""
    longest = 0
    for d in range(done, offsets_D.size - 1):
        longest = max(longest, offsets_D[d + 1] - offsets_D[d])
    most_words = longest // 2 + 1
    word_hashes = np.empty(most_words, np.uint64)
    begins, ends = np.empty(most_words, np.int64), np.empty(most_words, np.int64)
    last_bit = np.uint64(8 * seen.size - 1)
    num_rows = 0
    for d in range(done, offsets_D.size - 1):
        num_words = words(data, offsets_D[d], offsets_D[d + 1], letters, word_hashes, begins, ends)
        if num_rows + num_words * lengths_L.size > rows.shape[0]:
            return num_rows, d, num_words * lengths_L.size
        place = first_place + d
        for length in lengths_L:
            factor = power(length)
            rolling = np.uint64(0)
            for w in range(num_words):
                rolling = rolling * BASE + word_hashes[w]
                if w >= length:
                    rolling -= word_hashes[w - length] * factor
                if w < length - 1:
                    continue
                ngram = mix(rolling + np.uint64(length))
                bit = (ngram >> np.uint64(16)) & last_bit
                if not (seen[bit >> np.uint64(3)] >> np.uint8(bit & np.uint64(7))) & 1:
                    continue
                h = place_of(ngram, hash_H, slots)
                if h < 0:
                    continue
                if latest_H[h] != place:
                    latest_H[h] = place
                    num_docs_H[h] += 1
                if num_docs_H[h] <= max_documents:
                    rows[num_rows, 0] = place
                    rows[num_rows, 1] = begins[w - length + 1] - offsets_D[d]
                    rows[num_rows, 2] = ends[w] - offsets_D[d]
                    rows[num_rows, 3] = w - length + 1
                    rows[num_rows, 4] = length
                    rows[num_rows, 5] = h
                    num_rows += 1
    return num_rows, offsets_D.size - 1, 0


@numba.njit(nogil=True, cache=True)
def _runs(matches, need_M, runs, run_M):
    run, first_word, last_word = -1, 0, 0
    for m in range(run_M.size):
        place, begin, end, word, length, _ = matches[m]
        if run < 0 or place != runs[run, 0] or word > last_word + 1:
            run += 1
            runs[run, 0], runs[run, 1], runs[run, 2], runs[run, 3] = place, begin, end, 0
            runs[run, 4] = need_M[m]
            first_word, last_word = word, word + length - 1
        last_word = max(last_word, word + length - 1)
        runs[run, 2] = max(runs[run, 2], end)
        runs[run, 3] = last_word - first_word + 1
        runs[run, 4] = min(runs[run, 4], need_M[m])
        run_M[m] = run
    return run + 1
