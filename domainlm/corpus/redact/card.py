"""Payment card numbers: an issuer's prefix and length, and Luhn's check digit (ISO/IEC 7812-1, annex B)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from domainlm.corpus.redact.context import before, names_another_number
from domainlm.corpus.redact.spots import Spots
from domainlm.specs.redact import CardSpec

_NUMBER = re.compile(
    r"(?<![\w.+-])(?<!\d )(?:\d{4}(?P<s>[ -])\d{4}(?P=s)\d{4}(?P=s)\d{1,4}(?:(?P=s)\d{3})?|"
    r"\d{4}(?P<t>[ -])\d{6}(?P=t)\d{4,5}|"
    r"\d{13,19})(?![\w-])(?! \d{4}\b)(?!\.\d)"
)
_ISSUERS = (
    ("Visa", r"4", (13, 16, 19)),
    ("Mastercard", r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", (16,)),
    ("American Express", r"3[47]", (15,)),
    ("Discover", r"6011|64[4-9]|65", (16, 19)),
    ("Diners Club", r"30[0-5]|3095|36|3[89]", (14, 16)),
    ("JCB", r"35(?:2[89]|[3-8])", (16, 19)),
    ("UnionPay", r"62|81", (16, 19)),
    ("Maestro", r"50|5[6-8]|6304|6759|676[1-3]", (16, 19)),
)
"""Prefix and lengths by issuer. Source: the issuers' public ranges as Wikipedia's table of 2024 gives them."""
_PREFIXES = [(re.compile(prefix), lengths) for _, prefix, lengths in _ISSUERS]
_CARD = re.compile(
    r"(?i)card|visa|amex|american express|master ?card|maestro|diners|"
    r"discover|jcb|\bpan\b|charge|credit|debit"
)
_PLAIN_LENGTH = (15, 16)
"""Others, of which one in ten article numbers of that prefix has the check digit, need a card's name before them."""


def find(text: str, places: Spots, options: CardSpec) -> Iterator[tuple[int, int]]:
    """Spans of card numbers, together or in groups by spaces or hyphens, in characters."""
    for start, end in places.numbers:
        if end - start < 13:
            continue
        for found in _NUMBER.finditer(text, start, end):
            digits = re.sub(r"\D", "", found[0])
            if not (_has_issuer(digits) and has_check_digit(digits)):
                continue
            by_name = bool(_CARD.search(before(text, found.start())))
            if by_name or (len(digits) in _PLAIN_LENGTH and not names_another_number(text, found.start())):
                yield found.span()


def _has_issuer(digits: str) -> bool:
    return any(len(digits) in lengths and prefix.match(digits) for prefix, lengths in _PREFIXES)


def has_check_digit(digits: str) -> bool:
    """Whether the digits, every second from the right doubled, sum to a multiple of ten (Luhn); not for zeros alone.

    >>> has_check_digit("4242424242424242"), has_check_digit("4242424242424241")
    (True, False)
    """
    total = sum(sum(divmod(int(digit) * (1 + place % 2), 10)) for place, digit in enumerate(reversed(digits)))
    return total > 0 and total % 10 == 0
