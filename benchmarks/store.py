"""Ten thousand runs in the store: what adding one costs, what queries take, and how much it is on disk.

Each run has three models, and of each the rows of two domains, five sources and two tasks, with 2 x 40 items.
`./run bench store [--runs N]`; one JSON line a size, times in milliseconds, the median of five.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from against.runs import rows

from domainlm.results import files
from domainlm.results.query import Store

SINGLE = 100
"""Runs that are not joined yet: fewer than `files.JOIN_FROM`, but near it."""
QUERIES = {
    "last_30_models": "SELECT * FROM models ORDER BY recorded_at DESC LIMIT 30",
    "trend_of_a_run": (
        "SELECT recorded_at, gain, gain_low, gain_high, forgetting FROM exchanges "
        "WHERE run = 'nightly-legal' AND adapted = 'mix-51' ORDER BY recorded_at"
    ),
    "reaggregated": (
        "SELECT run, model, metric, sum(numerator) / sum(denominator) AS value FROM results WHERE source != '' "
        "OR metric = 'acc' GROUP BY ALL"
    ),
    "flipped_items": (
        "SELECT a.item, a.question FROM items a JOIN items b USING (record, task, item, metric) "
        "WHERE a.record = ? AND a.model = 'base' AND b.model = 'mix-51' AND a.value != b.value"
    ),
}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--runs", type=int, default=10_000)
    num_runs = asked.parse_args().runs
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "results"
        begin_s, added_ms = time.process_time(), []
        # What is joined by itself at every `JOIN_FROM` runs is brought in so; the last runs are added one by one.
        single = min(num_runs, SINGLE)
        for first in range(0, num_runs - single, files.JOIN_FROM):
            files.add_many(folder, dict(map(rows, range(first, min(first + files.JOIN_FROM, num_runs - single)))))
        for number in range(num_runs - single, num_runs):
            record, tables = rows(number)
            start_s = time.perf_counter()
            files.add(folder, record, tables)
            added_ms.append(1000 * (time.perf_counter() - start_s))
        print(json.dumps(_measured(folder, record, num_runs, added_ms, time.process_time() - begin_s)), flush=True)


def _measured(folder: Path, record: str, num_runs: int, added_ms: list[float], cpu_s: float) -> dict[str, Any]:
    store = Store(folder)
    sizes = [path.stat().st_size for path in folder.rglob("*.parquet")]
    return {
        "runs": num_runs,
        "rows": {t: store.rows(f"SELECT count(*) n FROM {t}")[0]["n"] for t in ("results", "items", "models")},
        "megabytes": round(sum(sizes) / 1e6, 1),
        "files": len(sizes),
        "add_ms": {"median": round(statistics.median(added_ms), 1), "worst": round(max(added_ms), 1)},
        "made_cpu_s": round(cpu_s, 1),
        "query_cpu_ms": {
            name: round(_cpu_ms(lambda q=query: store.rows(q, [record] if "?" in q else ())), 1)
            for name, query in QUERIES.items()
        },
        "query_ms": {
            name: round(_median_ms(lambda q=query: store.rows(q, [record] if "?" in q else ())), 1)
            for name, query in QUERIES.items()
        },
    }


def _median_ms(work: Callable[[], Any]) -> float:
    taken = []
    for _ in range(5):
        start_s = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - start_s))
    return statistics.median(taken)


def _cpu_ms(work: Callable[[], Any]) -> float:
    start_s = time.process_time()
    work()
    return 1000 * (time.process_time() - start_s)


if __name__ == "__main__":
    main()
