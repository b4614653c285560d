"""Passport numbers of the United States, where the text calls them so: nine digits, or a letter and eight."""

from __future__ import annotations

import re
from collections.abc import Iterator

from domainlm.corpus.redact.labelled import labelled
from domainlm.corpus.redact.spots import Spots
from domainlm.specs.redact import PassportSpec

_PASSPORT = re.compile(
    r"(?i)\bpassport(?: (?:card|book))?(?:,| \()? ?(?:no\b\.?|number|num\b\.?|#)[^\d\n]{0,28}?(?<![\w-])"
    r"(?-i:(?P<value>[A-Z]\d{8}|\d{9}))(?![\w-])"
)
_BEHIND = re.compile(r"(?<![\w-])(?P<value>[A-Z]\d{8}|\d{9}) ?\((?:U\.?S\.? )?passport (?:no\.?|number)\)")


def find(text: str, places: Spots, options: PassportSpec) -> Iterator[tuple[int, int]]:
    """Spans of passport numbers, in characters."""
    yield from labelled(text, places.passports, _PASSPORT)
    for start, end in places.numbers:
        yield from (found.span("value") for found in _BEHIND.finditer(text, max(0, start - 1), end + 24))
