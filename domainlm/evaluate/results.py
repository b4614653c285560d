"""From documents' and items' scores to one row a metric, with its sums and its 95% interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from domainlm.digest import seed_for
from domainlm.evaluate import store
from domainlm.evaluate.bootstrap import interval
from domainlm.records import EvalResult

CLEAN_ITEMS = "clean items"
"""The source of a row that counts only items that training text does not have."""


def metric_name(metric: str, filter_name: str) -> str:
    """What a metric is called: lm-eval's name, with the answer filter's where there is one.

    >>> metric_name("acc", "none"), metric_name("exact_match", "strict-match")
    ('acc', 'exact_match,strict-match')
    """
    return metric if filter_name == "none" else f"{metric},{filter_name}"


def of_documents(
    model: str, documents: Sequence[Mapping[str, Any]], num_samples: int, seed: int
) -> Iterator[EvalResult]:
    """Bits per byte, or the objective's own loss, of each domain and of each of its sources.

    They are in the order of the rows of `store.DOCUMENTS`.
    """
    groups: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    for document in documents:
        pair = store.measured(document)
        groups.setdefault((document["domain"], "", document["metric"]), []).append(pair)
        groups.setdefault((document["domain"], document["source"], document["metric"]), []).append(pair)
    for (domain, source, metric), pairs in groups.items():
        yield _result(model, domain, metric, source, metric, pairs, False, num_samples, seed)


def of_tasks(
    model: str, found: Mapping[str, Any], samples: Sequence[Mapping[str, Any]], num_samples: int, seed: int
) -> Iterator[EvalResult]:
    """Rows for each title and metric of lm-eval, from its results (`lm_eval.json`) and the rows of `store.SAMPLES`.

    The items of a title's tasks count alike, whichever task they are of. Where training text has some of them, a second
    row has CLEAN_ITEMS as its source: those that it does not have. A metric that no item has alone, such as F1, keeps
    lm-eval's value and has no interval; it is told of titles that are one task.
    """
    items: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for sample in samples:
        items.setdefault((sample["task"], sample["metric"]), []).append(sample)
    for title, suite in found["suites"].items():
        first = found["subtasks"][title][0]
        for key, value in sorted(found["results"][first].items()):
            name, comma, filter_name = key.partition(",")
            if not comma or name.endswith("_stderr"):
                continue
            better = found["higher_is_better"][first].get(name) is not False
            metric = metric_name(name, filter_name)
            if rows := items.get((title, metric)):
                clean = [row for row in rows if row["training_text"] in ("clean", "short")]
                for source, chosen in (("", rows), (CLEAN_ITEMS, clean if 0 < len(clean) < len(rows) else [])):
                    pairs = [(row["numerator"], row["denominator"]) for row in chosen]
                    if pairs:
                        yield _result(model, suite, title, source, metric, pairs, better, num_samples, seed)
            elif title == first:
                num_items = found["n-samples"][title]["effective"]
                yield _without_items(model, suite, title, metric, value, num_items, better)


def _without_items(
    model: str, suite: str, task: str, metric: str, value: float, num_items: int, higher_is_better: bool
) -> EvalResult:
    return EvalResult(
        model=model,
        suite=suite,
        task=task,
        source="",
        metric=metric,
        value=value,
        low=math.nan,
        high=math.nan,
        num_items=num_items,
        numerator=math.nan,
        denominator=num_items,
        higher_is_better=higher_is_better,
    )


def _result(
    model: str,
    suite: str,
    task: str,
    source: str,
    metric: str,
    pairs: Iterable[tuple[float, float]],
    higher_is_better: bool,
    num_samples: int,
    seed: int,
) -> EvalResult:
    numerators, denominators = np.array(list(pairs), dtype=np.float64).T
    numerator, denominator = float(numerators.sum()), float(denominators.sum())
    # Seeded by what is measured, not by whom: every model's interval is over the same resampled items.
    low, high = interval(numerators, denominators, num_samples, seed_for(seed, "interval", suite, task, source, metric))
    return EvalResult(
        model=model,
        suite=suite,
        task=task,
        source=source,
        metric=metric,
        value=numerator / denominator,
        low=low,
        high=high,
        num_items=len(numerators),
        numerator=numerator,
        denominator=denominator,
        higher_is_better=higher_is_better,
    )
