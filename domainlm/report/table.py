"""The result table of a run: every measure of every model with its difference, for machines and for terminals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from domainlm.report.scores import Difference, Scores, is_general
from domainlm.report.verdicts import benchmark_verdict, verdicts
from domainlm.report.wording import PROPORTIONS, change, level, listing, prose

SIGNS = {"better": ("▲", "green"), "worse": ("▼", "red"), "unclear": ("·", "dim")}
"""Shape before colour: the table reads the same where there is none."""


def summary(title: str, scores: Scores) -> dict[str, Any]:
    """The result table as plain JSON.

    `columns`: names of the columns; the first holds the measure, the others are models. `rows`: one per measure, with
    `cells` by model: value, low, high, num_items and, where the model was compared, `compared`: base, difference, low,
    high, p_value, p_holm, significant, outcome (`better`, `worse` or `unclear`). `verdicts`: sentences.
    `failed_tasks`: cause by task by model.
    """
    rows = [row for measure in scores.measures if (row := _row(scores, *measure))["cells"]]
    return {
        "title": title,
        "columns": ["measure", *scores.models],
        "rows": rows,
        "verdicts": [*verdicts(scores), benchmark_verdict(scores)],
        "failed_tasks": {model: dict(causes) for model, causes in scores.failed_tasks.items()},
    }


def _row(scores: Scores, suite: str, task: str, metric: str) -> dict[str, Any]:
    cells = {}
    for model in scores.models:
        found = scores.level(model, suite, task, metric)
        if found is None:
            continue
        cells[model] = {name: plain(getattr(found, name)) for name in ("value", "low", "high", "num_items")}
        difference = scores.difference(model, suite, task, metric)
        if difference is not None:
            cells[model]["compared"] = _compared(difference)
    directions = {s.higher_is_better for s in scores.levels if (s.suite, s.task, s.metric) == (suite, task, metric)}
    return {
        "measure": f"{prose(metric)}, {suite}" if task == metric else f"{prose(metric)}, {task}",
        "suite": suite,
        "task": task,
        "metric": metric,
        "general": is_general(suite),
        "higher_is_better": directions == {True},
        "cells": cells,
    }


def _compared(d: Difference) -> dict[str, Any]:
    names = ("base", "difference", "low", "high", "p_value", "p_holm", "significant", "outcome")
    return {name: plain(getattr(d, name)) for name in names}


def plain(value: Any) -> Any:
    """`value` as JSON can say it: a number that is none becomes null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def render(summary: Mapping[str, Any]) -> RenderableType:
    """The summary for a terminal: a table with a row per measure, its legend, and the verdicts."""
    models = summary["columns"][1:]
    table = Table(title=escape(summary["title"]), title_justify="left", title_style="bold", header_style="bold")
    table.add_column("measure")
    for model in models:
        table.add_column(escape(model), justify="right")
    for row in summary["rows"]:
        arrow = "higher is better" if row["higher_is_better"] else "lower is better"
        name = Text(row["measure"]).append(f"\n{arrow}", style="dim")
        table.add_row(name, *(_cell(row["cells"].get(model), row["metric"]) for model in models))
    compared = (cell.get("compared") for row in summary["rows"] for cell in row["cells"].values())
    bases = listing(sorted({c["base"] for c in compared if c}))
    legend = f"▲ better, ▼ worse than {bases}, · not significant (95% paired bootstrap, Holm)" if bases else ""
    sentences = [Padding(Text(f"• {verdict}"), (0, 0, 0, 1)) for verdict in summary["verdicts"]]
    failures = [
        Text(f"failed: {task} on {model}: {cause}", style="red")
        for model, causes in summary["failed_tasks"].items()
        for task, cause in causes.items()
    ]
    return Group(table, Text(legend, style="dim"), Text(), *sentences, *failures)


def _cell(cell: Mapping[str, Any] | None, metric: str) -> Text:
    if cell is None:
        return Text("–", style="dim")
    value = math.nan if cell["value"] is None else cell["value"]
    text = Text(level(value, metric))
    compared = cell.get("compared")
    if compared is None:
        return text
    sign, style = SIGNS[compared["outcome"]]
    difference = math.nan if compared["difference"] is None else compared["difference"]
    unit = " pts" if metric in PROPORTIONS else ""
    return text.append(f"\n{sign} {change(difference, metric)}{unit}", style=style)
