"""`domainlm evaluate gate`: whether a model may be deployed. Exit codes: 0 it may, 3 it may not."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from domainlm.commands.options import Json, Model, Spec, Workspace, group

if TYPE_CHECKING:
    from rich.table import Table

    from domainlm.evaluate.gate import Check

app = group("evaluate", "data_specs/runs/demo.yaml")


@app.command(epilog="Example: domainlm evaluate gate data_specs/runs/demo.yaml --model legal-51 --tolerance 0.02")
def gate(
    spec: Spec,
    model: Model = None,
    tolerance: Annotated[
        float | None,
        typer.Option(min=0, help="Bits per byte that may be lost in general.", show_default="the spec's, or 0.02"),
    ] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Say whether a model may be deployed: 0 it may, 3 it may not.

    On its domain the 95% paired interval of the gain must lie above nought, on general text that of the loss below the
    tolerance. What was not measured is not held. 2: the spec or usage is wrong; 1: anything else, such as models that
    are not compared yet.
    """
    from domainlm import outcome, pipeline
    from domainlm.report.table import plain
    from domainlm.specs.project import load_run

    run = load_run(spec)
    compared = pipeline.done(run, pipeline.place(run, workspace)).get("compare")
    try:
        checks = outcome.judged(run, compared, models=[model] if model else (), tolerance=tolerance)
    except LookupError as error:
        raise typer.BadParameter(str(error.args[0])) from None
    passed = all(check.passed for check in checks)
    if as_json:
        listed = [
            {name: plain(value) for name, value in asdict(check).items()} | {"passed": check.passed} for check in checks
        ]
        print(json.dumps({"passed": passed, "checks": listed}))
    else:
        from rich.console import Console

        Console().print(table(checks))
    raise typer.Exit(0 if passed else 3)


def table(checks: list[Check]) -> Table:
    """A row for each thing that was asked."""
    from rich.table import Table
    from rich.text import Text

    from domainlm.report.wording import signed

    made = Table()
    for name in ("model", "domain", "asked"):
        made.add_column(name)
    for name in ("bits per byte", "95% interval"):
        made.add_column(name, justify="right")
    made.add_column("")
    for check in checks:
        asked = "gain above 0" if check.asks == "gain" else f"loss below {check.bound:g}"
        interval = f"{signed(check.low, 4)} to {signed(check.high, 4)}"
        verdict = Text("✓ held", style="green") if check.passed else Text("✗ not held", style="red")
        made.add_row(check.model, check.domain, asked, signed(check.value, 4), interval, verdict)
    return made
