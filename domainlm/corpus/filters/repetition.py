"""Drops texts that repeat themselves. Source: Gopher, arXiv:2112.11446, A.1.1, Table A1."""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np

from domainlm.specs.spec import Share, Spec

_ODD = np.uint64(0x9E3779B97F4A7C15)


class Options(Spec):
    """How much of a text may be repeated; the defaults are Gopher's, Table A1."""

    max_duplicate_line_share: Share = 0.30
    """Largest share of lines that stood before."""
    max_duplicate_line_char_share: Share = 0.20
    """Largest share of characters in such lines."""
    max_top_ngram_char_shares: tuple[Share, Share, Share] = (0.20, 0.18, 0.16)
    """Largest share of characters covered by the most frequent 2-, 3- and 4-gram of words."""


def reason(text: str, options: Options) -> str | None:
    """Why `text` is dropped, or None.

    >>> reason("all work and no play\\n" * 9, Options())
    'duplicate lines'
    """
    line_share, char_share = duplicate_line_shares(text)
    if line_share > options.max_duplicate_line_share:
        return "duplicate lines"
    if char_share > options.max_duplicate_line_char_share:
        return "characters in duplicate lines"
    shares = top_ngram_char_shares(text)
    for ngram_words, (found, most) in enumerate(zip(shares, options.max_top_ngram_char_shares, strict=True), start=2):
        if found > most:
            return f"most frequent {ngram_words}-gram"
    return None


def duplicate_line_shares(text: str) -> tuple[float, float]:
    """Shares of the lines that stood before, and of the characters in them; empty lines do not count.

    >>> duplicate_line_shares("a\\nbb\\na\\n\\nbb\\nbb")
    (0.6, 0.625)
    """
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        return 0.0, 0.0
    num_chars = sum(map(len, lines))
    firsts = set(lines)
    return 1 - len(firsts) / len(lines), 1 - sum(map(len, firsts)) / num_chars


def top_ngram_char_shares(text: str, sizes: Sequence[int] = (2, 3, 4)) -> list[float]:
    """For each size, occurrences times characters of the most frequent n-gram, over the characters of all words.

    >>> top_ngram_char_shares("to be or not to be")
    [0.6153846153846154, 0.0, 0.0]
    """
    words = text.split()
    if not words:
        return [0.0] * len(sizes)
    # Python hashes strings in 64 bits: two words of one text are taken for one with probability 1e-13.
    hashes = np.fromiter(map(hash, words), np.int64, len(words)).view(np.uint64)
    chars = np.fromiter(map(len, words), np.int64, len(words))
    return [_top_ngram_chars(hashes, chars, size) / int(chars.sum()) for size in sizes]


@numba.njit(nogil=True, cache=True)
def _top_ngram_chars(hashes, chars, ngram_words):
    """Occurrences times characters of the most frequent n-gram; of several, the longest; 0 where none recurs."""
    num_ngrams = hashes.size - ngram_words + 1
    num_slots = 16
    while num_slots < 2 * num_ngrams:
        num_slots *= 2
    keys = np.zeros(num_slots, np.uint64)
    occurrences = np.zeros(num_slots, np.int64)
    most, longest = 1, 0
    for i in range(num_ngrams):
        key = np.uint64(0)
        num_chars = 0
        for j in range(i, i + ngram_words):
            key = (key ^ hashes[j]) * _ODD
            key ^= key >> np.uint64(29)
            num_chars += chars[j]
        slot = np.int64(key >> np.uint64(1)) & (num_slots - 1)
        while occurrences[slot] and keys[slot] != key:
            slot = (slot + 1) & (num_slots - 1)
        keys[slot] = key
        occurrences[slot] += 1
        if occurrences[slot] > most or (occurrences[slot] == most > 1 and num_chars > longest):
            most, longest = occurrences[slot], num_chars
    return most * longest
