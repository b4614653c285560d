"""Near-duplicates by MinHash with banding, over Arrow string buffers: linear in the text, nothing is ever quadratic.

MinHash: Broder, 1997; bands: Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, section 3.4; 5-grams, 14 bands of
8: FineWeb, arXiv:2406.17557, section 3.4.

Words are runs of letters and digits, ASCII in lower case; a byte over 0x7f is a letter, except in the dashes and quotes
U+2010 to U+201F. A script that writes no spaces is thus one long word a phrase, and copies are found, not variants.
"""

# B bands, D documents, P permutations (bands times rows)
from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from domainlm.specs.run import NearDuplicates

Uint64 = npt.NDArray[np.uint64]

_FNV_START = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)
_BASE = np.uint64(0x9E3779B97F4A7C15)
"""Of the rolling hash of word hashes: odd, so that no word is lost to overflow."""


def signatures(texts: pa.Array, spec: NearDuplicates) -> Uint64:
    """Band keys (bands, documents) of a large_string array without nulls: equal keys in a band, near-duplicates.

    A document of fewer words than a shingle has one shingle: all of its words, or its bytes where it has none.
    """
    if not isinstance(texts, pa.LargeStringArray) or texts.null_count:
        raise TypeError(f"wanted large_string without nulls, got {texts.type} with {texts.null_count} nulls")
    _, offset_buffer, data_buffer = texts.buffers()
    offsets_D = np.frombuffer(offset_buffer, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = np.frombuffer(data_buffer or b"", np.uint8)
    constants = _constants(2 * spec.bands * spec.rows).reshape(2, -1)
    xors_P, factors_P = (
        constants[0].copy(),
        constants[1] | np.uint32(1),
    )  # contiguous: four times as fast as strided views
    keys_BD = np.empty((spec.bands, len(texts)), np.uint64)
    _sign(offsets_D, data, _LETTERS, spec.ngram_words, xors_P, factors_P, spec.rows, keys_BD)
    return keys_BD


def first_of_cluster(keys_BD: Uint64) -> npt.NDArray[np.int64]:
    """For each document the first (least index) of its cluster: those joined by a chain of equal band keys.

    Put the documents in order of priority beforehand. Sorting makes equal keys neighbours, and only neighbours are
    joined: a boilerplate shared by n documents costs n - 1 joins, not n squared.
    """
    parent_D = np.arange(keys_BD.shape[1], dtype=np.int64)
    for keys_D in keys_BD:
        _join_neighbours(parent_D, np.argsort(keys_D, kind="stable"), keys_D)
    _flatten(parent_D)
    return parent_D


def _constants(num_constants: int) -> npt.NDArray[np.uint32]:
    """Fixed random numbers, by splitmix64 from 0: no library's generator can change them."""
    with np.errstate(over="ignore"):
        return (_mixed(np.arange(1, num_constants + 1, dtype=np.uint64) * _BASE) >> np.uint64(32)).astype(np.uint32)


def _mixed(values: Uint64) -> Uint64:
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _lower(byte: int) -> int:
    """The byte that `byte` is hashed as; 0 for what separates words."""
    if byte >= 0x80:
        return byte
    return ord(chr(byte).lower()) if chr(byte).isalnum() else 0


_LETTERS = np.array([_lower(byte) for byte in range(256)], np.uint8)


@numba.njit(nogil=True, cache=True, inline="always")
def _mix(value):
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@numba.njit(nogil=True, cache=True, inline="always")
def _lower_minima(least_P, xors_P, factors_P, shingle):
    for p in range(least_P.size):
        value = np.uint32((shingle ^ xors_P[p]) * factors_P[p])
        if value < least_P[p]:
            least_P[p] = value


@numba.njit(nogil=True, cache=True)
def _sign(offsets_D, data, letters, ngram_words, xors_P, factors_P, rows, keys_BD):
    least_P = np.empty(xors_P.size, np.uint32)
    recent = np.zeros(ngram_words, np.uint64)
    oldest_factor = np.uint64(1)
    for _ in range(ngram_words):
        oldest_factor *= _BASE
    for d in range(keys_BD.shape[1]):
        start, end = offsets_D[d], offsets_D[d + 1]
        least_P[:] = np.uint32(0xFFFFFFFF)
        recent[:] = np.uint64(0)
        rolling = np.uint64(0)
        num_words = 0
        word = _FNV_START
        i = start
        while i <= end:
            letter = np.uint8(0)
            width = 1
            if i < end:
                letter = letters[data[i]]
                if (
                    letter == 0xE2
                    and i + 2 < end
                    and data[i + 1] == 0x80
                    and data[i + 2] >= 0x90
                    and data[i + 2] <= 0x9F
                ):
                    letter = np.uint8(0)
                    width = 3
            if letter != 0:
                word = (word ^ np.uint64(letter)) * _FNV_PRIME
            elif word != _FNV_START:
                place = num_words % ngram_words
                mixed = _mix(word)
                rolling = rolling * _BASE + mixed - recent[place] * oldest_factor
                recent[place] = mixed
                num_words += 1
                word = _FNV_START
                if num_words >= ngram_words:
                    _lower_minima(least_P, xors_P, factors_P, np.uint32(_mix(rolling) >> np.uint64(32)))
            i += width
        if num_words < ngram_words:
            if num_words == 0:
                for j in range(start, end):
                    rolling = (rolling ^ np.uint64(data[j])) * _FNV_PRIME
            _lower_minima(least_P, xors_P, factors_P, np.uint32(_mix(rolling) >> np.uint64(32)))
        for b in range(keys_BD.shape[0]):
            key = np.uint64(0)
            for p in range(b * rows, (b + 1) * rows):
                key = _mix(key ^ np.uint64(least_P[p])) * _BASE
            keys_BD[b, d] = key


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
