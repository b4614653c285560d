"""Benchmark tasks: each model's accuracy beside chance, and what changed on the same items."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import orjson

from domainlm.manifest import Manifest
from domainlm.report import contamination
from domainlm.report.markup import Markup, details, el, figure, join, table
from domainlm.report.results import DIFFERENCE_HEADER, difference_cells
from domainlm.report.scores import BITS, Scores
from domainlm.report.section import Section
from domainlm.report.table import plain
from domainlm.report.verdicts import benchmark_verdict
from domainlm.report.wording import PROPORTIONS, count, level, percent, prose, several


def section(scores: Scores, evaluations: Mapping[str, Manifest]) -> Section:
    chance = chance_levels(evaluations)
    charts = _charts(scores, chance)
    return Section(
        id="benchmarks",
        title="Benchmarks",
        sentences=tuple(s for s in (benchmark_verdict(scores), _chance_sentence(scores, chance)) if s),
        content=join(
            _failures(scores),
            *(figure(name, "Accuracy by task and model", _note(chance)) for name in charts),
            details("The numbers: every task", _task_table(scores, chance)) if _measures(scores) else "",
            contamination.content(scores, evaluations),
        ),
        charts=charts,
    )


def chance_levels(evaluations: Mapping[str, Manifest]) -> dict[str, float]:
    """What guessing scores, by task, where the task's YAML states it as `metadata: {chance: 0.25}`."""
    found = {}
    for manifest in evaluations.values():
        content = orjson.loads(manifest.only("lm_eval").read_bytes())
        titles = {name: title for title, names in content.get("subtasks", {}).items() for name in names}
        for task, config in content.get("configs", {}).items():
            if "chance" in (metadata := config.get("metadata") or {}):
                found[titles.get(task, task)] = float(metadata["chance"])
    return found


def _measures(scores: Scores) -> list[tuple[str, str, str]]:
    return [measure for measure in scores.measures if measure[1] != BITS]


def _charts(scores: Scores, chance: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    rows = []
    for suite, task, metric in _measures(scores):
        for model in scores.models:
            found = scores.level(model, suite, task, metric)
            if found and metric in PROPORTIONS:
                fields = {n: plain(getattr(found, n)) for n in ("model", "value", "low", "high", "num_items")}
                label = f"{task} ({prose(metric)})"
                rows.append(fields | {"task": label, "suite": suite, "chance": chance.get(task)})
    return {"benchmarks": {"kind": "benchmarks", "rows": rows}} if rows else {}


def _note(chance: Mapping[str, float]) -> str:
    return "Whiskers: 95% interval over items." + (" Dashed: what guessing scores." if chance else "")


def _chance_sentence(scores: Scores, chance: Mapping[str, float]) -> str:
    at_chance = judged = 0
    for suite, task, metric in _measures(scores):
        for model in scores.models:
            found = scores.level(model, suite, task, metric)
            if found and task in chance and metric in PROPORTIONS and math.isfinite(found.low + found.high):
                judged += 1
                at_chance += found.low <= chance[task] <= found.high
    if not judged:
        return ""
    if not at_chance:
        return f"None of the {several(judged, 'score')} is compatible with guessing."
    verb = (
        "cannot be told from guessing: its 95% interval holds"
        if at_chance == 1
        else "cannot be told from guessing: their 95% intervals hold"
    )
    return f"{count(at_chance)} of {several(judged, 'score')} {verb} the chance level."


def _failures(scores: Scores) -> Markup:
    failures = [
        el("li", el("strong", f"{task} on {model}"), f" failed: {cause}")
        for model, causes in scores.failed_tasks.items()
        for task, cause in causes.items()
    ]
    return el("ul", *failures, class_="failures") if failures else Markup("")


def _task_table(scores: Scores, chance: Mapping[str, float]) -> Markup:
    rows = []
    for suite, task, metric in _measures(scores):
        for model in scores.models:
            found = scores.level(model, suite, task, metric)
            if found is None:
                continue
            bounds = f"{level(found.low, metric)} to {level(found.high, metric)}"
            guess = percent(chance[task]) if task in chance else "–"
            cells = [prose(metric), level(found.value, metric), bounds, guess, count(found.num_items)]
            d = scores.difference(model, suite, task, metric)
            rows.append([f"{model}, {task}", *cells, *difference_cells(d)])
    header = ["model and task", "metric", "value", "95% interval", "chance", "items", *DIFFERENCE_HEADER]
    caption = "Each model on each task; differences of proportions are in percentage points"
    return table(caption, header, rows, texts=(0, 1, 6, 11))
