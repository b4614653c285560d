"""Near-duplicates by MinHash with banding, over Arrow string buffers: linear in the text, nothing is ever quadratic.

MinHash: Broder, 1997; bands: Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, section 3.4; 5-grams, 14 bands of
8: FineWeb, arXiv:2406.17557, section 3.4.

Each document has 112 minima (14 x 8) and twice as many bands: the 14 rows of the table of minima, and its 14 diagonals.
Two bands share one minimum at most, so that the diagonals find nearly what 14 bands of fresh minima would, and cost no
hashing. Plain banding uses the first 14; where pairs are verified, all 28 propose them.
"""

# B bands, D documents, K band keys (twice the bands), P permutations (bands times rows)
from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from domainlm.corpus import ngrams
from domainlm.corpus.ngrams import BASE, FNV_PRIME, FNV_START, LETTERS, Uint64, is_dash_or_quote, mix
from domainlm.specs.corpus import NearDuplicates


def signatures(texts: pa.Array, spec: NearDuplicates) -> Uint64:
    """Band keys (2 * bands, documents) of a large_string array without nulls: rows of the minima, then diagonals.

    A document of fewer words than a shingle has one shingle: all of its words, or its bytes where it has none.
    """
    offsets_D, data = ngrams.buffers(texts)
    constants = _constants(2 * spec.bands * spec.rows).reshape(2, -1)
    # Contiguous: four times as fast as strided views.
    xors_P, factors_P = constants[0].copy(), constants[1] | np.uint32(1)
    keys_KD = np.empty((spec.num_keys, len(texts)), np.uint64)
    _sign(offsets_D, data, LETTERS, spec.ngram_words, xors_P, factors_P, spec.rows, keys_KD)
    return keys_KD


def first_of_cluster(keys_BD: Sequence[Uint64] | Uint64) -> npt.NDArray[np.int64]:
    """For each document the first (least index) of its cluster: those joined by a chain of equal band keys.

    Put the documents in order of priority beforehand. Sorting makes equal keys neighbours, and only neighbours are
    joined: a boilerplate shared by n documents costs n - 1 joins, not n squared.
    """
    parent_D = np.arange(len(keys_BD[0]), dtype=np.int64)
    for keys_D in keys_BD:
        _join_neighbours(parent_D, np.argsort(keys_D, kind="stable"), keys_D)
    _flatten(parent_D)
    return parent_D


def _constants(num_constants: int) -> npt.NDArray[np.uint32]:
    """Fixed random numbers, by splitmix64 from 0: no library's generator can change them."""
    with np.errstate(over="ignore"):
        mixed = ngrams.splitmix(np.arange(1, num_constants + 1, dtype=np.uint64) * BASE)
    return (mixed >> np.uint64(32)).astype(np.uint32)


@numba.njit(nogil=True, cache=True, inline="always")
def _lower_minima(least_P, xors_P, factors_P, shingle):
    for p in range(least_P.size):
        value = np.uint32((shingle ^ xors_P[p]) * factors_P[p])
        if value < least_P[p]:
            least_P[p] = value


@numba.njit(nogil=True, cache=True)
def _sign(offsets_D, data, letters, ngram_words, xors_P, factors_P, rows, keys_KD):
    least_P = np.empty(xors_P.size, np.uint32)
    recent = np.zeros(ngram_words, np.uint64)
    oldest_factor = ngrams.power(ngram_words)
    num_bands = xors_P.size // rows
    for d in range(keys_KD.shape[1]):
        start, end = offsets_D[d], offsets_D[d + 1]
        least_P[:] = np.uint32(0xFFFFFFFF)
        recent[:] = np.uint64(0)
        rolling = np.uint64(0)
        num_words = 0
        word = FNV_START
        i = start
        while i <= end:
            letter = np.uint8(0)
            width = 1
            if i < end:
                letter = letters[data[i]]
                if letter == 0xE2 and is_dash_or_quote(data, i, end):
                    letter = np.uint8(0)
                    width = 3
            if letter != 0:
                word = (word ^ np.uint64(letter)) * FNV_PRIME
            elif word != FNV_START:
                place = num_words % ngram_words
                mixed = mix(word)
                rolling = rolling * BASE + mixed - recent[place] * oldest_factor
                recent[place] = mixed
                num_words += 1
                word = FNV_START
                if num_words >= ngram_words:
                    _lower_minima(least_P, xors_P, factors_P, np.uint32(mix(rolling) >> np.uint64(32)))
            i += width
        if num_words < ngram_words:
            if num_words == 0:
                for j in range(start, end):
                    rolling = (rolling ^ np.uint64(data[j])) * FNV_PRIME
            _lower_minima(least_P, xors_P, factors_P, np.uint32(mix(rolling) >> np.uint64(32)))
        for k in range(2 * num_bands):
            key = np.uint64(0)
            for r in range(rows):
                band = k if k < num_bands else (k + r) % num_bands
                key = mix(key ^ np.uint64(least_P[band * rows + r])) * BASE
            keys_KD[k, d] = key


@numba.njit(nogil=True, cache=True)
def _root(parent_D, d):
    while parent_D[d] != d:
        parent_D[d] = parent_D[parent_D[d]]
        d = parent_D[d]
    return d


@numba.njit(nogil=True, cache=True)
def _join_neighbours(parent_D, order_D, keys_D):
    for i in range(1, order_D.size):
        if keys_D[order_D[i]] == keys_D[order_D[i - 1]]:
            a, b = _root(parent_D, order_D[i - 1]), _root(parent_D, order_D[i])
            if a < b:
                parent_D[b] = a
            elif b < a:
                parent_D[a] = b


@numba.njit(nogil=True, cache=True)
def _flatten(parent_D):
    for d in range(parent_D.size):
        parent_D[d] = _root(parent_D, d)
