"""Places of a text where personal data can be, found in one pass, so that the costly patterns look nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

_AT, _NUMBER, _COLONS, _IBAN, _TOKEN, _ASSIGNED, _RECORD, _PASSPORT, _LICENSE = range(9)
_DIGIT, _UPPER, _LETTER, _TOKENISH, _SEPARATOR, _COLON = (1 << n for n in range(6))
_LABEL_CHARS = 44
"""At most so many characters stand between a label and a digit of its number."""
_MIN_TOKEN_BYTES = 18


def _class(byte: int) -> int:
    char = chr(byte) if byte < 0x80 else "\0"
    # The bytes of no-break spaces and of U+2010 to U+2015, which stand between digits too.
    is_separator = char in " -.()/+" or byte in (0xC2, 0xA0, 0xE2, 0x80, 0xAF) or 0x90 <= byte <= 0x95
    return (
        _DIGIT * char.isdigit()
        + _UPPER * char.isupper()
        + _LETTER * char.isalpha()
        + _TOKENISH * (char.isalnum() or char in "_-.")
        + _SEPARATOR * is_separator
        + _COLON * (char == ":")
    )


_CLASSES = np.array([_class(byte) for byte in range(256)], np.uint8)
_ENDINGS = {
    _RECORD: "record records rec mrn m.r.n urn chart hospital patient nhs",
    _PASSPORT: "passport",
    _LICENSE: "license licence licenses licences dl",
    _ASSIGNED: "password passwd pwd pass phrase secret token key",
}
"""Ends of words by what they announce, in lower case, eight bytes at most."""


def _suffixes() -> np.ndarray:
    """(words, 3): a word as the low bytes of an integer, their mask, and what it announces."""
    rows = [
        (int.from_bytes(word.encode(), "big"), (1 << 8 * len(word)) - 1, what)
        for what, words in _ENDINGS.items()
        for word in words.split()
    ]
    return np.array(rows, np.uint64)


def _endings() -> np.ndarray:
    """(32768,): whether a word of `_ENDINGS` ends in three letters, five bits each; before two, any letter."""
    table = np.zeros(1 << 15, np.bool_)
    for word in " ".join(_ENDINGS.values()).split():
        first = [ord(word[-3])] if len(word) > 2 else range(32)
        table[[_three(a, ord(word[-2]), ord(word[-1])) for a in first]] = True
    return table


def _three(a: int, b: int, c: int) -> int:
    return (a & 31) << 10 | (b & 31) << 5 | (c & 31)


_SUFFIXES, _THREE = _suffixes(), _endings()


@dataclass(frozen=True, kw_only=True, slots=True)
class Spots:
    """Character offsets (start, end) by what stands there, each list in order."""

    ats: list[tuple[int, int]]
    """`@`, `(at` and `[at`."""
    numbers: list[tuple[int, int]]
    """From a digit to a digit over spaces, hyphens, dots, slashes, parentheses: seven digits or three dots at least."""
    colons: list[tuple[int, int]]
    """Runs of hexadecimal digits and colons: with `::` or seven colons."""
    ibans: list[tuple[int, int]]
    """Two capitals and two digits at the start of a word."""
    tokens: list[tuple[int, int]]
    """Eighteen or more letters, digits, `_`, `-`, `.` in a row, a digit and a letter among them."""
    assigned: list[tuple[int, int]]
    """`:` and `=` behind a word that ends in password, secret, token, key."""
    records: list[tuple[int, int]]
    """From the end of a word for medical records to a digit close behind."""
    passports: list[tuple[int, int]]
    """The same for passports."""
    licenses: list[tuple[int, int]]
    """The same for licences."""


def spots(text: str) -> Spots:
    """The spots of `text`.

    >>> spots("call 555 0123, a@b").ats
    [(16, 17)]
    """
    found = _scan(np.frombuffer(text.encode(), np.uint8), _CLASSES, _SUFFIXES, _THREE)
    lists: list[list[tuple[int, int]]] = [[] for _ in range(9)]
    for what, start, end in found.tolist():
        lists[what].append((start, end))
    return Spots(**dict(zip(Spots.__slots__, lists, strict=True)))


@numba.njit(nogil=True, cache=True)
def _added(rows, num_rows, what, start, end):
    if num_rows == len(rows):
        grown = np.empty((2 * num_rows, 3), np.int64)
        grown[:num_rows] = rows
        rows = grown
    rows[num_rows, 0] = what
    rows[num_rows, 1] = start
    rows[num_rows, 2] = end
    return rows


@numba.njit(nogil=True, cache=True)
def _announced(data, end, suffixes, classes):
    """What the word that ends before byte `end` announces; -1 for nothing."""
    recent = np.uint64(0)
    for j in range(max(0, end - 8), end):
        byte = data[j]
        recent = (recent << np.uint64(8)) | np.uint64(byte + 32 if classes[byte] & _UPPER else byte)
    for k in range(len(suffixes)):
        if (recent & suffixes[k, 1]) == suffixes[k, 0]:
            return np.int64(suffixes[k, 2])
    return -1


@numba.njit(nogil=True, cache=True)
def _is_token(data, start, end, classes):
    """Whether a digit and a letter are in data[start:end]."""
    seen = 0
    for j in range(start, end):
        seen |= classes[data[j]]
    return (seen & _DIGIT) != 0 and (seen & _LETTER) != 0


@numba.njit(nogil=True, cache=True)
def _is_hex(byte):
    return 48 <= byte <= 58 or 65 <= byte <= 70 or 97 <= byte <= 102


@numba.njit(nogil=True, cache=True)
def _address(data, at):
    """First and end byte of the run of hexadecimal digits and colons around byte `at`; end 0 for no IPv6 address."""
    start, end = at, at
    while start > 0 and _is_hex(data[start - 1]) and at - start < 5:
        start -= 1
    colons, digits, double = 0, 0, False
    while start + digits + colons < len(data) and _is_hex(data[start + digits + colons]):
        j = start + digits + colons
        if data[j] == 58:
            double |= colons > 0 and data[j - 1] == 58
            colons += 1
        else:
            digits += 1
    end = start + digits + colons
    return start, end, digits > 0 and (colons >= 7 or double)


@numba.njit(nogil=True, cache=True)
def _scan(data, classes, suffixes, endings):
    """Rows (what, start, end) in order of their ends; what is rare is looked at only where a rare byte stands."""
    rows = np.empty((64, 3), np.int64)
    num_rows, num_bytes = 0, len(data)
    char = -1  # offset in characters of the byte at hand
    digits = dots = separators = number_start = number_end = 0
    token_start = 0  # byte behind the last one that is no part of a token
    colons_end = 0
    key_at = -100
    label_at, label = -100, 0
    i = 0
    while i <= num_bytes:
        byte = data[i] if i < num_bytes else np.uint8(10)
        kind = classes[byte]
        if kind & _LETTER:
            if digits:
                if digits >= 7 or dots >= 3:
                    rows = _added(rows, num_rows, _NUMBER, number_start, number_end)
                    num_rows += 1
                digits = dots = separators = 0
            first = i
            i += 1
            while i < num_bytes and classes[data[i]] & _LETTER:
                i += 1
            char += i - first
            last = np.int64(data[i - 1]) & 31
            if i > 1:
                last |= (np.int64(data[i - 2]) & 31) << 5
            if i > 2:
                last |= (np.int64(data[i - 3]) & 31) << 10
            if endings[last]:
                what = _announced(data, i, suffixes, classes)
                if what == _ASSIGNED:
                    key_at = char + 1
                elif what >= 0:
                    label_at, label = char + 1, what
            continue
        char += (byte & 0xC0) != 0x80
        if kind & _DIGIT:
            if digits == 0:
                number_start = char
                if char - label_at <= _LABEL_CHARS:
                    rows = _added(rows, num_rows, label, label_at, char)
                    num_rows += 1
                    label_at = -100
            digits += 1
            separators = 0
            number_end = char + 1
            if (
                digits == 2
                and number_start == char - 1
                and i >= 3
                and classes[data[i - 2]] & classes[data[i - 3]] & _UPPER
                and (i == 3 or not classes[data[i - 4]] & (_DIGIT | _LETTER))
            ):
                rows = _added(rows, num_rows, _IBAN, char - 3, char + 1)
                num_rows += 1
        else:
            if digits:
                separators += (byte & 0xC0) != 0x80
                dots += byte == 46 and separators == 1
                if separators > 3 or not kind & _SEPARATOR:
                    if digits >= 7 or dots >= 3:
                        rows = _added(rows, num_rows, _NUMBER, number_start, number_end)
                        num_rows += 1
                    digits = dots = separators = 0
            if not kind & _TOKENISH:
                if i - token_start >= _MIN_TOKEN_BYTES and _is_token(data, token_start, i, classes):
                    rows = _added(rows, num_rows, _TOKEN, char - (i - token_start), char)
                    num_rows += 1
                token_start = i + 1
            if (byte == 58 or byte == 61) and char - key_at <= 2:
                rows = _added(rows, num_rows, _ASSIGNED, char, char + 1)
                num_rows += 1
            if byte == 58 and i >= colons_end and i < num_bytes:
                first, colons_end, is_address = _address(data, i)
                if is_address:
                    rows = _added(rows, num_rows, _COLONS, char - (i - first), char + colons_end - i)
                    num_rows += 1
            elif byte == 64:
                rows = _added(rows, num_rows, _AT, char, char + 1)
                num_rows += 1
            elif (byte == 40 or byte == 91) and i + 3 < num_bytes:
                at = i + 1 + (data[i + 1] == 32)
                if data[at] | 32 == 97 and data[at + 1] | 32 == 116:
                    rows = _added(rows, num_rows, _AT, char, char + at + 2 - i)
                    num_rows += 1
        i += 1
    return rows[:num_rows]
