"""Mends text that was decoded by the wrong table, as when `don\u2019t` became `don\u00e2\u20ac\u2122t`.

Library: ftfy 6.3 (Speer), which needs no network. Only its mending of encodings is used: quotes, widths, ligatures and
line ends stay as `normalize` leaves them.
"""

from __future__ import annotations

import re
from collections import Counter

from domainlm.specs.spec import Spec

_ODD = re.compile("[^\\x00-\\x7f\u2018-\u201d\u2013\u2014\u2022\u00a7\u2026]")
"""Each chain of characters that ftfy mends holds more than ASCII and typographic quotes, dashes, bullets."""

_CONTROL = re.compile("[\\x00-\\x08\\n-\\x1f\\x7f-\\x9f]")


BEFORE_NORMALIZE = True
"""Half of what tells of such damage are control characters and wide spaces, of which `normalize` leaves none."""


class Options(Spec):
    """Nothing to choose."""


def edit(text: str, options: Options) -> tuple[str, Counter[str]]:
    """`text` with such characters as they were meant, and in how many lines.

    >>> edit("the bank\u00e2\u20ac\u2122s own", Options())
    ('the bank\u2019s own', Counter({'line': 1}))
    """
    if not _ODD.search(text):
        return text, Counter()
    lines = text.split("\n")
    num_mended = 0
    for i, line in enumerate(lines):
        if not line.isascii() and _ODD.search(line):
            lines[i] = _mended(line)
            num_mended += lines[i] != line
    return "\n".join(lines), Counter({"line": num_mended} if num_mended else {})


def _mended(line: str) -> str:
    """The line as ftfy leaves it for good; mended text is shorter, so that this ends."""
    import ftfy

    while (mended := ftfy.fix_encoding(line)) != line and len(mended) < len(line):
        # What decodes to a line feed or a control character was no text.
        if not set(_CONTROL.findall(mended)) <= set(_CONTROL.findall(line)):
            return line
        line = mended
    return line
