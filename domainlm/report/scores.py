"""The evaluations of a run as one set of levels and paired differences, checked against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow.parquet as pq

from domainlm.errors import DataError
from domainlm.evaluate.suites import GENERAL, belongs
from domainlm.manifest import Manifest
from domainlm.records import EvalResult

BITS = "bits_per_byte"
Outcome = Literal["better", "worse", "unclear"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One measure of an adapted model against its base, on the same documents or items."""

    base: str
    adapted: str
    suite: str
    task: str
    source: str
    metric: str
    base_value: float
    adapted_value: float
    difference: float
    """adapted - base."""
    low: float
    """Lower end of the 95% interval of the paired difference."""
    high: float
    p_value: float
    p_holm: float
    """After Holm's correction over all that was compared of the two models."""
    significant: bool
    """Judged by p_holm."""
    num_items: int
    higher_is_better: bool

    @property
    def gain(self) -> float:
        """How much better the adapted model is, in the metric's unit; negative where it is worse."""
        return self.difference if self.higher_is_better else -self.difference

    @property
    def outcome(self) -> Outcome:
        if not self.significant:
            return "unclear"
        return "better" if self.gain > 0 else "worse"


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """What an adapted model won in a domain and lost in general against its base, with paired 95% intervals."""

    base: str
    adapted: str
    domain: str
    general: str
    gain: float
    """Positive where the adapted model is better."""
    gain_low: float
    gain_high: float
    gain_significant: bool
    forgetting: float
    """Positive where the adapted model is worse."""
    forgetting_low: float
    forgetting_high: float
    forgetting_significant: bool
    rate: float
    """gain / forgetting; infinite where nothing is lost."""
    rate_low: float
    rate_high: float
    """Infinite where the loss may be nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """What was measured: everything that the sentences, tables and pictures of the evaluation read."""

    models: tuple[str, ...]
    """In the order of the run spec."""
    domains: tuple[str, ...]
    """General domains first, then the others in the order of the run spec."""
    levels: tuple[EvalResult, ...]
    differences: tuple[Difference, ...]
    exchanges: tuple[Exchange, ...]
    token_ratio: Mapping[str, Mapping[str, float]]
    """Share of each domain in the mix that a model was trained on, by model."""
    failed_tasks: Mapping[str, Mapping[str, str]]
    """Cause by task by model, for tasks that could not be run."""

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """(base, adapted), in the order of the models."""
        found = {(d.base, d.adapted) for d in self.differences}
        return sorted(found, key=lambda pair: (self.models.index(pair[1]), self.models.index(pair[0])))

    @property
    def measures(self) -> list[tuple[str, str, str]]:
        """(suite, task, metric) of the measures of whole domains and tasks: bits per byte first, by domain."""
        bits = [(domain, BITS, BITS) for domain in self.domains]
        found = {(s.suite, s.task, s.metric) for s in self.levels if not s.source and s.task != BITS}
        return bits + sorted(found, key=lambda m: (_general_first(m[0]), m[1:]))

    def level(self, model: str, suite: str, task: str, metric: str, source: str = "") -> EvalResult | None:
        wanted = (model, suite, task, metric, source)
        return next((s for s in self.levels if (s.model, s.suite, s.task, s.metric, s.source) == wanted), None)

    def difference(self, adapted: str, suite: str, task: str, metric: str, base: str = "") -> Difference | None:
        """Of a whole domain or task; against `base`, or the first that `adapted` is compared with."""
        wanted = (adapted, suite, task, metric, "")
        same = (d for d in self.differences if (d.adapted, d.suite, d.task, d.metric, d.source) == wanted)
        return next((d for d in same if base in ("", d.base)), None)

    def general_share(self, model: str) -> float | None:
        """Share of general text in what a model was trained on; None where it was not trained in this run."""
        ratio = self.token_ratio.get(model)
        return None if ratio is None else sum(share for domain, share in ratio.items() if is_general(domain))

    def bits(self, base: str, adapted: str) -> list[Difference]:
        """Differences in bits per byte of whole domains, the domains adapted to before the general ones."""
        found = [self.difference(adapted, domain, BITS, BITS, base) for domain in self.domains]
        return sorted((d for d in found if d), key=lambda d: is_general(d.suite))


def is_general(domain: str) -> bool:
    """Whether a domain counts as general text, which an adaptation should not lose.

    >>> is_general("general"), is_general("general-web"), is_general("generalized-law")
    (True, True, False)
    """
    return belongs(domain, GENERAL)


def read_scores(
    run: Mapping[str, Any],
    evaluations: Mapping[str, Manifest],
    comparison: Manifest,
    mixes: Mapping[str, Manifest],
) -> Scores:
    """The scores in these manifests; DataError where levels and comparison disagree."""
    models = tuple(dict.fromkeys([*(name for name in run["models"] if name in evaluations), *evaluations]))
    levels = tuple(
        EvalResult(**(row | {"model": name}))
        for name in models
        for row in pq.read_table(evaluations[name].only("results")).to_pylist()
    )
    domains = {level.suite for level in levels if level.task == BITS}
    listed = [name for name in run["corpus"]["domains"] if name in domains]
    ordered = sorted(dict.fromkeys([*listed, *sorted(domains)]), key=_general_first)
    return Scores(
        models=models,
        domains=tuple(ordered),
        levels=levels,
        differences=_differences(comparison, levels),
        exchanges=tuple(
            Exchange(**{name: row[name] for name in Exchange.__dataclass_fields__})
            for row in pq.read_table(comparison.only("exchange")).to_pylist()
        ),
        token_ratio={name: mix.facts["token_ratio"] for name, mix in mixes.items()},
        failed_tasks={
            name: {f"{task['suite']}/{task['task']}": task["cause"] for task in missing}
            for name in models
            if (missing := evaluations[name].facts["missing"])
        },
    )


def _general_first(suite: str) -> bool:
    return not is_general(suite)


def _differences(comparison: Manifest, levels: Sequence[EvalResult]) -> tuple[Difference, ...]:
    known = {(s.model, s.suite, s.task, s.source, s.metric) for s in levels}
    found = []
    for row in pq.read_table(comparison.only("comparison")).to_pylist():
        measure = (row["suite"], row["task"], row["source"], row["metric"])
        if not {(row["base"], *measure), (row["adapted"], *measure)} <= known:
            raise DataError(f"the comparison of {row['base']} and {row['adapted']} has {measure}, no evaluation has")
        found.append(Difference(**{name: row[name] for name in Difference.__dataclass_fields__}))
    return tuple(found)
