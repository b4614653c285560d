"""Which lines are rows of tables: cells between pipes, tabs, wide gaps or dot leaders, in runs that a text has not.

Conservative, since justified prose has gaps as well: a run is a table where two rows have three or more cells between
pipes, or where at least half of its rows hold a number in a cell of its own. The rules are ours, read off SEC filings.
"""

# L lines
from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from domainlm.corpus.spans import is_space
from domainlm.corpus.texts import Texts

PIPES, GAPS, RULE = 1, 2, 3
"""Kinds of rows; a rule is a row of dashes or of SGML's tags for columns, which only goes along with others."""
_RULES = np.zeros(256, np.bool_)
_RULES[list(b"-=_|:+*~. \t")] = True


def kinds_of_lines(texts: Texts) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """(L,) Kind of row that each line of `texts.lines` looks like, or 0; and its table's number from 1, or 0."""
    lines = texts.lines
    kind_L, cells_L, numbers_L = np.empty((3, len(lines.begin_L)), np.uint8)
    _look(texts.data, lines.begin_L, lines.end_L, _RULES, kind_L, cells_L, numbers_L)
    table_L = np.zeros(len(lines.begin_L), np.int32)
    _join(lines.first_D, kind_L, cells_L, numbers_L, table_L)
    return kind_L, table_L


@numba.njit(nogil=True, cache=True, inline="always")
def _is_rule(data, begin, end, rules):
    """Rows of dashes, and SGML's `<TABLE>`, `<CAPTION>`, `<S> <C>`."""
    marks = 0
    for i in range(begin, end):
        marks += data[i] == 45 or data[i] == 61 or data[i] == 95
        if not rules[data[i]]:
            if data[begin] != 60 or data[end - 1] != 62:
                return False
            letters = 0
            for j in range(begin, end):
                inside = data[j] == 60 or data[j] == 62 or data[j] == 47 or is_space(data[j])
                letters = 0 if data[j] == 60 else letters + (not inside)
                if letters > 7 or (not inside and not 65 <= data[j] <= 90):
                    return False
            return True
    return marks >= 3


@numba.njit(nogil=True, cache=True)
def _look(data, begin_L, end_L, rules, kind_L, cells_L, numbers_L):
    for line in range(begin_L.size):
        begin, end = begin_L[line], end_L[line]
        while is_space(data[begin]):
            begin += 1
        while is_space(data[end - 1]):
            end -= 1
        pipes, gaps, numbers, digits, letters, cells = 0, 0, 0, 0, 0, 1
        i = begin
        while i < end:
            byte = data[i]
            first = i
            separates = False
            if byte == 124 and (i == begin or is_space(data[i - 1])) and (i + 1 == end or is_space(data[i + 1])):
                pipes += 1
                separates = True
                i += 1
            elif byte == 32 or byte == 9 or byte == 46:
                tabs, dots, blanks, most_blanks = 0, 0, 0, 0
                while i < end and (data[i] == 32 or data[i] == 9 or data[i] == 46):
                    tabs += data[i] == 9
                    dots += data[i] == 46
                    blanks = blanks + 1 if data[i] == 32 else 0
                    most_blanks = max(most_blanks, blanks)
                    i += 1
                separates = (tabs > 0 or most_blanks >= 3 or dots >= 4) and first > begin and i < end
                gaps += separates and data[i] != 124 and data[first - 1] != 124
            else:
                digits += 48 <= byte <= 57
                letters += 65 <= byte <= 90 or 97 <= byte <= 122 or (byte >= 0xC3 and byte != 0xE2)
                i += 1
            if separates or i >= end:
                if cells > 1 and digits and not letters:
                    numbers += 1
                if separates:
                    cells += digits + letters > 0
                    digits, letters = 0, 0
        kind = np.uint8(0)
        if _is_rule(data, begin, end, rules):
            kind = np.uint8(RULE)
        elif pipes:
            kind = np.uint8(PIPES)
        elif gaps:
            kind = np.uint8(GAPS)
        kind_L[line], cells_L[line], numbers_L[line] = kind, min(cells, 255), min(numbers, 255)


@numba.njit(nogil=True, cache=True)
def _join(first_D, kind_L, cells_L, numbers_L, table_L):
    for d in range(first_D.size - 1):
        table = 0
        i, end = first_D[d], first_D[d + 1]
        while i < end:
            first = i
            kind = np.uint8(0)
            rows, wide, with_number = 0, 0, 0
            while i < end and kind_L[i] and (kind_L[i] == RULE or not kind or kind_L[i] == kind):
                if kind_L[i] != RULE:
                    kind = kind_L[i]
                    rows += 1
                    wide += cells_L[i] > 2
                    with_number += numbers_L[i] > 0
                i += 1
            half = 2 * with_number >= rows
            if (kind == PIPES and rows >= 2 and (wide >= 2 or half)) or (kind == GAPS and rows >= 3 and half):
                table += 1
                table_L[first:i] = table
            i = max(i, first + 1)
