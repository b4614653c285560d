"""Base against adapted on the same documents and the same items: paired, so that a small true difference is seen.

For each pair, each domain and source of bits per byte and each task and metric is a row. The p-values are corrected by
Holm's method over all rows of the pair. What is not significant after that is called so, whatever its interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from domainlm.digest import seed_for
from domainlm.errors import DataError
from domainlm.evaluate import store
from domainlm.evaluate.bootstrap import Floats, holm, mcnemar_p_value, paired_interval, sign_flip_p_value
from domainlm.evaluate.columns import Column, Key, columns_of, interval_seed
from domainlm.evaluate.exchange import exchanges
from domainlm.evaluate.suites import verdict
from domainlm.manifest import Made, Manifest, shard_of
from domainlm.progress import tell
from domainlm.specs.run import EvaluateSpec

ALPHA = 0.05
FLIPS_PER_ROW = 100
"""Sign flips are at least so many times the rows of a pair: the least p-value, times the rows, stays below 1 / 100."""


def compare(
    spec: EvaluateSpec,
    *,
    pairs: Sequence[tuple[str, str]],
    evaluations: Mapping[str, Manifest],
    folder: Path,
    seed: int,
) -> Made:
    """`comparison.parquet`: a row for each pair and each metric that both models have; `exchange.parquet`: what each
    pair won in a domain, lost in general, and won for each bit lost.

    Raises DataError where two models were scored on different documents or items.
    """
    names = dict.fromkeys(name for pair in pairs for name in pair)
    columns = {name: columns_of(evaluations[name]) for name in names}
    rows: list[dict[str, Any]] = []
    exchanged: list[dict[str, Any]] = []
    one_sided = {}
    for number, (base, adapted) in enumerate(pairs):
        left, right = columns[base], columns[adapted]
        compared = _pair(spec, base, left, adapted, right, seed)
        exchanged += exchanges(compared, left, right, spec.bootstrap_samples, seed)
        rows += compared
        missing = sorted("/".join(filter(None, key)) for key in left.keys() ^ right.keys())
        if missing:
            one_sided[f"{base} : {adapted}"] = missing
        tell("compare", number + 1, len(pairs), "pairs")
    path, exchange = folder / "comparison.parquet", folder / "exchange.parquet"
    store.write(path, rows, store.COMPARISON)
    store.write(exchange, exchanged, store.EXCHANGE)
    return Made(
        shards=(
            shard_of(path, folder, "comparison", num_docs=len(rows)),
            shard_of(exchange, folder, "exchange", num_docs=len(exchanged)),
        ),
        counts={"rows": len(rows), "significant": sum(row["significant"] for row in rows)},
        facts={"alpha": ALPHA, "correction": "holm", "in_one_model_only": one_sided},
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
    drawn = interval_seed(seed, key)
    low, high = paired_interval(left.numerators, right.numerators, left.denominators, num_samples, drawn)
    total = left.denominators.sum()
    differences = right.numerators - left.numerators
    test, p_value = _test(differences, left.denominators, num_flips, seed_for(seed, "compare", "flip", *key))
    return {
        "base_value": float(left.numerators.sum() / total),
        "adapted_value": float(right.numerators.sum() / total),
        "difference": float(differences.sum() / total),
        "low": low,
        "high": high,
        "p_value": p_value,
        "test": test,
        "num_items": len(left.items),
        "higher_is_better": left.higher_is_better,
    }


def _test(differences: Floats, denominators: Floats, num_flips: int, seed: int) -> tuple[str, float]:
    if np.isin(differences, (-1, 0, 1)).all() and (denominators == 1).all():
        return "mcnemar", mcnemar_p_value(int((differences < 0).sum()), int((differences > 0).sum()))
    return "sign_flip", sign_flip_p_value(differences, num_flips, seed)
