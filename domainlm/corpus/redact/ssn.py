"""Social security numbers: no area 000, 666 or 9xx, no group 00, no serial 0000 (SSA, POMS RM 10201.035)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from domainlm.corpus.redact.context import before, names_another_number
from domainlm.corpus.redact.spots import Spots
from domainlm.specs.redact import SsnSpec

_NUMBER = re.compile(r"(?<![\w.+/-])(?<!\d )(\d{3})([-\u2010-\u2013 ]?)(\d{2})\2(\d{4})(?![\w/-])(?!\.\d)(?! \d)")
_SSN = re.compile(
    r"(?i)(?:\bs\.? ?s\.? ?n\b|\bSS ?#|\bs\. ?s\. no|\bsoc(?:ial)?\.? ?sec(?:urity)?\b|\bsocial\b|"
    r"\btaxpayer|\bT\.?I\.?N\b)"
    r"[^\d\n]{0,48}\Z"
)
_ITIN = re.compile(r"(?i)\b(?:I?TIN|individual taxpayer)\b[^\d\n]{0,32}\Z")
_ITIN_GROUPS = frozenset([*range(50, 66), *range(70, 89), *range(90, 93), *range(94, 100)])
"""Source: IRS, IRM 3.21.263."""


def find(text: str, places: Spots, options: SsnSpec) -> Iterator[tuple[int, int]]:
    """Spans of numbers, in characters: with hyphens wherever no other number is named, else where the text says SSN."""
    for start, end in places.numbers:
        if end - start < 9:
            continue
        for found in _NUMBER.finditer(text, start, end):
            area, mark, group, serial = found.groups()
            words = before(text, found.start())
            if group == "00" or serial == "0000":
                continue
            if area[0] == "9":
                is_one = int(group) in _ITIN_GROUPS and bool(_ITIN.search(words))
            elif area in ("000", "666"):
                is_one = False
            elif mark and mark != " ":
                is_one = not names_another_number(text, found.start())
            else:
                is_one = bool(_SSN.search(words))
            if is_one:
                yield found.span()
