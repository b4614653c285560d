"""Where words and lines begin and end in UTF-8, and what Unicode says of their characters: kernels over bytes.

White space is ASCII's, which is all that `normalize` leaves. Text is valid UTF-8, as Arrow's strings are.
"""

# D documents, W words, L lines
from __future__ import annotations

from functools import cache

import numba
import numpy as np
import numpy.typing as npt

LETTER, ALPHANUMERIC, TERMINAL = 1, 2, 4
"""Bits of `marks`: a letter of any alphabet, a letter or digit, and punctuation that ends a sentence."""
NUM_CODE_POINTS = 0x110000
_TERMINAL = ".!?‼⁇⁈⁉‽⸮。．｡！？﹒﹖﹗؟۔؞܀܁܂।॥။၊።፧፨։។៕᠃᠉"
"""Unicode's Sentence_Terminal of the scripts in wide use; the ellipsis and quotes are none."""
_FNV_START = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)


@cache
def marks() -> npt.NDArray[np.uint8]:
    """(NUM_CODE_POINTS,) LETTER, ALPHANUMERIC and TERMINAL of each character, as Python's Unicode has them."""
    characters = np.arange(NUM_CODE_POINTS, dtype=np.uint32).view("<U1")
    table = np.char.isalpha(characters) * np.uint8(LETTER) + np.char.isalnum(characters) * np.uint8(ALPHANUMERIC)
    table = table.astype(np.uint8)
    table[[ord(mark) for mark in _TERMINAL]] |= TERMINAL
    return table


def hash_of(word: str) -> int:
    """What `Words.hash_W` and `Lines.hash_L` hold for `word`."""
    return int(_hash_bytes(np.frombuffer(word.encode(), np.uint8)))


@numba.njit(nogil=True, cache=True, inline="always")
def is_space(byte):
    return byte == 32 or (9 <= byte <= 13)


@numba.njit(nogil=True, cache=True, inline="always")
def code_point(data, i):
    """The character that begins at byte `i` of valid UTF-8."""
    byte = np.int64(data[i])
    if byte < 0x80:
        return byte
    if byte < 0xE0:
        return ((byte & 0x1F) << 6) | (np.int64(data[i + 1]) & 0x3F)
    if byte < 0xF0:
        return ((byte & 0x0F) << 12) | ((np.int64(data[i + 1]) & 0x3F) << 6) | (np.int64(data[i + 2]) & 0x3F)
    high = ((byte & 0x07) << 18) | ((np.int64(data[i + 1]) & 0x3F) << 12)
    return high | ((np.int64(data[i + 2]) & 0x3F) << 6) | (np.int64(data[i + 3]) & 0x3F)


@numba.njit(nogil=True, cache=True, inline="always")
def _mix(value):
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@numba.njit(nogil=True, cache=True)
def _hash_bytes(data):
    value = _FNV_START
    for byte in data:
        value = (value ^ np.uint64(byte)) * _FNV_PRIME
    return _mix(value)


@numba.njit(nogil=True, cache=True)
def count_chars(offsets_D, data, chars_D):
    for d in range(chars_D.size):
        chars = 0
        for i in range(offsets_D[d], offsets_D[d + 1]):
            chars += (data[i] & 0xC0) != 0x80
        chars_D[d] = chars


@numba.njit(nogil=True, cache=True)
def count_words(offsets_D, data, first_D):
    for d in range(first_D.size - 1):
        words = 0
        between = True
        for i in range(offsets_D[d], offsets_D[d + 1]):
            space = is_space(data[i])
            words += between and not space
            between = space
        first_D[d + 1] = words


@numba.njit(nogil=True, cache=True)
def find_words(offsets_D, data, marks, hash_W, chars_W, marks_W):
    word = 0
    for d in range(offsets_D.size - 1):
        i, end = offsets_D[d], offsets_D[d + 1]
        while i < end:
            if is_space(data[i]):
                i += 1
                continue
            value = _FNV_START
            chars = 0
            mark = np.uint8(0)
            while i < end and not is_space(data[i]):
                byte = data[i]
                value = (value ^ np.uint64(byte)) * _FNV_PRIME
                if byte < 0x80:
                    chars += 1
                    mark |= marks[byte]
                elif byte >= 0xC0:
                    chars += 1
                    mark |= marks[code_point(data, i)]
                i += 1
            hash_W[word] = _mix(value)
            chars_W[word] = chars
            marks_W[word] = mark
            word += 1


@numba.njit(nogil=True, cache=True)
def count_lines(offsets_D, data, first_D):
    for d in range(first_D.size - 1):
        lines = 0
        blank = True
        for i in range(offsets_D[d], offsets_D[d + 1]):
            if data[i] == 10:
                blank = True
            elif blank and not is_space(data[i]):
                lines += 1
                blank = False
        first_D[d + 1] = lines


@numba.njit(nogil=True, cache=True)
def find_lines(offsets_D, data, begin_L, end_L, hash_L, chars_L, follows_L):
    line = 0
    for d in range(offsets_D.size - 1):
        i, end = offsets_D[d], offsets_D[d + 1]
        follows = True
        while i < end:
            begin = i
            value = _FNV_START
            chars = 0
            blank = True
            while i < end and data[i] != 10:
                byte = data[i]
                value = (value ^ np.uint64(byte)) * _FNV_PRIME
                chars += (byte & 0xC0) != 0x80
                blank = blank and is_space(byte)
                i += 1
            if not blank:
                begin_L[line], end_L[line] = begin, i
                hash_L[line] = _mix(value)
                chars_L[line] = chars
                follows_L[line] = follows
                line += 1
            follows = blank
            i += 1
