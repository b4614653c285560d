"""Evaluations made by hand, in the format of the stage: per-document bits that behave as real ones do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from domainlm import manifest
from domainlm.evaluate import results, store
from domainlm.manifest import Made, Manifest, Request, shard_of


def documents(domain: str, change: float, *, seed: int, num_docs: int = 400, spread: float = 0.03) -> list[Any]:
    """Held-out documents of a domain for a base (`change` 0) or a model that is `change` bits per byte worse.

    Lengths are log-normal (median 2 KB, some of 50 KB), documents differ by 0.6 bits per byte, and what training does
    to each varies by `spread` with heavy tails (Student's t with 4 degrees of freedom): about what the runs on real
    corpora give.
    """
    random = np.random.default_rng(seed)
    num_bytes = np.clip(random.lognormal(math.log(2000), 1.0, num_docs), 200, 50_000).astype(int)
    hard = random.normal(2.5, 0.6, num_docs).clip(0.8)
    noise = random.standard_t(4, num_docs) * spread / math.sqrt(2) if change else np.zeros(num_docs)
    nats = (hard + change + noise) * num_bytes * math.log(2)
    rows = zip(nats.tolist(), num_bytes.tolist(), strict=True)
    return [
        {"domain": domain, "source": "s", "id": f"{domain}-{i:04}", "metric": store.BITS, "nats": n, "num_bytes": b}
        | {"num_tokens": b // 4}
        for i, (n, b) in enumerate(rows)
    ]


def samples(suite: str, points: Sequence[float]) -> list[Any]:
    """Items of one task, right (1) or wrong (0)."""
    row = {"suite": suite, "task": f"{suite}_task", "subtask": f"{suite}_task", "metric": "acc", "denominator": 1.0}
    row |= {"training_text": "unknown", "doc_hash": "", "question": "?", "target": "yes", "answer": "no"}
    return [
        row | {"item": f"{i:05}", "place": i, "value": float(p), "numerator": float(p)} for i, p in enumerate(points)
    ]


def evaluation(workspace: Path, model: str, docs: Sequence[Any], items: Sequence[Any] = ()) -> Manifest:
    """The finished stage `evaluate/MODEL` with these rows."""

    def do(folder: Path) -> Made:
        found: Mapping[str, Any] = {
            "suites": {row["task"]: row["suite"] for row in items},
            "subtasks": {row["task"]: [row["subtask"]] for row in items},
            "results": {row["task"]: {"acc,none": 0.0} for row in items},
            "higher_is_better": {row["task"]: {"acc": True} for row in items},
        }
        rows = [*results.of_documents(model, docs, 100, 0), *results.of_tasks(model, found, items, 100, 0)]
        store.write(folder / "documents.parquet", docs, store.DOCUMENTS)
        store.write(folder / "samples.parquet", items, store.SAMPLES)
        store.write_results(folder / "results.parquet", rows)
        kinds = ("documents", "samples", "results")
        return Made(shards=tuple(shard_of(folder / f"{kind}.parquet", folder, kind) for kind in kinds))

    request = Request(stage="evaluate", name=model, spec=[], seed=0, code="", libraries={}, inputs={})
    return manifest.make(request, workspace, do)
