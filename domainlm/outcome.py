"""What follows a run that is finished: whether its models pass their gate, and its place in the store."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from domainlm import pipeline
from domainlm.errors import GateError, StageError
from domainlm.evaluate import gate, store
from domainlm.manifest import Manifest, write_atomically
from domainlm.specs.project import Run
from domainlm.specs.run import GateSpec


def judged(
    run: Run, comparison: Manifest | None, *, models: Sequence[str] = (), tolerance: float | None = None
) -> list[gate.Check]:
    """All that the gate of a run asks of its models, held or not; with a tolerance of its own where one is given.

    A run whose spec has no gate is judged by the gate's defaults. Raises LookupError where one of `models` is adapted
    from no other of the run, StageError where the models are not compared yet.
    """
    asked = run.spec.gate or GateSpec()
    bases = {adapted: base for base, adapted in pipeline.pairs(run)}
    chosen = models or asked.models or list(bases)
    strangers = [name for name in chosen if name not in bases]
    if strangers or not chosen:
        there = ", ".join(bases) or "none"
        wrong = ", ".join(strangers) or "a gate"
        raise LookupError(f"{run.path}: {wrong}: the gate is for models that continue another of the run: {there}")
    if comparison is None:
        raise StageError(f"the models of {run.path} are not compared yet: domainlm evaluate {run.path}")
    return gate.checks(
        run, {name: bases[name] for name in chosen}, store.read(comparison.only("comparison")), tolerance
    )


def require(checks: Sequence[gate.Check]) -> None:
    """Raises GateError, with each check that is not held."""
    failed = [check for check in checks if not check.passed]
    if failed:
        names = ", ".join(dict.fromkeys(check.model for check in failed))
        raise GateError("\n".join([f"the gate is not passed by {names}", *map(str, failed)]))


def summary(run: Run, finished: Mapping[str, Manifest]) -> dict[str, Any]:
    """What the comparison of a run's models says, as the report's `summary.json` has it; no report is needed."""
    from domainlm.report import scores, table

    evaluations, mixes = (pipeline.by_model(run, finished, kind) for kind in ("evaluate", "mix"))
    read = scores.read_scores(run.spec.model_dump(mode="json"), evaluations, finished["compare"], mixes)
    return table.summary(run.spec.title or run.spec.name, read)


MEASURED = frozenset({"corpus", "tokenizer", "evaluate", "compare"})
"""Kinds of stages that a record is made of, with the mixes and trainings that there are."""


def store_at(place: Path | None, workspace: Path) -> Path:
    """The folder of the store: as given, else what DOMAINLM_STORE names, else `results` in the workspace."""
    return (place or Path(os.environ.get("DOMAINLM_STORE") or workspace / "results")).absolute()


def record(run: Run, finished: Mapping[str, Manifest], store: Path) -> str:
    """Adds a run to the store, and lm-eval's own JSON beside it, and publishes it; returns the name of its record.

    What is there already is left as it is, its time included. StageError where something is not measured yet, or where
    it could not be published: it is in the store then.
    """
    from domainlm.results import files, publish
    from domainlm.results.record import Finished, rows

    for stage in pipeline.stages(run):
        if stage.kind in MEASURED and stage.id not in finished:
            raise StageError(f"{stage.id} of {run.path} is not made yet: domainlm {stage.command} {run.path}")

    ended = Finished(
        spec=run.spec.model_dump(mode="json"),
        corpus=finished["corpus"],
        tokenizer=finished["tokenizer"],
        mixes=pipeline.by_model(run, finished, "mix"),
        trainings=pipeline.by_model(run, finished, "train"),
        evaluations=pipeline.by_model(run, finished, "evaluate"),
        comparison=finished["compare"],
        stages=[
            finished[stage.id] for stage in pipeline.stages(run) if stage.id in finished and stage.kind != "report"
        ],
        checks=judged(run, finished["compare"]) if run.spec.gate is not None else [],
    )
    name = ended.record
    publish.check(run.spec.track)
    if not files.has(store, name):
        for model, evaluation in ended.evaluations.items():
            kept = store / "lm_eval" / name / f"{model}.json"
            write_atomically(kept, evaluation.only("lm_eval").read_bytes())
        files.add(store, name, rows(ended, datetime.now(UTC)))
    if not publish.done(run.spec.track, name, store):
        from domainlm.results.query import Store

        report = finished["report"].only("page") if "report" in finished else None
        publish.publish(run.spec.track, name, Store(store).tables(name), store, report=report, root=run.root)
    return name
