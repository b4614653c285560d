"""Drops lists, menus and pages of repeated lines. Source: FineWeb, Penedo et al., arXiv:2406.17557, section 3.6.

The share of line ends per word is not in the paper but in DataTrove's FineWebQualityFilter, as FineWeb was made with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numba
import numpy as np
import numpy.typing as npt
from pydantic import Field

from domainlm.corpus.filters import repetition
from domainlm.corpus.spans import TERMINAL, code_point, marks
from domainlm.corpus.texts import Texts, shares, sums
from domainlm.specs.spec import Share, Spec

_TERMINAL = np.uint8(TERMINAL)
_SHORT_CHARS = 30


class Options(Spec):
    """How much of a text may be lists and repeated lines; the defaults are the paper's.

    DataTrove's default for characters in duplicate lines is 0.01, a tenth of the paper's.
    """

    min_punctuated_line_share: Share = 0.12
    """Smallest share of lines that end with punctuation that ends a sentence."""
    max_short_line_share: Share = 0.67
    """Largest share of lines of 30 characters or fewer."""
    max_duplicate_line_char_share: Share = 0.1
    """Largest share of characters in lines that stood before."""
    max_newline_word_ratio: float = Field(default=0.3, ge=0)
    """Most line feeds per word."""


def scores(texts: Texts) -> dict[str, npt.NDArray[np.float32]]:
    """What Options bounds, by the same names; lines are those that are not empty."""
    lines = texts.lines
    num_lines_D = np.diff(lines.first_D)
    punctuated_L = np.empty(len(lines.end_L), np.bool_)
    _look_at_ends(texts.data, lines.end_L, marks(), punctuated_L)
    newlines_D = np.empty(len(texts), np.int64)
    _count_newlines(texts.offsets, texts.data, newlines_D)
    duplicates = repetition.duplicates(lines.hash_L, lines.chars_L, lines.first_D, "line")
    return {
        "punctuated_line_share": shares(sums(punctuated_L, lines.first_D), num_lines_D),
        "short_line_share": shares(sums(lines.chars_L <= _SHORT_CHARS, lines.first_D), num_lines_D),
        "duplicate_line_char_share": duplicates["duplicate_line_char_share"],
        "newline_word_ratio": shares(newlines_D, np.diff(texts.words.first_D)),
    }


def drops(
    scores: Mapping[str, npt.NDArray[np.float32]], options: Options
) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """The texts that each reason drops, in DataTrove's order."""
    few = scores["punctuated_line_share"] < options.min_punctuated_line_share
    yield "too few lines that end with punctuation", few
    yield "too many short lines", scores["short_line_share"] > options.max_short_line_share
    many = scores["duplicate_line_char_share"] > options.max_duplicate_line_char_share
    yield "characters in duplicate lines", many
    yield "too many line ends per word", scores["newline_word_ratio"] > options.max_newline_word_ratio


@numba.njit(nogil=True, cache=True)
def _look_at_ends(data, end_L, marks, punctuated_L):
    for line in range(end_L.size):
        i = end_L[line] - 1
        while (data[i] & 0xC0) == 0x80:
            i -= 1
        punctuated_L[line] = (marks[code_point(data, i)] & _TERMINAL) > 0


@numba.njit(nogil=True, cache=True)
def _count_newlines(offsets_D, data, newlines_D):
    for d in range(newlines_D.size):
        newlines = 0
        for i in range(offsets_D[d], offsets_D[d + 1]):
            newlines += data[i] == 10
        newlines_D[d] = newlines
