"""Whether a model may be deployed: its domain gained, and general text lost no more than is tolerated.

Gain is a test of superiority, loss one of non-inferiority (Piaggio et al., JAMA 308, 2012): the whole 95% paired
interval lies on the right side of a bound that was stated before. So "no significant loss" is not enough: few documents
have wide intervals, and do not pass. What was not measured is not held.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from domainlm.evaluate.suites import GENERAL, belongs
from domainlm.specs.project import Run
from domainlm.specs.run import GateSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that a gate asks of a model."""

    model: str
    base: str
    domain: str
    """The domain of the run; `general` where none of its domains is general."""
    asks: Literal["gain", "no loss"]
    value: float
    """Bits per byte gained, or lost; NaN where it was not measured."""
    low: float
    """Lower end of its 95% paired bootstrap interval."""
    high: float
    bound: float
    """The interval lies above it (gain), or below it (loss)."""

    @property
    def passed(self) -> bool:
        return self.low > self.bound if self.asks == "gain" else self.high < self.bound

    def __str__(self) -> str:
        """The check as a sentence.

        >>> print(Check(model="a", base="b", domain="law", asks="gain", value=0.2, low=0.1, high=0.3, bound=0))
        held: a gains 0.2000 bits per byte on law against b (95%: 0.1000 to 0.3000), and the interval must be above 0
        """
        verdict = "held" if self.passed else "not held"
        verb, side = ("gains", "above") if self.asks == "gain" else ("loses", "below")
        if math.isnan(self.value):
            return f"{verdict}: what {self.model} {verb} on {self.domain} against {self.base} was not measured"
        return (
            f"{verdict}: {self.model} {verb} {self.value:.4f} bits per byte on {self.domain} against {self.base} "
            f"(95%: {self.low:.4f} to {self.high:.4f}), and the interval must be {side} {self.bound:g}"
        )


def checks(
    run: Run, bases: Mapping[str, str], comparison: Sequence[Mapping[str, Any]], tolerance: float | None = None
) -> list[Check]:
    """All that the gate of a run asks of the models of `bases`, which go by the model adapted.

    A run whose spec has no gate is judged by the gate's defaults; `tolerance`, where given, stands for the spec's.
    """
    asked = run.spec.gate or GateSpec()
    bound = asked.tolerance if tolerance is None else tolerance
    return [
        check
        for model, base in bases.items()
        for check in judge(
            comparison, base=base, model=model, domains=asked.domains or _learnt(run, model), tolerance=bound
        )
    ]


def _learnt(run: Run, model: str) -> list[str]:
    """The domains that a model was trained on, but for general ones; of one that was not, all that there are."""
    name = run.spec.models[model].mix
    mix = None if name is None else run.mixes[name]
    learnt = set(run.domains) if mix is None else mix.taken_from(run.domains)
    return [domain for domain in run.domains if domain in learnt and not belongs(domain, GENERAL)]


def judge(
    comparison: Sequence[Mapping[str, Any]], *, base: str, model: str, domains: Collection[str], tolerance: float
) -> list[Check]:
    """The checks of one model: a gain on each of `domains`, and no loss on each general domain that was measured.

    `comparison`: rows of `store.COMPARISON`. `tolerance`: bits per byte. Never empty: a run without a domain to gain
    in, or without general text, has a check that is not held.
    """
    gains = {
        row["suite"]: (0.0 - row["difference"], 0.0 - row["high"], 0.0 - row["low"])
        for row in comparison
        if (row["base"], row["adapted"], row["source"]) == (base, model, "") and row["task"] == row["metric"]
    }
    nothing = (math.nan, math.nan, math.nan)
    checks = []
    for domain in list(domains) or ["its domain"]:
        value, low, high = gains.get(domain, nothing)
        place = {"model": model, "base": base, "domain": domain}
        checks.append(Check(**place, asks="gain", value=value, low=low, high=high, bound=0.0))
    for domain in [d for d in gains if belongs(d, GENERAL)] or [GENERAL]:
        value, low, high = gains.get(domain, nothing)
        place = {"model": model, "base": base, "domain": domain}
        lost = {"value": 0.0 - value, "low": 0.0 - high, "high": 0.0 - low}
        checks.append(Check(**place, **lost, asks="no loss", bound=tolerance))
    return checks
