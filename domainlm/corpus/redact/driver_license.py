"""Numbers that the text calls a driver's licence's: the formats of the states differ, so the label decides."""

from __future__ import annotations

import re
from collections.abc import Iterator

from domainlm.corpus.redact.labelled import labelled
from domainlm.corpus.redact.spots import Spots
from domainlm.specs.redact import DriverLicenseSpec

_LICENSE = re.compile(
    r"""(?ix) (?: (?:driver|operator)(?:['’]?s['’]?)? \s licen[cs]es? | driving \s licen[cs]e |
    (?<![\w<]) DL (?=\s?\#|\s?no\b|\s?num|:|\s(?-i:[A-Z])\d) )
    (?: ,? \s? (?:no\b\.?|number|num\b\.?|id\b|is|\#) )* [\s:.\#=("']{0,3} (?:is\s)?
    (?-i: (?P<value> [A-Z0-9][A-Z0-9*]* (?:[ -][A-Z0-9*]*\d[A-Z0-9*]*)* )) (?![\w-])"""
)
_MIN_DIGITS, _MIN_CHARS, _MAX_CHARS = 3, 7, 20


def find(text: str, places: Spots, options: DriverLicenseSpec) -> Iterator[tuple[int, int]]:
    """Spans of licence numbers, in characters."""
    for start, end in labelled(text, places.licenses, _LICENSE):
        chars = [char for char in text[start:end] if char not in " -"]
        if sum(map(str.isdigit, chars)) >= _MIN_DIGITS and _MIN_CHARS <= len(chars) <= _MAX_CHARS:
            yield start, end
