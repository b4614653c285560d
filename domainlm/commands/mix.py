"""`domainlm mix plan | diff | lock | sweep`: what a mix gives, what another changes, what holds it; which to take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domainlm.commands.options import Json, Model, Shown, Spec, Workers, Workspace, group, working

if TYPE_CHECKING:
    from domainlm.planned import Planned

app = group("mix", "data_specs/runs/demo.yaml")

_ANY = "A mix spec, a run spec, or the folder of a finished mix."
Run = Annotated[
    Path | None,
    typer.Option("--run", metavar="SPEC", help="The run whose tokens are counted, for a mix without sizes."),
]
Budget = Annotated[str | None, typer.Option(metavar="TOKENS", help="Another budget than the spec's, such as 800B.")]


@app.command(epilog="Example: domainlm mix plan data_specs/mixes/bloomberggpt-table-1.yaml --budget 800B")
def plan(
    mix: Annotated[Path, typer.Argument(metavar="MIX_OR_RUN", help=_ANY)],
    run: Run = None,
    model: Model = None,
    budget: Budget = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Show the tokens, share and epochs of each source, and what is missing; nothing is written.

    Sizes are those of the finished tokens, of the finished text, or of `sizes` in the spec. Exit code 1 where the mix
    would be refused.
    """
    from domainlm.mix import view

    found = _planned(mix, run, workspace, budget, model)
    if as_json:
        print(json.dumps({one.name: view.record(one.mix) | {"sizes": one.sizes} for one in found}))
    else:
        from rich.console import Console

        console = Console()
        for one in found:
            console.print(*view.tables(one.name, one.mix), sep="\n")
            console.print(f"Sizes: {one.sizes}", markup=False, highlight=False)
            if one.shortage:
                console.print(f"It would be refused.\n{one.shortage}", markup=False, highlight=False)
    if any(one.shortage for one in found):
        raise typer.Exit(1)


@app.command(
    epilog="Example: domainlm mix diff data_specs/mixes/demo-legal-51.yaml data_specs/mixes/demo-legal-100.yaml"
)
def diff(
    before: Annotated[Path, typer.Argument(metavar="A", help=_ANY)],
    after: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
    run: Run = None,
    model: Model = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Show what changes for each source from mix A to mix B: tokens, epochs, share. Nothing is written."""
    from domainlm.mix import view

    one, other = (_one(_planned(path, run, workspace, None, model), path) for path in (before, after))
    changed = view.difference(one.mix, other.mix)
    if as_json:
        print(json.dumps({"before": one.name, "after": other.name, "sources": changed}))
        return
    from rich.console import Console

    Console().print(view.difference_table((one.name, other.name), changed))


@app.command(epilog="Example: domainlm mix lock data_specs/runs/demo.yaml")
def lock(spec: Spec, workspace: Workspace = None, as_json: Json = False) -> None:
    """Hold the finished mixes of a run to what they are made of.

    Writes the documents, tokens and digest of each source, and the order, to data_specs/locks; a mix that is made again
    is the same to the byte, or says what is not.
    """
    from domainlm import pipeline
    from domainlm.specs.project import load_run

    run = load_run(spec)
    path = pipeline.hold_mixes(run, pipeline.place(run, workspace))
    print(json.dumps({"lock": str(path)}) if as_json else path)


@app.command(epilog="Example: domainlm mix sweep data_specs/sweeps/demo-legal.yaml")
def sweep(
    spec: Annotated[Path, typer.Argument(metavar="SWEEP", help="A sweep spec, such as data_specs/sweeps/NAME.yaml.")],
    workspace: Workspace = None,
    workers: Workers = None,
    progress: Shown = "bar",
    picture: Annotated[Path | None, typer.Option(help="Also copy the picture there, an SVG.")] = None,
    as_json: Json = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the flow's log, too.")] = False,
) -> None:
    """Find the ratio: train small proxies at several ones, fit a law to their losses, and say which to take.

    What is made is kept as that of a run is: the same command goes on where it was, and more shares, budgets or sizes
    in the spec train those alone. Exit code 1 where no share keeps general text within the tolerance.
    """
    from domainlm import pipeline
    from domainlm.specs.project import load_run

    run = load_run(spec)
    if run.sweep is None:
        raise typer.BadParameter(f"{spec} is no sweep: they are in data_specs/sweeps")
    place = pipeline.place(run, workspace)
    finished = pipeline.done(run, place)
    if "sweep" not in finished:
        from flows import local

        with working(progress):
            local.run("sweep", str(spec), place, workers=workers, verbose=verbose)
        finished = pipeline.done(run, place)
    told = json.loads(finished["sweep"].only("sweep").read_bytes())
    drawn = finished["sweep"].only("picture")
    if picture is not None:
        picture.write_bytes(drawn.read_bytes())
    if as_json:
        print(json.dumps(told | {"picture": str(drawn)}))
    else:
        from rich.console import Console

        from domainlm.sweep import table

        Console().print(*table.tables(told), sep="\n")
        print(f"{told['sentence']}\nPicture: {drawn}")
    if told["recommended"] is None:
        raise typer.Exit(1)


def _planned(
    path: Path, run: Path | None, workspace: Path | None, budget: str | None, model: str | None
) -> list[Planned]:
    from domainlm.planned import planned
    from domainlm.specs.units import amount

    tokens = amount(budget) if budget is not None else None
    if budget is not None and not (isinstance(tokens, int) or budget.isdigit()):
        raise typer.BadParameter(f"{budget!r} is no number of tokens, such as 300k or 2.5B")
    found = planned(path, run=run, workspace=workspace, budget_tokens=None if tokens is None else int(tokens))
    of_model = [one for one in found if model in (None, one.model)]
    if not of_model:
        raise typer.BadParameter(
            f"{path} trains no model {model!r} on a mix; there is {', '.join(o.model for o in found)}"
        )
    return of_model


def _one(found: list[Planned], path: Path) -> Planned:
    if len(found) > 1:
        raise typer.BadParameter(
            f"{path} has {len(found)} mixes; name one by --model: {', '.join(o.model for o in found)}"
        )
    return found[0]
