"""What an adaptation won in a domain, what it lost in general, and how much of the one it paid for the other.

Gain and forgetting are paired differences, and the rate's interval resamples both: from different documents, so each
with draws of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from domainlm.evaluate.bootstrap import Floats, rate_interval, ratios
from domainlm.evaluate.columns import Column, Key, interval_seed
from domainlm.evaluate.suites import GENERAL, belongs


def exchanges(
    compared: Sequence[Mapping[str, Any]],
    left: Mapping[Key, Column],
    right: Mapping[Key, Column],
    num_samples: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Rows of `store.EXCHANGE` for one pair of models, from its rows of `store.COMPARISON`."""
    whole = [row for row in compared if row["task"] == row["metric"] and not row["source"]]
    general = [row for row in whole if belongs(row["suite"], GENERAL)]

    def worse(row: Mapping[str, Any]) -> Floats:
        key: Key = (row["suite"], row["task"], row["source"], row["metric"])
        lost = right[key].numerators - left[key].numerators
        return ratios(lost, left[key].denominators, num_samples, interval_seed(seed, key))

    return [
        _exchange(won, lost, rate_interval(-worse(won), worse(lost)))
        for won in whole
        for lost in general
        if won not in general and won["metric"] == lost["metric"]
    ]


def _exchange(won: Mapping[str, Any], lost: Mapping[str, Any], rate: tuple[float, float]) -> dict[str, Any]:
    gain, forgetting = 0.0 - won["difference"], lost["difference"]
    return {
        "base": won["base"],
        "adapted": won["adapted"],
        "domain": won["suite"],
        "general": lost["suite"],
        "metric": won["metric"],
        "gain": gain,
        "gain_low": 0.0 - won["high"],
        "gain_high": 0.0 - won["low"],
        "gain_significant": won["significant"],
        "forgetting": forgetting,
        "forgetting_low": lost["low"],
        "forgetting_high": lost["high"],
        "forgetting_significant": lost["significant"],
        "rate": gain / forgetting if forgetting > 0 else math.copysign(math.inf, gain),
        "rate_low": rate[0],
        "rate_high": rate[1],
    }
