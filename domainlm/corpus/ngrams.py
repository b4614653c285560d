"""What a word is, and the hashes of runs of words: the same for near-duplicates and for decontamination.

Words are runs of letters and digits, ASCII in lower case; a byte over 0x7f is a letter, except in the dashes and quotes
U+2010 to U+201F. A script that writes no spaces is thus one long word a phrase, and copies are found, not variants.

A run of n words is hashed by a polynomial over the words' FNV-1a hashes, rolled along the text and mixed (splitmix64).
"""

# D documents, N n-grams
from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

Uint64 = npt.NDArray[np.uint64]
Int64 = npt.NDArray[np.int64]

FNV_START = np.uint64(0xCBF29CE484222325)
FNV_PRIME = np.uint64(0x100000001B3)
BASE = np.uint64(0x9E3779B97F4A7C15)
"""Of the rolling hash of word hashes: odd, so that no word is lost to overflow."""


def buffers(texts: pa.Array) -> tuple[Int64, npt.NDArray[np.uint8]]:
    """Offsets (documents + 1,) and bytes of a large_string array; raises TypeError for another, or one with nulls."""
    if not isinstance(texts, pa.LargeStringArray) or texts.null_count:
        raise TypeError(f"wanted large_string without nulls, got {texts.type} with {texts.null_count} nulls")
    _, offset_buffer, data_buffer = texts.buffers()
    offsets_D = np.frombuffer(offset_buffer, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return offsets_D, np.frombuffer(data_buffer or b"", np.uint8)


def distinct(texts: pa.Array, ngram_words: int) -> tuple[Uint64, Int64]:
    """Each document's distinct n-grams, ascending, one document's behind another's; and offsets (documents + 1,).

    A document of fewer words has one n-gram: all of its words, or its bytes where it has none. Takes about 10 bytes of
    memory per byte of the longest document.
    """
    offsets_D, data = buffers(texts)
    hashes = np.empty((int(offsets_D[-1] - offsets_D[0]) + 1) // 2 + 2 * len(texts), np.uint64)
    ends_D = np.zeros(len(texts) + 1, np.int64)
    _distinct(offsets_D, data, LETTERS, ngram_words, hashes, ends_D)
    return hashes[: ends_D[-1]], ends_D


def splitmix(values: Uint64) -> Uint64:
    """`mix` of an array."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _lower(byte: int) -> int:
    """The byte that `byte` is hashed as; 0 for what separates words."""
    if byte >= 0x80:
        return byte
    return ord(chr(byte).lower()) if chr(byte).isalnum() else 0


LETTERS = np.array([_lower(byte) for byte in range(256)], np.uint8)


@numba.njit(nogil=True, cache=True, inline="always")
def mix(value):
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@numba.njit(nogil=True, cache=True, inline="always")
def is_dash_or_quote(data, i, end):
    return data[i] == 0xE2 and i + 2 < end and data[i + 1] == 0x80 and data[i + 2] >= 0x90 and data[i + 2] <= 0x9F


@numba.njit(nogil=True, cache=True)
def power(num_words):
    """BASE to the number of words: the factor of the word that leaves the window."""
    factor = np.uint64(1)
    for _ in range(num_words):
        factor *= BASE
    return factor


@numba.njit(nogil=True, cache=True)
def words(data, start, end, letters, hashes, begins, ends):
    """Number of words of a text; their hashes, and where each begins and ends, are written into the arrays."""
    num_words = 0
    word = FNV_START
    i = start
    begin = start
    while i <= end:
        letter = np.uint8(0)
        width = 1
        if i < end:
            letter = letters[data[i]]
            if letter == 0xE2 and is_dash_or_quote(data, i, end):
                letter = np.uint8(0)
                width = 3
        if letter != 0:
            if word == FNV_START:
                begin = i
            word = (word ^ np.uint64(letter)) * FNV_PRIME
        elif word != FNV_START:
            hashes[num_words] = mix(word)
            begins[num_words] = begin
            ends[num_words] = i
            num_words += 1
            word = FNV_START
        i += width
    return num_words


@numba.njit(nogil=True, cache=True)
def sort_distinct(values, num_values, scratch, counts):
    """Sorts hashes in place and drops repetitions; returns how many are left.

    One pass by the leading bits leaves about one hash a bucket, so that insertion is linear: hashes are even.
    """
    num_bits = 1
    while (1 << num_bits) < num_values:
        num_bits += 1
    shift = np.uint64(64 - num_bits)
    counts[: (1 << num_bits) + 1] = 0
    for i in range(num_values):
        counts[(values[i] >> shift) + np.uint64(1)] += 1
    for bucket in range(1 << num_bits):
        counts[bucket + 1] += counts[bucket]
    for i in range(num_values):
        bucket = values[i] >> shift
        scratch[counts[bucket]] = values[i]
        counts[bucket] += 1
    num_kept = 0
    for i in range(num_values):
        value = scratch[i]
        place = num_kept
        while place > 0 and values[place - 1] > value:
            place -= 1
        if place > 0 and values[place - 1] == value:
            continue
        for j in range(num_kept, place, -1):
            values[j] = values[j - 1]
        values[place] = value
        num_kept += 1
    return num_kept


@numba.njit(nogil=True, cache=True)
def _distinct(offsets_D, data, letters, ngram_words, hashes, ends_D):
    longest = 0
    for d in range(ends_D.size - 1):
        longest = max(longest, offsets_D[d + 1] - offsets_D[d])
    most_words = longest // 2 + 1
    word_hashes = np.empty(most_words, np.uint64)
    places = np.empty(most_words, np.int64)
    scratch = np.empty(most_words, np.uint64)
    counts = np.empty(4 * most_words + 4, np.int64)
    factor = power(ngram_words)
    for d in range(ends_D.size - 1):
        start, end = offsets_D[d], offsets_D[d + 1]
        num_words = words(data, start, end, letters, word_hashes, places, places)
        rolling = np.uint64(0)
        found = hashes[ends_D[d] :]
        num_found = 0
        for w in range(num_words):
            rolling = rolling * BASE + word_hashes[w]
            if w >= ngram_words:
                rolling -= word_hashes[w - ngram_words] * factor
            if w >= ngram_words - 1:
                found[num_found] = mix(rolling)
                num_found += 1
        if num_found == 0:
            if num_words == 0:
                for j in range(start, end):
                    rolling = (rolling ^ np.uint64(data[j])) * FNV_PRIME
            found[0] = mix(rolling)
            num_found = 1
        ends_D[d + 1] = ends_D[d] + sort_distinct(found, num_found, scratch, counts)
