"""Drops texts that do not read like prose. Source: Gopher's quality rules, Rae et al., arXiv:2112.11446, A.1.1.

The rules are written for English web pages; `min_stop_words: 0` for other languages. Words are what white space
separates, and only those with a letter or digit count and are measured: a row of dashes is no word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Self

import numba
import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from domainlm.corpus.spans import ALPHANUMERIC, LETTER, hash_of, is_space
from domainlm.corpus.texts import Texts, shares, sums
from domainlm.specs.spec import Positive, PositiveFloat, Share, Spec, check_order

_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
_BULLETS = np.zeros(256, np.bool_)
_BULLETS[[ord("-"), ord("*")]] = True


class Options(Spec):
    """What a text has to look like; the defaults are Gopher's, except that long texts stay."""

    min_words: int = Field(default=50, ge=0)
    """Texts of fewer words are dropped."""
    max_words: Positive | None = None
    """Texts of more words are dropped; Gopher's 100,000 would drop novels, filings and statutes."""
    min_mean_chars: float = Field(default=3.0, ge=0)
    """Texts whose words are shorter on average are dropped."""
    max_mean_chars: PositiveFloat = 10.0
    """Texts whose words are longer on average are dropped."""
    max_symbol_word_ratio: float = Field(default=0.1, ge=0)
    """Most number signs, and most ellipses, per word."""
    max_bullet_line_share: Share = 0.9
    """Largest share of lines that begin with a bullet."""
    max_ellipsis_line_share: Share = 0.3
    """Largest share of lines that end in an ellipsis."""
    min_letter_word_share: Share = 0.8
    """Smallest share of words, rows of symbols among them, that have a letter. Tables of numbers go by this."""
    min_stop_words: int = Field(default=2, ge=0, le=len(_STOP_WORDS))
    """Fewest different words out of: the, be, to, of, and, that, have, with."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        check_order(self, "min_words", "max_words")
        check_order(self, "min_mean_chars", "max_mean_chars")
        return self


def scores(texts: Texts) -> dict[str, npt.NDArray[np.float32]]:
    """What Options bounds, by the same names.

    Shares of lines are of those that are not empty. A text without words has a share of words with a letter of 0.
    """
    words, lines = texts.words, texts.lines
    num_words_D = np.diff(words.first_D)
    is_word_W = (words.marks_W & ALPHANUMERIC) > 0
    count_D = sums(is_word_W, words.first_D)
    chars_D = sums(np.where(is_word_W, words.chars_W, 0), words.first_D)
    with_letter_D = sums((words.marks_W & LETTER) > 0, words.first_D)
    hashes_D, ellipses_D, stop_words_D = np.empty((3, len(texts)), np.int64)
    _count_symbols(texts.offsets, texts.data, hashes_D, ellipses_D)
    _count_stop_words(words.first_D, words.hash_W, words.chars_W, _stop_hashes(), stop_words_D)
    bullet_L, ellipsis_L = np.empty((2, len(lines.begin_L)), np.bool_)
    _look_at_ends(texts.data, lines.begin_L, lines.end_L, _BULLETS, bullet_L, ellipsis_L)
    num_lines_D = np.diff(lines.first_D)
    return {
        "words": count_D.astype(np.float32),
        "mean_chars": shares(chars_D, count_D),
        "hash_word_ratio": shares(hashes_D, num_words_D),
        "ellipsis_word_ratio": shares(ellipses_D, num_words_D),
        "bullet_line_share": shares(sums(bullet_L, lines.first_D), num_lines_D),
        "ellipsis_line_share": shares(sums(ellipsis_L, lines.first_D), num_lines_D),
        "letter_word_share": shares(with_letter_D, num_words_D),
        "stop_words": stop_words_D.astype(np.float32),
    }


def drops(
    scores: Mapping[str, npt.NDArray[np.float32]], options: Options
) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """The texts that each reason drops, in Gopher's order."""
    words, mean_chars = scores["words"], scores["mean_chars"]
    yield f"fewer than {options.min_words} words", words < options.min_words
    if options.max_words is not None:
        yield f"more than {options.max_words} words", words > options.max_words
    short = (mean_chars < options.min_mean_chars) & (words > 0)
    yield f"words shorter than {options.min_mean_chars:g} characters on average", short
    yield f"words longer than {options.max_mean_chars:g} characters on average", mean_chars > options.max_mean_chars
    yield "too many number signs", scores["hash_word_ratio"] > options.max_symbol_word_ratio
    yield "too many ellipses", scores["ellipsis_word_ratio"] > options.max_symbol_word_ratio
    yield "too many bullets", scores["bullet_line_share"] > options.max_bullet_line_share
    yield "too many lines that end in an ellipsis", scores["ellipsis_line_share"] > options.max_ellipsis_line_share
    yield "too few words with a letter", scores["letter_word_share"] < options.min_letter_word_share
    yield f"fewer than {options.min_stop_words} stop words", scores["stop_words"] < options.min_stop_words


@cache
def _stop_hashes() -> npt.NDArray[np.uint64]:
    """(stop words, 3) Hashes of each in small letters, with a capital and in capitals."""
    forms = [[word, word.capitalize(), word.upper()] for word in _STOP_WORDS]
    return np.array([[hash_of(form) for form in row] for row in forms], np.uint64)


@numba.njit(nogil=True, cache=True, inline="always")
def _is_ellipsis(data, i, end):
    """Whether `...` or its one character, E2 80 A6, begins at byte `i`."""
    if i + 2 >= end:
        return False
    if data[i] == 46:
        return data[i + 1] == 46 and data[i + 2] == 46
    return data[i] == 0xE2 and data[i + 1] == 0x80 and data[i + 2] == 0xA6


@numba.njit(nogil=True, cache=True)
def _count_symbols(offsets_D, data, hashes_D, ellipses_D):
    for d in range(hashes_D.size):
        hashes, ellipses = 0, 0
        i, end = offsets_D[d], offsets_D[d + 1]
        while i < end:
            if data[i] == 35:
                hashes += 1
            elif _is_ellipsis(data, i, end):
                ellipses += 1
                i += 2
            i += 1
        hashes_D[d], ellipses_D[d] = hashes, ellipses


@numba.njit(nogil=True, cache=True)
def _count_stop_words(first_D, hash_W, chars_W, stop_hashes, stop_words_D):
    """Different stop words of each document, in small letters, with a capital or in capitals."""
    for d in range(stop_words_D.size):
        seen = np.zeros(stop_hashes.shape[0], np.bool_)
        left = stop_hashes.shape[0]
        i = first_D[d]
        while left and i < first_D[d + 1]:
            if chars_W[i] <= 4:
                for s in range(stop_hashes.shape[0]):
                    for form in range(stop_hashes.shape[1]):
                        if hash_W[i] == stop_hashes[s, form] and not seen[s]:
                            seen[s] = True
                            left -= 1
            i += 1
        stop_words_D[d] = stop_hashes.shape[0] - left


@numba.njit(nogil=True, cache=True)
def _look_at_ends(data, begin_L, end_L, bullets, bullet_L, ellipsis_L):
    for line in range(begin_L.size):
        i, end = begin_L[line], end_L[line]
        while is_space(data[i]):
            i += 1
        while is_space(data[end - 1]):
            end -= 1
        bullet = bullets[data[i]]
        if data[i] == 0xE2 and i + 2 < end:  # • ‣ ▪ ● ◦ ⁃
            second, third = data[i + 1], data[i + 2]
            bullet = (second == 0x80 and (third == 0xA2 or third == 0xA3)) or (second == 0x81 and third == 0x83)
            bullet |= second == 0x96 and third == 0xAA
            bullet |= second == 0x97 and (third == 0x8F or third == 0xA6)
        bullet_L[line] = bullet
        ellipsis_L[line] = end - i >= 3 and _is_ellipsis(data, end - 3, end)
