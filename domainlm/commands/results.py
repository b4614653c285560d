"""`domainlm results`: what all runs gave, listed or asked in SQL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from domainlm.commands.options import Json, ListsByDefault, Spec, Workspace, group

app = group("results", "list", cls=ListsByDefault)

Store = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Where results are kept.", envvar="DOMAINLM_STORE", show_default="WORKSPACE/results"
    ),
]
_LATEST = """
SELECT m.record, m.recorded_at, m.run, m.model, m.base, e.domain, e.general, e.gain, e.gain_low, e.gain_high,
    e.gain_significant, e.forgetting, e.forgetting_low, e.forgetting_high, e.forgetting_significant, e.rate, m.gate
FROM models m LEFT JOIN exchanges e ON e.record = m.record AND e.adapted = m.model
WHERE (? = '' OR m.run = ?) AND m.base != ''
ORDER BY m.recorded_at DESC, m.run, m.place, e.domain, e.general LIMIT ?
"""


@app.command("list", epilog="Example: domainlm results list --run demo")
def list_(
    run: Annotated[str, typer.Option(metavar="NAME", help="Only this run.", show_default="all")] = "",
    last: Annotated[int, typer.Option(min=1, help="At most so many rows.")] = 30,
    store: Store = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """List adapted models, the latest first: what each won in its domain and lost in general."""
    from domainlm.results.query import Store as Opened

    place = _place(store, workspace)
    found = Opened(place).rows(_LATEST, [run, run, last])
    if as_json:
        print(json.dumps([_plain(row) for row in found]))
    elif not found:
        print(f"{place} holds no adapted model{f' of {run}' if run else ''}: `domainlm run SPEC` adds each run it ends")
    else:
        from rich.console import Console

        Console().print(_table(found))


@app.command(epilog='Example: domainlm results sql "SELECT model, avg(value) FROM results GROUP BY model"')
def sql(
    query: Annotated[str, typer.Argument(help="One SELECT over results, comparisons, exchanges, models and items.")],
    store: Store = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Ask the store in DuckDB's SQL; docs/results.md has the columns. It is only read, and nothing else is."""
    from domainlm.results.query import Store as Opened

    found = Opened(_place(store, workspace)).rows(query)
    if as_json:
        print(json.dumps([_plain(row) for row in found]))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*(found[0] if found else ["no rows"]))
    for row in found:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console().print(table, markup=False)


@app.command(epilog="Example: domainlm results add data_specs/runs/demo.yaml")
def add(spec: Spec, store: Store = None, workspace: Workspace = None, as_json: Json = False) -> None:
    """Add a finished run, made elsewhere or before there was a store; what is there already stays as it is."""
    from domainlm import outcome, pipeline
    from domainlm.specs.project import load_run

    run = load_run(spec)
    place = pipeline.place(run, workspace)
    folder = outcome.store_at(store, place)
    name = outcome.record(run, pipeline.done(run, place), folder)
    print(json.dumps({"record": name, "store": str(folder)}) if as_json else f"{name}: in {folder}")


@app.command(epilog="Example: domainlm results join")
def join(store: Store = None, workspace: Workspace = None, as_json: Json = False) -> None:
    """Join the files of single runs into one, which is done by itself at every 128 runs."""
    from domainlm.results import files

    place = _place(store, workspace)
    joined = files.join(place)
    print(json.dumps({"joined": joined}) if as_json else f"{joined} records joined in {place}")


def _place(store: Path | None, workspace: Path | None) -> Path:
    from domainlm import outcome

    return outcome.store_at(store, workspace or Path("workspace"))


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON can say it: numbers that are none become null, infinite ones words."""
    import math

    def said(value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return None if math.isnan(value) else str(value)
        return value if isinstance(value, str | int | float | bool | None) else str(value)

    return {name: said(value) for name, value in row.items()}


def _table(found: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    from domainlm.report.wording import fixed, signed

    table = Table()
    for name in ("when", "run", "model", "domain for general"):
        table.add_column(name)
    for name in ("gain", "forgetting", "won per lost"):
        table.add_column(name, justify="right")
    table.add_column("gate")
    for row in found:
        if row["domain"] is None:
            cells = ["–", "–", "–", "–"]
        else:
            significant = {True: "", False: " n.s."}
            gain = f"{signed(row['gain'])}{significant[row['gain_significant']]}"
            lost = f"{signed(row['forgetting'])}{significant[row['forgetting_significant']]}"
            rate = fixed(row["rate"], 1) if row["forgetting_significant"] and row["forgetting"] > 0 else "nothing lost"
            cells = [f"{row['domain']} for {row['general']}", gain, lost, rate]
        when = row["recorded_at"].strftime("%Y-%m-%d %H:%M")
        table.add_row(when, row["run"], row["model"], *cells, row["gate"])
    return table
