"""A whole run as one flow: every stage that is not finished, in order, then the result table as an artifact."""

from __future__ import annotations

import json
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from domainlm import manifest, outcome, pipeline, progress
from domainlm.results import publish
from domainlm.specs.project import load_run
from flows import artifact, corpus, evaluate, mix, report, tokenizer, train
from flows.stage import Make

MAKE: dict[str, Make] = {
    "corpus": corpus.make,
    "tokenizer": tokenizer.make,
    "mix": mix.make,
    "train": train.make,
    "evaluate": evaluate.make,
    "report": report.make,
}
"""The task of each command."""


@flow(name="adapt", persist_result=False, result_serializer="json")
def adapt(spec: str, workspace: str | None = None, workers: int | None = None) -> dict[str, str]:
    """Run all stages of a run; returns the folder of each by its id. Fails where a model does not pass its gate.

    `spec`: path of a run spec. `workspace`: where stages are kept, by default the project's `workspace`.
    `workers`: processes at work, by default one a core.
    """
    logger = get_run_logger()
    run = load_run(Path(spec))
    place = pipeline.place(run, None if workspace is None else Path(workspace))
    # Told now, and not when all is trained.
    publish.check(run.spec.track)
    finished = pipeline.done(run, place)
    stages = pipeline.stages(run)
    folders: dict[str, str] = {}
    for number, stage in enumerate(stages):
        progress.tell("run", number, len(stages), "stages", now=stage.id)
        if stage.id in finished:
            folders[stage.id] = str(finished[stage.id].folder)
            logger.info("%s: skipped, finished in %s", stage.id, folders[stage.id])
        else:
            folders[stage.id] = MAKE[stage.command](stage.id, spec, str(place), workers)["folder"]
    progress.tell("run", len(stages), len(stages), "stages")
    made = manifest.read(Path(folders["report"]))
    assert made is not None
    summary = json.loads(made.only("summary").read_bytes())
    artifact.result(summary, made.only("page"))
    outcome.record(run, pipeline.done(run, place), outcome.store_at(None, place))
    if run.spec.gate is not None:
        gate(spec, folders["compare"])
    return folders


@task(name="gate", cache_policy=NO_CACHE, persist_result=False, result_serializer="json")
def gate(spec: str, comparison: str) -> None:
    """Fails, and with it the run, where a model does not hold what the spec's gate asks; an artifact says what.

    `spec`: path of a run spec. `comparison`: folder of its finished stage `compare`.
    """
    checks = outcome.judged(load_run(Path(spec)), manifest.read(Path(comparison)))
    lines = [f"| {c.model} | {'passed' if c.passed else '**not passed**'} | {c} |" for c in checks]
    table = "\n".join(["| model | gate | check |", "| --- | --- | --- |", *lines])
    create_markdown_artifact(table, key="gate", description="Whether the models may be deployed")
    outcome.require(checks)
