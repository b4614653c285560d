"""Numbers that are what the text calls them: a label, what joins it to a number, the number."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_BEFORE_CHARS, _AFTER_CHARS = 40, 72


def labelled(text: str, labels: Iterable[tuple[int, int]], pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Spans of the group `value` of each match of `pattern` around each of `labels` (its end, the digit behind it)."""
    for end, _ in labels:
        for found in pattern.finditer(text, max(0, end - _BEFORE_CHARS), end + _AFTER_CHARS):
            yield found.span("value")
