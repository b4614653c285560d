"""Turns tables into lines that can be read, `header: value; header: value`, or takes them out.

What is a table is in `domainlm.corpus.tables`: pipes, Markdown's among them, tabs, and columns aligned by spaces as in
the SEC's text filings. A header is believed only by rows of the table's usual number of cells.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

import pyarrow as pa

from domainlm.corpus.tables import PIPES, RULE, kinds_of_lines
from domainlm.corpus.texts import Texts
from domainlm.specs.spec import Spec

_SIGNS = re.compile(r"\||\t|   |\.[ .]{2,}\.")
"""A text without any of these holds no table."""
_PIPE = re.compile(r"(?:^|(?<=\s))\|(?=\s|$)")
_GAP = re.compile(r"[ .]*\t[ .\t]*|[ .]*   [ .]*|[ ]*\.[ .]{2,}\.[ .]*")
_PART = re.compile(r"[$\u20ac\u00a3\u00a5(]+|[%)]+")
"""What belongs to the number behind or before it, though it stands in a column of its own."""
_NUMBER = re.compile(r"[^A-Za-z]*\d[^A-Za-z]*")
_YEAR = re.compile(r"(?:FY ?)?(?:19|20)\d\d")
_MAX_LINES_BETWEEN = 2


class Options(Spec):
    """What becomes of tables."""

    mode: Literal["keep", "flatten", "drop"] = "flatten"
    """`keep`: as they are; `flatten`: a line a row, `header: value` by `;`; `drop`: their rows go."""


def edit(text: str, options: Options) -> tuple[str, Counter[str]]:
    """`text` with its tables so, and how many there were.

    >>> edit("Sales | 2023 | 2022\\nNorth | 7 | 5\\nSouth | 9 | 8", Options())
    ('North; 2023: 7; 2022: 5\\nSouth; 2023: 9; 2022: 8', Counter({'table': 1}))
    """
    if options.mode == "keep" or not _SIGNS.search(text):
        return text, Counter()
    total: Counter[str] = Counter()
    while True:  # rows that a table stood between can make one
        edited, done = _once(text, options.mode)
        if edited == text:
            return text, total
        text, total = edited, total + done


def _once(text: str, mode: str) -> tuple[str, Counter[str]]:
    texts = Texts(pa.array([text], pa.large_string()))
    kind_L, table_L = kinds_of_lines(texts)
    num_tables = int(table_L.max(initial=0))
    if not num_tables:
        return text, Counter()
    marks = iter(zip(kind_L.tolist(), table_L.tolist(), strict=True))
    kept: list[str] = []
    rows: list[tuple[int, str]] = []
    header: list[str] = []
    open_table, lines_since = 0, 0
    for line in text.split("\n"):
        kind, table = next(marks) if line.strip(" \t\v\f\r") else (0, open_table)
        if rows and table != open_table:
            header = _write(rows, header, kept, mode)
            rows, lines_since = [], 0
            kept.append("")
        if table:
            if kind:
                rows.append((kind, line))
        else:
            lines_since += bool(kind or line.strip())
            header = header if lines_since <= _MAX_LINES_BETWEEN else []
            kept.append(line)
        open_table = table
    if rows:
        _write(rows, header, kept, mode)
    return "\n".join(kept), Counter(table=num_tables)


def _write(rows: Sequence[tuple[int, str]], header: list[str], kept: list[str], mode: str) -> list[str]:
    """Add the lines of a table to `kept`; its header, or the one that still holds for it."""
    if mode == "flatten":
        table = [cells for kind, line in rows if kind != RULE and (cells := _cells(kind, line))]
        if len(table) > 1 and _is_header(table[0]) and (_has_rule(rows) or _has_numbers(table[1:])):
            header, *table = table
            if not _usual_cells(table, header):
                kept.append("; ".join(filter(None, header)))
        usual_cells = _usual_cells(table, header)
        kept += [line for cells in table if (line := _flat(cells, header if len(cells) == usual_cells else []))]
    return header


def _cells(kind: int, line: str) -> list[str]:
    """What stands in the cells of a row: empty ones only of Markdown; elsewhere, a currency sign with its number."""
    line = line.strip()
    pieces = (_PIPE if kind == PIPES else _GAP).split(line)
    cells = [" ".join(_GAP.sub(" ", piece).replace("|", " ").split()) for piece in pieces]
    if kind == PIPES and len(cells) > 2 and not cells[0] and not cells[-1]:
        return cells[1:-1] if any(cells) else []
    return list(_joined(cells))


def _joined(pieces: Sequence[str]) -> Iterator[str]:
    before, cell = "", ""
    for piece in pieces:
        if not _PART.fullmatch(piece):
            if cell:
                yield cell
            cell, before = (before + piece, "") if piece else ("", before)
        elif piece[0] in "%)":
            cell += piece
        else:
            before += piece
    yield from filter(None, (cell, before))


def _is_header(cells: Sequence[str]) -> bool:
    """Whether the values are words or years."""
    return all(_YEAR.fullmatch(cell) or not any(map(str.isdigit, cell)) for cell in cells[1:]) and (
        len(cells) > 1 or bool(_YEAR.fullmatch(cells[0]))
    )


def _has_rule(rows: Sequence[tuple[int, str]]) -> bool:
    """Whether dashes stand below the first row, as in Markdown."""
    return len(rows) > 1 and rows[0][0] != RULE and rows[1][0] == RULE


def _has_numbers(table: Sequence[Sequence[str]]) -> bool:
    return any(_NUMBER.fullmatch(cell) for cells in table for cell in cells[1:])


def _usual_cells(table: Sequence[Sequence[str]], header: Sequence[str]) -> int:
    """Cells of most rows, where the header fits them, its first cell over the labels or not; else 0."""
    usual = max(Counter(map(len, table)).items(), key=lambda item: (item[1], item[0]), default=(0, 0))[0]
    return usual if usual > 1 and len(header) in (usual, usual - 1) else 0


def _flat(cells: Sequence[str], header: Sequence[str]) -> str:
    if not header:
        label, *values = filter(None, cells)
        if not values or label.endswith(":") or not any(map(str.isalpha, label)):
            return "; ".join([label, *values])
        named = len(values) == 1 or any(map(_NUMBER.fullmatch, values))
        return label + (": " if named else "; ") + "; ".join(values)
    names = header[len(header) - len(cells) + 1 :]
    pairs = (f"{name}: {value}" if name else value for name, value in zip(names, cells[1:], strict=True) if value)
    return "; ".join([*filter(None, cells[:1]), *pairs])
