"""lm-eval's logged samples as rows that re-aggregate: a numerator and a denominator for each item and metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from domainlm.evaluate.benchmarks import item_name
from domainlm.evaluate.results import metric_name
from domainlm.evaluate.said import said
from domainlm.specs.tasks import Task

UNKNOWN = "unknown"
"""Of an item: nobody has compared it with training text."""


def sample_rows(task: Task, samples: Sequence[Mapping[str, Any]], totals: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of `store.SAMPLES`, for the metrics whose total is the ratio of their items' sums (which F1's is not).

    An item is called by its `id` where the ids are unique, else by its place in the task.
    """
    names = [str(sample["doc"].get("id", sample["doc_id"])) for sample in samples]
    if len(set(names)) < len({sample["doc_id"] for sample in samples}):
        names = [str(sample["doc_id"]) for sample in samples]
    rows: dict[str, list[dict[str, Any]]] = {}
    for name, sample in zip(names, samples, strict=True):
        for metric in sample["metrics"]:
            fraction = _fraction(metric, sample[metric])
            if fraction is None:
                continue
            numerator, denominator = fraction
            row = {
                "suite": task.suite,
                "task": task.title,
                "subtask": task.name,
                "item": item_name(task, name),
                "place": sample["doc_id"],
                "doc_hash": sample["doc_hash"],
                "training_text": UNKNOWN,
                "metric": metric_name(metric, sample["filter"]),
            }
            row |= {"value": numerator / denominator, "numerator": numerator, "denominator": denominator}
            row |= said(sample)
            rows.setdefault(f"{metric},{sample['filter']}", []).append(row)
    return [row for key, of_metric in rows.items() if _adds_up(of_metric, totals[key]) for row in of_metric]


def _adds_up(rows: Sequence[Mapping[str, Any]], total: float) -> bool:
    ratio = sum(row["numerator"] for row in rows) / sum(row["denominator"] for row in rows)
    return math.isclose(ratio, total, rel_tol=1e-9, abs_tol=1e-12)


def _fraction(metric: str, value: Any) -> tuple[float, float] | None:
    """An item's numerator and denominator in a metric; None where it has none of its own, as in F1."""
    if isinstance(value, bool | int | float | np.number):
        return float(value), 1.0
    if metric == "bits_per_byte":
        log_likelihood, num_bytes = value
        return -log_likelihood / math.log(2), float(num_bytes)
    return None
