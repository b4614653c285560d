"""The command `domainlm`: specs in, finished stages out. Exit codes: 0 done, 2 the spec or usage is wrong, 3 a gate is
not passed, 1 else.

What a command needs is imported inside it, so that help and mistakes come at once. The file is long because each
command writes out its options: that is what its help is made of. What looks at finished stages is in `commands/`.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from domainlm.commands import benchmarks as benchmark_commands
from domainlm.commands import corpus as corpus_commands
from domainlm.commands import dashboard as dashboard_command
from domainlm.commands import evaluate as evaluate_commands
from domainlm.commands import export as export_command
from domainlm.commands import mix as mix_commands
from domainlm.commands import numbers as numbers_command
from domainlm.commands import results as result_commands
from domainlm.commands import tokenizer as tokenizer_commands
from domainlm.commands.options import (
    Engine,
    InOrder,
    Json,
    Model,
    Node,
    Nodes,
    Rendezvous,
    Shown,
    Spec,
    StageId,
    Workers,
    Workspace,
    working,
)

if TYPE_CHECKING:
    from domainlm import screen
    from domainlm.manifest import Manifest

app = typer.Typer(
    cls=InOrder,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Domain corpora in, an adapted language model and an honest report of what it gained and lost out.",
    epilog="Example: domainlm run data_specs/runs/demo.yaml",
)
app.add_typer(corpus_commands.app, help="Read, clean and deduplicate the text of a run; look at what became of it.")
app.add_typer(tokenizer_commands.app, help="Train or pin the tokenizer of a run; compare tokenizers.")
app.add_typer(evaluate_commands.app, help="Evaluate the models of a run, compare them, and judge them.")
app.add_typer(mix_commands.app, help="Write tokens once, and the mix of each model; look at what a mix gives.")
app.add_typer(result_commands.app, help="List what all runs gave, or ask it in SQL.")
app.command("dashboard", epilog="Example: domainlm dashboard --static public")(dashboard_command.dashboard)


app.command(epilog="Example: domainlm export data_specs/runs/demo.yaml --model legal-51 --dtype int8")(
    export_command.export
)
_TASKS = "Example: domainlm evaluate tasks data_specs/runs/finance-llama-1b.yaml --data corpora/bench"
evaluate_commands.app.command("tasks", epilog=_TASKS)(benchmark_commands.tasks)
_CONTAMINATION = "Example: domainlm evaluate contamination data_specs/runs/demo.yaml"
evaluate_commands.app.command("contamination", epilog=_CONTAMINATION)(benchmark_commands.contamination)


def main() -> None:
    """Runs the command line and exits with its code."""
    from domainlm.errors import DomainLMError

    # Threads that wait for work sleep: on a machine that others use too, spinning made an evaluation four times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # numpy's, which have no matrices of ours to multiply: waiting for some, each spins for 50 ms in every process.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # What is imported stays: to look through it for garbage at every 700 objects is a tenth of a command's start, and
    # to do so once more at its end a twentieth.
    gc.set_threshold(20_000)
    atexit.register(gc.freeze)
    # Told to end, we leave by an exception, so that our own children are ended first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        app()
    except DomainLMError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


@app.command(epilog="Example: domainlm check data_specs/runs/*.yaml")
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Specs of any kind.")], as_json: Json = False
) -> None:
    """Find every mistake in specs, before any work.

    Warns of what is not locked yet. Exit code 2 where there are mistakes.
    """
    from dataclasses import asdict

    from domainlm.errors import SpecError
    from domainlm.specs import project

    # Files that several specs name are read with each: what is wrong with them is told once.
    problems, warnings = {}, {}
    for file in files:
        try:
            warnings |= dict.fromkeys(project.check(file))
        except SpecError as error:
            problems |= dict.fromkeys(error.problems)
    if as_json:
        print(json.dumps({"problems": [asdict(problem) for problem in problems], "warnings": list(warnings)}))
    else:
        for told in (*problems, *(f"warning: {warning}" for warning in warnings)):
            print(told)
        print(f"{len(files)} checked: {len(problems)} to mend, {len(warnings)} to know")
    if problems:
        raise typer.Exit(2)


@app.command(epilog="Example: domainlm lock data_specs/runs/finance-llama-1b.yaml")
def lock(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="A run, domain or tokenizer.")],
    as_json: Json = False,
) -> None:
    """Pin the outside data that a run reads.

    Writes resolved revisions and digests to data_specs/locks; later runs hold to them. SPEC may be of any kind.
    """
    from domainlm.specs.lock import lock

    written = lock(spec)
    if as_json:
        print(json.dumps({"locks": [str(path) for path in written]}))
        return
    for path in written:
        print(path)
    if not written:
        print(f"{spec} reads nothing from outside the project: there is nothing to lock")


@app.command(epilog="Example: domainlm plan data_specs/runs/demo.yaml --gpu H100 --gpus 8")
def plan(
    spec: Annotated[Path | None, typer.Argument(metavar="SPEC", help="A run spec.", show_default=False)] = None,
    gpu: Annotated[str, typer.Option(help="A100-40GB, A100-80GB, H100 or H200.")] = "H100",
    gpus: Annotated[int, typer.Option(min=1, help="How many.")] = 8,
    mfu: Annotated[float, typer.Option(min=0.01, max=1, help="Share of the peak that the model's FLOPs take.")] = 0.4,
    price: Annotated[float, typer.Option(min=0, help="Of a GPU for an hour.")] = 2.5,
    checkpointing: Annotated[
        Literal["none", "selective", "full"] | None, typer.Option(help="Of activations; as the recipe says.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Also draw tokens against parameters, as an SVG.")] = None,
    as_json: Json = False,
) -> None:
    """Say what a run takes before it is paid for.

    Memory by sharding, FLOPs, hours, cost, and Chinchilla's view. Without SPEC: the arithmetic by itself, in tables.
    """
    from rich.console import Console

    from domainlm.plan import lecture, show
    from domainlm.plan import picture as drawing
    from domainlm.plan.plan import plan, record
    from domainlm.specs.project import load_run

    if spec is None:
        if picture is not None:
            picture.write_text(drawing.scaling(), encoding="utf-8")
        Console().print(*lecture.lecture(), sep="\n")
        return
    asked = load_run(spec)
    try:
        planned = plan(asked, gpu, num_gpus=gpus, mfu=mfu, price_per_hour=price, checkpointing=checkpointing)
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0])) from None
    if picture is not None:
        picture.write_text(drawing.scaling(drawing.points(planned)), encoding="utf-8")
    if as_json:
        print(json.dumps(record(planned)))
    else:
        Console().print(*show.render(planned), sep="\n")


app.command(epilog="Example: domainlm numbers 3.141592 --picture numbers.svg")(numbers_command.numbers)


@app.command(epilog="Example: domainlm models data_specs/runs/finance-llama-1b.yaml --license apache-2.0 --budget 500")
def models(
    spec: Spec,
    gpu: Annotated[str, typer.Option(help="A100-40GB, A100-80GB, H100 or H200.")] = "H100",
    gpus: Annotated[int, typer.Option(min=1, help="How many.")] = 8,
    mfu: Annotated[float, typer.Option(min=0.01, max=1, help="Share of the peak that the model's FLOPs take.")] = 0.4,
    price: Annotated[float, typer.Option(min=0, help="Of a GPU for an hour.")] = 2.5,
    budget: Annotated[float, typer.Option(min=0, help="What all of it may cost.", show_default="none")] = float("inf"),
    licenses: Annotated[list[str] | None, typer.Option("--license", help="One that will do; again for more.")] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Rank the base models of data_specs/models.yaml for a run's largest mix.

    What each would cost and whether it fits. How many tokens the run's text has is measured where the run's corpus is
    built and a model's tokenizer is in the local cache, and guessed elsewhere.
    """
    from dataclasses import asdict

    from rich.console import Console

    from domainlm import pipeline
    from domainlm.plan import show
    from domainlm.plan.devices import device
    from domainlm.plan.models import Task, registry, shortlist
    from domainlm.prospects import prospect
    from domainlm.specs.project import load_run

    asked = load_run(spec)
    known = registry(asked.root)
    try:
        hardware = device(gpu)
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0])) from None
    text = prospect(asked, pipeline.place(asked, workspace), {model.name: model.hub for model in known})
    task = Task(
        text_bytes=text.num_bytes,
        device=hardware,
        num_gpus=gpus,
        mfu=mfu,
        price_per_hour=price,
        budget=budget,
        licenses=licenses or (),
        sequence_tokens=text.sequence_tokens,
        bytes_per_token=text.bytes_per_token,
    )
    ranked = shortlist(known, task)
    if as_json:
        print(json.dumps([asdict(candidate) for candidate in ranked]))
    else:
        Console().print(*show.shortlist(ranked), sep="\n")


@app.command(epilog="Example: domainlm run data_specs/runs/demo.yaml")
def run(
    spec: Spec,
    workspace: Workspace = None,
    workers: Workers = None,
    engine: Engine = None,
    progress: Shown = "bar",
    as_json: Json = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the flow's log, too.")] = False,
) -> None:
    """Do all of a run, and print its result table.

    Stages whose spec, code and inputs are as before are skipped; what was interrupted goes on.
    """
    from domainlm import outcome, pipeline
    from domainlm.errors import GateError
    from domainlm.specs.project import load_run

    asked = load_run(spec)
    if asked.sweep is not None:
        raise typer.BadParameter(f"{spec} is a sweep: domainlm mix sweep {spec}")
    place = pipeline.place(asked, workspace)
    finished = pipeline.done(asked, place)
    if len(finished) < len(pipeline.stages(asked)):
        from flows import local

        # A gate that is not passed is told below, after the table.
        with working(progress), suppress(GateError):
            local.adapt(str(spec), place, workers=workers, verbose=verbose)
        finished = pipeline.done(asked, place)
    outcome.record(asked, finished, outcome.store_at(None, place))
    if as_json:
        stages = {stage_id: {"folder": str(m.folder), "digest": m.digest()} for stage_id, m in finished.items()}
        summary = json.loads(finished["report"].only("summary").read_bytes())
        report = str(finished["report"].only("page"))
        print(json.dumps({"run": asked.spec.name, "stages": stages, "summary": summary, "report": report}))
    else:
        _print_result(finished["report"])
    if asked.spec.gate is not None:
        outcome.require(outcome.judged(asked, finished["compare"]))


@corpus_commands.app.command("build", epilog="Example: domainlm corpus data_specs/runs/demo.yaml")
def corpus(
    spec: Spec,
    workspace: Workspace = None,
    workers: Workers = None,
    engine: Engine = None,
    progress: Shown = "bar",
    as_json: Json = False,
    stage: StageId = None,
) -> None:
    """Read, clean and deduplicate the text of a run."""
    _make("corpus", spec, workspace, workers, progress, as_json, stage=stage)


@tokenizer_commands.app.command("build", epilog="Example: domainlm tokenizer data_specs/runs/demo.yaml")
def tokenizer(
    spec: Spec,
    workspace: Workspace = None,
    workers: Workers = None,
    engine: Engine = None,
    progress: Shown = "bar",
    as_json: Json = False,
    stage: StageId = None,
) -> None:
    """Train or pin the tokenizer of a run."""
    _make("tokenizer", spec, workspace, workers, progress, as_json, stage=stage)


@mix_commands.app.command("build", epilog="Example: domainlm mix data_specs/runs/demo.yaml --model legal-51")
def mix(
    spec: Spec,
    model: Model = None,
    mix: Annotated[str | None, typer.Option(metavar="NAME", help="Only this mix of the run.")] = None,
    workspace: Workspace = None,
    workers: Workers = None,
    progress: Shown = "bar",
    as_json: Json = False,
    stage: StageId = None,
) -> None:
    """Write tokens once, and the mix of each model."""
    _make("mix", spec, workspace, workers, progress, as_json, model=model, mix=mix, stage=stage)


@app.command(epilog="Example: domainlm train data_specs/runs/demo.yaml --model base")
def train(
    spec: Spec,
    model: Model = None,
    nodes: Nodes = None,
    node: Node = None,
    rendezvous: Rendezvous = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Only look at where the time of a few steps goes.")
    ] = False,
    workspace: Workspace = None,
    workers: Workers = None,
    progress: Shown = "bar",
    as_json: Json = False,
    stage: StageId = None,
) -> None:
    """Train the models of a run.

    A training that was interrupted goes on from its last checkpoint. With --profile, a model is not trained: torch's
    profiler writes a trace of a few steps, and on CUDA a snapshot of the memory. On several machines the same command
    is run on each: docs/scale.md.
    """
    if profile:
        _profile(spec, model, workspace, progress, as_json)
    else:
        _make("train", spec, workspace, workers, progress, as_json, model=model, stage=stage)


def _profile(spec: Path, model: str | None, workspace: Path | None, progress: screen.Mode, as_json: bool) -> None:
    from domainlm import pipeline
    from domainlm.specs.project import load_run

    run = load_run(spec)
    try:
        chosen = [s for s in pipeline.chosen(run, "train", model=model) if model in (None, s.model)]
    except LookupError as error:
        raise typer.BadParameter(str(error)) from None
    for one in chosen:
        with working(progress):
            folder = pipeline.profile(run, one, pipeline.place(run, workspace))
        files = sorted(str(path) for path in folder.iterdir() if path.name.startswith(("trace", "operators", "memory")))
        print(json.dumps({"profile": one.model, "files": files}) if as_json else "\n".join(files), flush=True)


@evaluate_commands.app.command("build", epilog="Example: domainlm evaluate data_specs/runs/demo.yaml --model base")
def evaluate(
    spec: Spec,
    model: Model = None,
    workspace: Workspace = None,
    workers: Workers = None,
    progress: Shown = "bar",
    as_json: Json = False,
    stage: StageId = None,
    smoke: Annotated[bool, typer.Option("--smoke", help="A few documents and items of each: a minute.")] = False,
) -> None:
    """Evaluate the models of a run, and compare them.

    With --model, one model is evaluated and nothing is compared. What was compared is added to the store of results. A
    task that is done is never done again. With --smoke the results are stages of their own, beside those of the run,
    and are not added.
    """
    _make("evaluate", spec, workspace, workers, progress, as_json, model=model, stage=stage, smoke=smoke)
    if model is None and stage is None and not smoke:
        from domainlm import outcome, pipeline
        from domainlm.specs.project import load_run

        run = load_run(spec)
        place = pipeline.place(run, workspace)
        outcome.record(run, pipeline.done(run, place), outcome.store_at(None, place))


@app.command(epilog="Example: domainlm report data_specs/runs/demo.yaml")
def report(
    spec: Spec,
    workspace: Workspace = None,
    workers: Workers = None,
    progress: Shown = "bar",
    as_json: Json = False,
    stage: StageId = None,
) -> None:
    """Write the report of a run, and print its table."""
    made = _make("report", spec, workspace, workers, progress, as_json, stage=stage)
    if not as_json:
        _print_result(made)


def _make(
    command: str,
    spec: Path,
    workspace: Path | None,
    workers: int | None,
    progress: screen.Mode,
    as_json: bool,
    *,
    model: str | None = None,
    mix: str | None = None,
    stage: str | None = None,
    smoke: bool = False,
) -> Manifest:
    """Makes the stages of a command in this process, says what each is, and returns the last one's manifest."""
    from domainlm import pipeline
    from domainlm.specs.project import load_run

    run = pipeline.smoke(load_run(spec)) if smoke else load_run(spec)
    place = pipeline.place(run, workspace)
    try:
        chosen = pipeline.chosen(run, command, model=model, mix=mix, stage_id=stage)
    except LookupError as error:
        raise typer.BadParameter(str(error)) from None
    finished = pipeline.done(run, place)
    with working(progress):
        for one in chosen:
            manifest = finished.get(one.id) or pipeline.run_stage(run, one.id, place, workers=workers)
            _print_made(one.id, manifest, one.id not in finished, as_json)
    return manifest


def _print_made(stage_id: str, manifest: Manifest, made: bool, as_json: bool) -> None:
    from domainlm import pipeline

    if as_json:
        print(json.dumps(pipeline.account(stage_id, manifest, made=made)), flush=True)
    else:
        print(f"{stage_id}: {'made' if made else 'was made before'}: {manifest.folder}", flush=True)


def _print_result(report: Manifest) -> None:
    from rich.console import Console

    from domainlm.report import table

    Console().print(table.render(json.loads(report.only("summary").read_bytes())))
    print(f"Report: {report.only('page')}")
