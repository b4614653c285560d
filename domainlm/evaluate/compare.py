"""Base against adapted on the same documents and the same items: paired, so that a small true difference is seen.

For each pair, each domain and source of bits per byte and each task and metric is a row. The p-values are corrected by
Holm's method over all rows of the pair. What is not significant after that is called so, whatever its interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from domainlm.digest import seed_for
from domainlm.errors import DataError
from domainlm.evaluate import store
from domainlm.evaluate.bootstrap import Floats, holm, paired_interval, sign_flip_p_value
from domainlm.evaluate.suites import verdict
from domainlm.manifest import Made, Manifest, shard_of
from domainlm.progress import tell
from domainlm.specs.run import EvaluateSpec

ALPHA = 0.05
FLIPS_PER_ROW = 100
"""Sign flips are at least so many times the rows of a pair: the least p-value, times the rows, stays below 1 / 100."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One metric of one model, item by item."""

    higher_is_better: bool
    items: tuple[str, ...]
    numerators: Floats
    denominators: Floats


Key = tuple[str, str, str, str]
"""suite, task, source, metric"""


def compare(
    spec: EvaluateSpec,
    *,
    pairs: Sequence[tuple[str, str]],
    evaluations: Mapping[str, Manifest],
    folder: Path,
    seed: int,
) -> Made:
    """`comparison.parquet`: a row for each pair and each metric that both models have.

    Raises DataError where two models were scored on different documents or items.
    """
    columns = {name: _columns(evaluations[name]) for pair in pairs for name in pair}
    rows: list[dict[str, Any]] = []
    one_sided = {}
    for number, (base, adapted) in enumerate(pairs):
        left, right = columns[base], columns[adapted]
        rows += _pair(spec, base, left, adapted, right, seed)
        missing = sorted("/".join(filter(None, key)) for key in left.keys() ^ right.keys())
        if missing:
            one_sided[f"{base} : {adapted}"] = missing
        tell("compare", number + 1, len(pairs), "pairs")
    path = folder / "comparison.parquet"
    store.write(path, rows, store.COMPARISON)
    return Made(
        shards=(shard_of(path, folder, "comparison", num_docs=len(rows)),),
        counts={"rows": len(rows), "significant": sum(row["significant"] for row in rows)},
        facts={"alpha": ALPHA, "correction": "holm", "in_one_model_only": one_sided},
    )


def _columns(evaluation: Manifest) -> dict[Key, Column]:
    """All metrics of a model, by key, item by item, items sorted by name."""
    sums: dict[Key, list[tuple[str, float, float]]] = {}
    for row in store.read(evaluation.only("documents")):
        metric, pair = row["metric"], store.measured(row)
        whole, part = (row["domain"], metric, "", metric), (row["domain"], metric, row["source"], metric)
        sums.setdefault(whole, []).append((f"{row['source']}/{row['id']}", *pair))
        sums.setdefault(part, []).append((row["id"], *pair))
    for row in store.read(evaluation.only("samples")):
        sums.setdefault((row["suite"], row["task"], "", row["metric"]), []).append(
            (row["item"], row["numerator"], row["denominator"])
        )
    better = {
        (result.suite, result.task, result.source, result.metric): result.higher_is_better
        for result in store.read_results(evaluation.only("results"))
    }
    return {key: _column(sorted(items, key=lambda item: item[0]), better[key]) for key, items in sums.items()}


def _column(items: Sequence[tuple[str, float, float]], higher_is_better: bool) -> Column:
    names, numerators, denominators = zip(*items, strict=True)
    return Column(
        higher_is_better=higher_is_better,
        items=names,
        numerators=np.array(numerators, dtype=np.float64),
        denominators=np.array(denominators, dtype=np.float64),
    )


def _pair(
    spec: EvaluateSpec, base: str, left: Mapping[Key, Column], adapted: str, right: Mapping[Key, Column], seed: int
) -> list[dict[str, Any]]:
    keys = [key for key in left if key in right]
    num_flips = max(spec.bootstrap_samples, FLIPS_PER_ROW * len(keys))
    rows: list[dict[str, Any]] = []
    for key in keys:
        suite, task, source, metric = key
        place = {"base": base, "adapted": adapted, "suite": suite, "task": task, "source": source, "metric": metric}
        rows.append(place | _difference(key, left[key], right[key], spec.bootstrap_samples, num_flips, seed))
    for row, p_holm in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        significant = p_holm < ALPHA
        gain = row["difference"] if row["higher_is_better"] else -row["difference"]
        row |= {"p_holm": p_holm, "significant": significant, "verdict": verdict(row["suite"], gain, significant)}
    return rows


def _difference(key: Key, left: Column, right: Column, num_samples: int, num_flips: int, seed: int) -> dict[str, Any]:
    if left.items != right.items or not np.array_equal(left.denominators, right.denominators):
        raise DataError(f"{'/'.join(filter(None, key))}: the two models were not scored on the same documents or items")
    # Seeded by what is compared, not by who: the same items are drawn for every pair.
    interval_seed, flip_seed = (seed_for(seed, "compare", purpose, *key) for purpose in ("interval", "flip"))
    low, high = paired_interval(left.numerators, right.numerators, left.denominators, num_samples, interval_seed)
    total = left.denominators.sum()
    differences = right.numerators - left.numerators
    return {
        "base_value": float(left.numerators.sum() / total),
        "adapted_value": float(right.numerators.sum() / total),
        "difference": float(differences.sum() / total),
        "low": low,
        "high": high,
        "p_value": sign_flip_p_value(differences, num_flips, flip_seed),
        "num_items": len(left.items),
        "higher_is_better": left.higher_is_better,
    }
