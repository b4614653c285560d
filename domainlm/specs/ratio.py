"""Shares by name that sum to 1, or say by how much they do not and what would."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import AfterValidator

from domainlm.specs.spec import Mistake, Name, Share


def _sums_to_one(ratio: dict[str, float]) -> dict[str, float]:
    total = math.fsum(ratio.values())
    if ratio and abs(total - 1) > 1e-6:
        got = f"shares that sum to {total:.6g}"
        raise Mistake("", got=got, want="shares that sum to 1", changes={"": scaled_to_one(ratio)})
    return ratio


def scaled_to_one(shares: dict[str, float], decimals: int = 4) -> dict[str, float]:
    """The shares in the same proportions, rounded to `decimals` and summing to 1 exactly.

    >>> scaled_to_one({"legal": 0.51, "general": 0.51})
    {'legal': 0.5, 'general': 0.5}
    >>> scaled_to_one({"a": 1.0, "b": 1.0, "c": 1.0})
    {'a': 0.3334, 'b': 0.3333, 'c': 0.3333}
    """
    total = math.fsum(shares.values())
    exact = {name: (share / total if total else 1 / len(shares)) * 10**decimals for name, share in shares.items()}
    # Largest remainder, so that nothing is lost to rounding.
    order = sorted(exact, key=lambda name: math.floor(exact[name]) - exact[name])
    spare = 10**decimals - sum(math.floor(share) for share in exact.values())
    return {name: (math.floor(exact[name]) + (name in order[:spare])) / 10**decimals for name in shares}


Ratio = Annotated[dict[Name, Share], AfterValidator(_sums_to_one)]
"""Shares that sum to 1; an empty one passes, where the field allows it."""
