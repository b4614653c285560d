"""What the page shows, as scripts by name: the same whether a server answers or files lie on a disk.

Scripts and no JSON, since a page that is opened from a disk may load scripts and may not fetch. Names are made from
the store's own records, and a name is looked up, never opened: there is no path to traverse.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from domainlm.report.lineage import Node, graph
from domainlm.report.markup import embedded_json
from domainlm.results import files
from domainlm.results.query import Store

_NAME = re.compile(r"(?:data|records/(?P<record>[0-9a-f]{16})|items/(?P<items>[0-9a-f]{16})\.(?P<task>\d{1,4}))\.js")
_MODELS = """
SELECT record, run, title, recorded_at, model, place, base, mix, gate, tolerance, num_parameters, num_tokens
FROM models ORDER BY recorded_at, record, place
"""
_EXCHANGES = """
SELECT record, adapted AS model, domain, general, gain, gain_low, gain_high, gain_significant, forgetting,
    forgetting_low, forgetting_high, forgetting_significant, rate, rate_low, rate_high
FROM exchanges ORDER BY recorded_at, record, adapted, domain, general
"""
_LEVELS = """
SELECT r.record, r.model, r.suite, r.task, r.metric, r.value, r.low, r.high, r.num_items, r.higher_is_better,
    c.difference, c.low AS change_low, c.high AS change_high, c.p_holm, c.significant
FROM results r LEFT JOIN comparisons c ON c.record = r.record AND c.adapted = r.model AND c.suite = r.suite
    AND c.task = r.task AND c.metric = r.metric AND c.source = ''
WHERE r.source = '' ORDER BY r.recorded_at, r.record, r.suite, r.task, r.metric, r.model
"""
_TASKS = "SELECT DISTINCT record, task, metric FROM items WHERE list_contains(?, record) ORDER BY ALL"
_ITEMS = """
SELECT record, task, metric, model, item, value, question, target, answer FROM items
WHERE list_contains(?, record) AND (? = '' OR (task = ? AND metric = ?)) ORDER BY item, model
"""
_DETAILS = """
SELECT model, token_ratio, realised_ratio, corpus, failed, lineage, start, recipe, model_digest, data_digest,
    tokenizer_digest, spec_digest, code_digest, record FROM models WHERE list_contains(?, record) ORDER BY place
"""
_AT_ONCE = 100
"""Records whose scripts are made together: a query costs a look at every file, whatever it asks."""


class Content:
    """The scripts of a store, as it is when they are asked for."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.store = Store(folder)
        self._overview: tuple[tuple[str, ...], bytes] | None = None

    def get(self, name: str) -> bytes | None:
        """The script `data.js`, `records/RECORD.js` or `items/RECORD.TASK.js`; None where there is none of the name."""
        asked = _NAME.fullmatch(name)
        if asked is None:
            return None
        if record := asked["record"]:
            return self._record(record)
        if record := asked["items"]:
            return self._items(record, int(asked["task"]))
        return self._data()

    def scripts(self) -> Iterator[tuple[str, bytes]]:
        """The name and content of every script."""
        yield "data.js", self._data()
        records = [row["record"] for row in self.store.rows("SELECT DISTINCT record FROM models ORDER BY ALL")]
        for first in range(0, len(records), _AT_ONCE):
            yield from self._of(records[first : first + _AT_ONCE])

    def _of(self, records: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """The scripts of some records: each its own, and one for each of its tasks."""
        tasks = self._tasks(records)
        models = _grouped(self.store.rows(_DETAILS, [list(records)]), "record")
        items = _grouped(self.store.rows(_ITEMS, [list(records), "", "", ""]), "record", "task", "metric")
        for record in records:
            of_record = tasks.get(record, [])
            yield f"records/{record}.js", _record(record, of_record, models[record,])
            for number, task in enumerate(of_record):
                yield f"items/{record}.{number}.js", _items(record, number, items[record, *task])

    def _tasks(self, records: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
        """(task, metric) of each record, in the order of their numbers."""
        found: dict[str, list[tuple[str, str]]] = {}
        for row in self.store.rows(_TASKS, [list(records)]):
            found.setdefault(row["record"], []).append((row["task"], row["metric"]))
        return found

    def _data(self) -> bytes:
        """Everything that the overview needs; kept as long as the store stays as it is."""
        stamp = files.stamp(self.folder)
        if self._overview is None or self._overview[0] != stamp:
            tables = {"models": _MODELS, "exchanges": _EXCHANGES, "levels": _LEVELS}
            found = {name: columns(self.store.rows(sql)) for name, sql in tables.items()}
            self._overview = stamp, _script("data", found)
        return self._overview[1]

    def _record(self, record: str) -> bytes | None:
        models = self.store.rows(_DETAILS, [[record]])
        return _record(record, self._tasks([record]).get(record, []), models) if models else None

    def _items(self, record: str, number: int) -> bytes | None:
        tasks = self._tasks([record]).get(record, [])
        if number >= len(tasks):
            return None
        task, metric = tasks[number]
        return _items(record, number, self.store.rows(_ITEMS, [[record], task, task, metric]))


def _grouped(rows: Sequence[Mapping[str, Any]], *names: str) -> dict[tuple[str, ...], list[Mapping[str, Any]]]:
    found: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in names), []).append(row)
    return found


def _record(record: str, tasks: Sequence[tuple[str, str]], models: Sequence[Mapping[str, Any]]) -> bytes:
    listed = [list(task) for task in tasks]
    return _script("record", {"record": record, "tasks": listed, "models": [_details(row) for row in models]})


def _items(record: str, number: int, rows: Sequence[Mapping[str, Any]]) -> bytes:
    items: dict[str, dict[str, Any]] = {}
    for row in rows:
        item = items.setdefault(row["item"], {"question": row["question"], "target": row["target"], "by": {}})
        item["by"][row["model"]] = [_plain(row["value"]), row["answer"]]
    return _script("items", {"record": record, "number": number, "items": items})


def columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows by column: numbers as they are, words once, each row's by its place among them."""
    found: dict[str, Any] = {}
    for name in rows[0] if rows else ():
        values = [row[name] for row in rows]
        if any(isinstance(value, str) for value in values):
            words = {word: place for place, word in enumerate(dict.fromkeys(values))}
            found[name] = {"words": list(words), "at": [words[value] for value in values]}
        else:
            found[name] = [_plain(value) for value in values]
    return found


def _details(row: Mapping[str, Any]) -> dict[str, Any]:
    parsed = ("token_ratio", "realised_ratio", "corpus", "failed", "lineage")
    details = {name: json.loads(value) if name in parsed else value for name, value in row.items()}
    nodes = [
        Node(**{name: stage[name] for name in ("stage", "name", "key", "made", "inputs")})
        for stage in details["lineage"]
    ]
    return details | {"graph": graph(nodes)}


def _plain(value: Any) -> Any:
    """A value as JSON says it, in six digits; infinities and what is no number become null, times seconds."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return int(value.timestamp()) if isinstance(value, datetime) else value


def _script(kind: str, value: Any) -> bytes:
    return f"domainlm.receive({embedded_json(kind)}, {embedded_json(value)});\n".encode()
