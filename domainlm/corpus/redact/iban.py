"""International bank account numbers: the length of their country and the remainder 1 modulo 97 (ISO 13616-1)."""

from __future__ import annotations

from collections.abc import Iterator

from domainlm.corpus.redact.spots import Spots
from domainlm.specs.redact import IbanSpec

_REGISTRY = """
    AD:24 AE:23 AL:28 AT:20 AZ:28 BA:20 BE:16 BG:22 BH:22 BI:27 BR:29 BY:28 CH:21 CR:22 CY:28 CZ:24
    DE:22 DJ:27 DK:18 DO:28 EE:20 EG:29 ES:24 FI:18 FK:18 FO:18 FR:27 GB:22 GE:22 GI:23 GL:18 GR:27
    GT:28 HN:28 HR:21 HU:28 IE:22 IL:23 IQ:23 IS:26 IT:27 JO:30 KW:30 KZ:20 LB:28 LC:32 LI:21 LT:20
    LU:20 LV:21 LY:25 MC:27 MD:24 ME:22 MK:19 MN:20 MR:27 MT:31 MU:30 NI:28 NL:18 NO:15 OM:23 PK:24
    PL:28 PS:29 PT:25 QA:29 RO:24 RS:22 RU:33 SA:24 SC:31 SD:18 SE:24 SI:19 SK:24 SM:27 SO:23 ST:25
    SV:28 TL:23 TN:24 TR:26 UA:29 VA:22 VG:24 XK:20 YE:30
"""
LENGTHS = {word[:2]: int(word[3:]) for word in _REGISTRY.split()}
"""Characters by country. Source: SWIFT's IBAN registry, release 99 (2024)."""


def find(text: str, places: Spots, options: IbanSpec) -> Iterator[tuple[int, int]]:
    """Spans of account numbers, written together or with single spaces or hyphens, in characters."""
    for start, _ in places.ibans:
        length = LENGTHS.get(text[start : start + 2])
        end = _end(text, start, length) if length else None
        if end is not None and is_valid(text[start:end]):
            yield start, end


def _end(text: str, start: int, num_chars: int) -> int | None:
    """Where `num_chars` capitals and digits from `start` on end, single separators apart; None where they do not."""
    seen, at = 0, start
    while at < len(text) and seen < num_chars:
        char = text[at]
        if char.isascii() and (char.isdigit() or char.isupper()):
            seen += 1
        elif char not in " -\u00a0\u202f" or text[at - 1] in " -\u00a0\u202f":
            return None
        at += 1
    return at if seen == num_chars and not text[at : at + 1].isalnum() else None


def is_valid(iban: str) -> bool:
    """Whether its letters (A = 10) and digits, the first four put last, leave 1 modulo 97.

    >>> is_valid("GB82 WEST 1234 5698 7654 32"), is_valid("GB82 WEST 1234 5698 7654 33")
    (True, False)
    """
    chars = [char for char in iban if char.isalnum()]
    return int("".join(str(int(char, 36)) for char in chars[4:] + chars[:4])) % 97 == 1
