"""The scores of a model, metric by metric and item by item, in an order that two models share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domainlm.digest import seed_for
from domainlm.evaluate import store
from domainlm.evaluate.bootstrap import Floats
from domainlm.manifest import Manifest


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One metric of one model, item by item."""

    higher_is_better: bool
    items: tuple[str, ...]
    numerators: Floats
    denominators: Floats


Key = tuple[str, str, str, str]
"""suite, task, source, metric"""


def columns_of(evaluation: Manifest) -> dict[Key, Column]:
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


def interval_seed(seed: int, key: Key) -> int:
    """Seeded by what is compared, not by who: the same items are drawn for every pair."""
    return seed_for(seed, "compare", "interval", *key)
