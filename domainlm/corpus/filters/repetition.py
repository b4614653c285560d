"""Drops texts that repeat themselves. Source: Gopher, arXiv:2112.11446, A.1.1, Table A1, all of its rows."""

# D documents, W words, L lines, P paragraphs
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from domainlm.corpus.texts import Texts, shares, sums
from domainlm.specs.spec import Share, Spec

_ODD = np.uint64(0x9E3779B97F4A7C15)
_TOP_SIZES = (2, 3, 4)
_DUPLICATE_SIZES = (5, 6, 7, 8, 9, 10)


class Options(Spec):
    """How much of a text may be repeated; the defaults are Gopher's, Table A1."""

    max_duplicate_line_share: Share = 0.30
    """Largest share of lines that stood before."""
    max_duplicate_line_char_share: Share = 0.20
    """Largest share of characters in such lines."""
    max_duplicate_paragraph_share: Share = 0.30
    """Largest share of paragraphs, which empty lines separate, that stood before."""
    max_duplicate_paragraph_char_share: Share = 0.20
    """Largest share of characters in such paragraphs."""
    max_top_ngram_char_shares: tuple[Share, Share, Share] = (0.20, 0.18, 0.16)
    """Largest share of characters covered by the most frequent 2-, 3- and 4-gram of words."""
    max_duplicate_ngram_char_shares: tuple[Share, Share, Share, Share, Share, Share] | None = (
        0.15,
        0.14,
        0.13,
        0.12,
        0.11,
        0.10,
    )
    """Largest share of characters in 5- to 10-grams of words that stood before; null for any: the share grows with a
    text's length, so that these six take long statutes, contracts and filings for spam."""


def scores(texts: Texts) -> dict[str, npt.NDArray[np.float32]]:
    """Shares of duplicate lines, paragraphs and n-grams, as Options names them.

    Empty lines do not count. Characters of lines are those between line feeds, of words those between white space. A
    duplicate n-gram is passed over whole, as DataTrove does, so that no character counts twice.
    """
    lines, words = texts.lines, texts.words
    found = duplicates(lines.hash_L, lines.chars_L, lines.first_D, "line")
    hash_P, chars_P, first_D = _paragraphs(texts)
    found |= duplicates(hash_P, chars_P, first_D, "paragraph")
    total_D = sums(words.chars_W, words.first_D)
    chars_D = np.empty(len(texts), np.int64)
    for size in _TOP_SIZES:
        _top_ngram(words.first_D, words.hash_W, words.chars_W, size, chars_D)
        found[f"top_{size}gram_char_share"] = shares(chars_D, total_D)
    for size in _DUPLICATE_SIZES:
        _duplicate_ngrams(words.first_D, words.hash_W, words.chars_W, size, chars_D)
        found[f"duplicate_{size}gram_char_share"] = shares(chars_D, total_D)
    return found


def drops(
    scores: Mapping[str, npt.NDArray[np.float32]], options: Options
) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """The texts that each reason drops, lines first.

    The most frequent n-gram of a text can cover more than the whole of it where it overlaps itself.
    """
    for unit in ("line", "paragraph"):
        most = getattr(options, f"max_duplicate_{unit}_share")
        yield f"duplicate {unit}s", scores[f"duplicate_{unit}_share"] > most
        most = getattr(options, f"max_duplicate_{unit}_char_share")
        yield f"characters in duplicate {unit}s", scores[f"duplicate_{unit}_char_share"] > most
    for size, most in zip(_TOP_SIZES, options.max_top_ngram_char_shares, strict=True):
        yield f"most frequent {size}-gram", scores[f"top_{size}gram_char_share"] > most
    if options.max_duplicate_ngram_char_shares is None:
        return
    for size, most in zip(_DUPLICATE_SIZES, options.max_duplicate_ngram_char_shares, strict=True):
        yield f"duplicate {size}-grams", scores[f"duplicate_{size}gram_char_share"] > most


def duplicates(
    hash_L: npt.NDArray[np.uint64], chars_L: npt.NDArray[Any], first_D: npt.NDArray[np.int64], unit: str
) -> dict[str, npt.NDArray[np.float32]]:
    """Shares of each document's lines (or other units) that stood before, and of the characters in them."""
    again_D, chars_D = np.empty((2, len(first_D) - 1), np.int64)
    _duplicate_units(first_D, hash_L, chars_L, again_D, chars_D)
    return {
        f"duplicate_{unit}_share": shares(again_D, np.diff(first_D)),
        f"duplicate_{unit}_char_share": shares(chars_D, sums(chars_L, first_D)),
    }


def _paragraphs(texts: Texts) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Hashes and characters (P,) of paragraphs, and the number (D + 1,) of each document's first."""
    lines = texts.lines
    number_L = np.cumsum(lines.follows_L) - 1
    num_paragraphs = int(number_L[-1]) + 1 if len(number_L) else 0
    hash_P, chars_P = np.zeros(num_paragraphs, np.uint64), np.zeros(num_paragraphs, np.int64)
    _join_lines(number_L, lines.hash_L, lines.chars_L, hash_P, chars_P)
    # A document's first line always begins a paragraph.
    return hash_P, chars_P, np.append(number_L, num_paragraphs)[lines.first_D]


@numba.njit(nogil=True, cache=True, inline="always")
def _with(key, value):
    key = (key ^ value) * _ODD
    return key ^ (key >> np.uint64(29))


@numba.njit(nogil=True, cache=True)
def _num_slots(num_keys):
    slots = 16
    while slots < 2 * num_keys:
        slots *= 2
    return slots


@numba.njit(nogil=True, cache=True, inline="always")
def _slot(keys, times, num_slots, key):
    """Where `key` stands in the table, or would stand; a slot is free where `times` is 0."""
    slot = np.int64(key >> np.uint64(1)) & (num_slots - 1)
    while times[slot] and keys[slot] != key:
        slot = (slot + 1) & (num_slots - 1)
    return slot


@numba.njit(nogil=True, cache=True)
def _most(first_D):
    most = 0
    for d in range(first_D.size - 1):
        most = max(most, first_D[d + 1] - first_D[d])
    return most


@numba.njit(nogil=True, cache=True)
def _join_lines(number_L, hash_L, chars_L, hash_P, chars_P):
    for i in range(number_L.size):
        p = number_L[i]
        hash_P[p] = _with(hash_P[p], hash_L[i])
        chars_P[p] += chars_L[i]


@numba.njit(nogil=True, cache=True)
def _duplicate_units(first_D, hash_L, chars_L, again_D, chars_D):
    most_slots = _num_slots(_most(first_D))
    keys, times = np.zeros(most_slots, np.uint64), np.zeros(most_slots, np.int32)
    for d in range(again_D.size):
        num_slots = _num_slots(first_D[d + 1] - first_D[d])
        times[:num_slots] = 0
        again, chars = 0, 0
        for i in range(first_D[d], first_D[d + 1]):
            slot = _slot(keys, times, num_slots, hash_L[i])
            if times[slot]:
                again += 1
                chars += chars_L[i]
            keys[slot], times[slot] = hash_L[i], 1
        again_D[d], chars_D[d] = again, chars


@numba.njit(nogil=True, cache=True)
def _top_ngram(first_D, hash_W, chars_W, ngram_words, chars_D):
    """Occurrences times characters of the most frequent n-gram; of several, the longest; 0 where none recurs."""
    most_slots = _num_slots(_most(first_D))
    keys, times = np.zeros(most_slots, np.uint64), np.zeros(most_slots, np.int32)
    for d in range(chars_D.size):
        num_slots = _num_slots(first_D[d + 1] - first_D[d])
        times[:num_slots] = 0
        most, longest = 1, 0
        for i in range(first_D[d], first_D[d + 1] - ngram_words + 1):
            key = np.uint64(0)
            chars = 0
            for j in range(i, i + ngram_words):
                key = _with(key, hash_W[j])
                chars += chars_W[j]
            slot = _slot(keys, times, num_slots, key)
            keys[slot] = key
            times[slot] += 1
            if times[slot] > most or (times[slot] == most > 1 and chars > longest):
                most, longest = times[slot], chars
        chars_D[d] = most * longest


@numba.njit(nogil=True, cache=True)
def _duplicate_ngrams(first_D, hash_W, chars_W, ngram_words, chars_D):
    """Characters in n-grams that stood before; the search goes on behind each."""
    most_slots = _num_slots(_most(first_D))
    keys, times = np.zeros(most_slots, np.uint64), np.zeros(most_slots, np.int32)
    for d in range(chars_D.size):
        num_slots = _num_slots(first_D[d + 1] - first_D[d])
        times[:num_slots] = 0
        duplicate = 0
        i = first_D[d]
        while i + ngram_words <= first_D[d + 1]:
            key = np.uint64(0)
            chars = 0
            for j in range(i, i + ngram_words):
                key = _with(key, hash_W[j])
                chars += chars_W[j]
            slot = _slot(keys, times, num_slots, key)
            if times[slot]:
                duplicate += chars
                i += ngram_words
            else:
                keys[slot], times[slot] = key, 1
                i += 1
        chars_D[d] = duplicate
