"""Numbers that the text calls a medical record's, a chart's, a hospital's, a patient's; the NHS's, with check digit."""

from __future__ import annotations

import re
from collections.abc import Iterator

from domainlm.corpus.redact.labelled import labelled
from domainlm.corpus.redact.spots import Spots
from domainlm.specs.redact import MedicalRecordSpec

_JOIN = r"""[\s:.\#=()"'–-]{0,6}(?:(?:is|was|of)\s)?"""
_NUMBER = r"\s?(?:no\b\.?|nos\b\.?|number|numbers|num\b\.?|nr\b\.?|id\b|identifier|identification(?:\snumber)?|\#)"
_RECORD = re.compile(
    rf"""(?ix) (?<![\w<]) (?:
      (?: mrn | m\.r\.n\. | urn ) (?:{_NUMBER})? |
      (?: med(?:ical)?\.? \s rec(?:ord)?s?\b\.? | (?:hospital|unit|health|clinic|patient) \s record | chart |
    hospital | patient ) (?:{_NUMBER})
    ) {_JOIN} (?-i:(?P<value> (?:[A-Z]{{1,4}}-?)? \d (?:[A-Z0-9]|-(?=[A-Z0-9])){{3,19}} )) (?![\w-])"""
)
_NHS = re.compile(rf"(?i)\bNHS(?:{_NUMBER})?{_JOIN}(?P<value>\d{{3}}[ -]?\d{{3}}[ -]?\d{{4}})(?![\w-])")
_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}-\d{1,2}-(?:19|20)\d\d")
_MIN_DIGITS, _MIN_CHART_DIGITS = 4, 5
_CHART = re.compile(r"(?i)(?:chart|patient|hospital)[\s\w.#]{0,24}\Z")
"""Sea charts have numbers of four digits."""


def find(text: str, places: Spots, options: MedicalRecordSpec) -> Iterator[tuple[int, int]]:
    """Spans of record numbers, in characters, the label left where it is."""
    for start, end in labelled(text, places.records, _RECORD):
        value = text[start:end]
        least = _MIN_CHART_DIGITS if _CHART.search(text, max(0, start - 40), start) else _MIN_DIGITS
        if sum(map(str.isdigit, value)) >= least and not _DATE.fullmatch(value):
            yield start, end
    for start, end in labelled(text, places.records, _NHS):
        if has_nhs_check_digit(text[start:end]):
            yield start, end


def has_nhs_check_digit(number: str) -> bool:
    """Whether the last of ten digits is 11 less the remainder of the weighted others modulo 11 (NHS Data Dictionary).

    >>> has_nhs_check_digit("943 476 5919"), has_nhs_check_digit("943 476 5918")
    (True, False)
    """
    digits = [int(char) for char in number if char.isdigit()]
    return len(digits) == 10 and sum(d * (10 - i) for i, d in enumerate(digits[:9])) % 11 == (11 - digits[9]) % 11
