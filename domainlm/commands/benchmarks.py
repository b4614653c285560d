"""`domainlm evaluate tasks | contamination`: what there is to be judged by, and what of it stands in training text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domainlm.commands.options import Json, Spec, Workspace

if TYPE_CHECKING:
    from domainlm.specs.tasks import Task


def tasks(
    spec: Annotated[
        Path | None, typer.Argument(metavar="SPEC", help="A run spec: only its tasks.", show_default="all of evals")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="A folder of tasks' items.", show_default="as the spec says")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the tasks of evals by suite: metric, shots, source, and whether their items are at hand.

    Where they are not, the file that is looked for is named.
    """
    from domainlm.specs import tasks as task_files
    from domainlm.specs.judged import data_folder
    from domainlm.specs.project import load_run

    evals = Path("evals")
    chosen = None
    if spec is not None:
        run = load_run(spec)
        evals, asked = run.root / "evals", run.spec.evaluate
        chosen = task_files.chosen(evals, asked.suites, asked.tasks)
        data = data or data_folder(asked, run.root)
    if not evals.is_dir():
        raise typer.BadParameter(f"there is no folder {evals} here; name a run spec")
    if data is not None and not data.is_dir():
        raise typer.BadParameter(f"{data} is no folder")
    rows = _rows(task_files.read_tasks(evals) if chosen is None else chosen, data)
    if as_json:
        print(json.dumps(rows))
        return
    for line in _lines(rows):
        print(line)
    here = sum(row["state"] == "here" for row in rows)
    print(f"\n{len(rows)} benchmarks: the items of {here} are here" + ("" if data else "; name a folder by --data"))


def _rows(chosen: list[Task], data: Path | None) -> list[dict[str, Any]]:
    """A row for each title, in the order of the suites."""
    from domainlm.evaluate.benchmarks import sources

    by_title: dict[str, list[Any]] = {}
    for source in sources(Path(), data, chosen):
        by_title.setdefault(source.task.title, []).append(source)
    return [_row(title, found) for title, found in by_title.items()]


def _row(title: str, found: list[Any]) -> dict[str, Any]:
    task = found[0].task
    absent = [source for source in found if source.not_read]
    is_made = "${ITEMS}" in task.text
    on_hub = all(source.task.hub and "names no folder of data" in source.not_read for source in absent)
    state = "made" if is_made else "here" if not absent else "hub" if on_hub else "missing"
    why = "made from the run's held-out text" if is_made else absent[0].not_read if absent else ""
    if absent and len(absent) < len(found):
        why = f"{len(absent)} of its {len(found)} tasks: {why}"
    return {
        "suite": task.suite,
        "task": title,
        "num_tasks": len(found),
        "metrics": task.metrics,
        "shots": task.shots,
        "source": task.metadata.get("source", "domainlm/evaluate/items.py"),
        "hub": task.hub,
        "files": [] if is_made else sorted({name for source in found for name in source.task.local_names.values()}),
        "absent": sorted({name for source in absent for name in _absent(source)}),
        "state": state,
        "why": why,
    }


def _absent(source: Any) -> list[str]:
    return [name for split, name in source.task.local_names.items() if split not in source.files]


_STATES = {"here": "here", "made": "made by the run", "hub": "on the hub"}


def _lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each benchmark, and below it where it is from."""
    widths = [max(len(_cells(row)[i]) for row in rows) for i in range(3)]
    suite = ""
    for row in rows:
        if row["suite"] != suite:
            suite = row["suite"]
            yield f"\n{suite}"
        items = _STATES.get(row["state"]) or f"wants {', '.join(row['absent'][:3])}"
        cells = "  ".join(cell.ljust(width) for cell, width in zip(_cells(row), widths, strict=True))
        yield f"  {cells}  {items}"
        yield f"    {row['source']}"


def _cells(row: dict[str, Any]) -> tuple[str, str, str]:
    several = f" ({row['num_tasks']} tasks)" if row["num_tasks"] > 1 else ""
    return row["task"] + several, f"{row['shots']} shots", ", ".join(row["metrics"])


def contamination(
    spec: Spec,
    data: Annotated[
        Path | None, typer.Option(help="A folder of tasks' items.", show_default="as the spec says")
    ] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Count the items of every benchmark whose items are here that stand in a run's finished training text.

    By n-grams of as many words as the spec's `decontaminate` says, and by training source.
    """
    from domainlm.pipeline import contaminated

    found = contaminated(spec, workspace, data)
    if as_json:
        print(json.dumps(found))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(header_style="bold")
    for name in ("benchmark", "items", "shared", "short", "training sources"):
        table.add_column(name, justify="right" if name in ("items", "shared", "short") else "left")
    for title, one in found.items():
        most = sorted(one["sources"].items(), key=lambda pair: -pair[1])
        said = ", ".join(f"{source} {number:,}" for source, number in most[:3]) + (" ..." if len(most) > 3 else "")
        table.add_row(title, f"{one['items']:,}", f"{one['shared']:,}", f"{one['short']:,}", said)
    Console().print(table)
    print("shared: training text has an n-gram of it. short: too few words to be looked for.")
