"""Amounts as people write them: `2.5B` tokens, `64 MiB`."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

_SCALES = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "T": 10**12}
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_AMOUNT = re.compile(r"(\d[\d_,]*(?:\.\d+)?)\s*(Ki|Mi|Gi|Ti|[kKMGBT]?)\s*(?:tokens|bytes|B)?")


def amount(value: Any) -> Any:
    """A whole number from `2.5B`, `300k`, `1_000` or `64 MiB`; what is no amount comes back as it was.

    >>> amount("2.5B"), amount("300k"), amount("64 MiB"), amount(7)
    (2500000000, 300000, 67108864, 7)
    >>> amount("1.5")
    '1.5'
    """
    if not isinstance(value, str):
        return value
    match = _AMOUNT.fullmatch(value.strip())
    if match is None:
        return value
    digits, suffix = match.groups()
    whole, _, fraction = digits.replace("_", "").replace(",", "").partition(".")
    scale = _SCALES.get(suffix) or _BINARY[suffix]
    numerator = int(whole + fraction) * scale
    return value if numerator % 10 ** len(fraction) else numerator // 10 ** len(fraction)


_AMOUNT_SCHEMA = WithJsonSchema(
    {
        "anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "pattern": r"^\d[\d_,]*(\.\d+)?\s*(Ki|Mi|Gi|Ti|[kKMGBT]?)\s*(tokens|bytes|B)?$"},
        ]
    }
)

Amount = Annotated[int, BeforeValidator(amount), Field(ge=1), _AMOUNT_SCHEMA]
"""A positive whole number; in YAML also `300k`, `2.5B` (10^9) or `64 MiB`."""
