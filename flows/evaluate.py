"""The evaluation of a run as a flow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect import flow

from domainlm import outcome, pipeline
from domainlm.specs.project import load_run
from flows import artifact
from flows.stage import make_chosen, stage_task

make = stage_task("evaluate")


@flow(name="evaluate", persist_result=False, result_serializer="json")
def evaluate(
    spec: str, workspace: str | None = None, workers: int | None = None, model: str | None = None
) -> Sequence[dict[str, Any]]:
    """Evaluate all models of a run and compare them, or evaluate the one that is named.

    `spec`: path of a run spec. `workspace`: where stages are kept, by default the project's `workspace`.
    `workers`: processes at work, by default one a core. What the comparison says is the artifact `result`.
    """
    accounts = make_chosen("evaluate", make, spec, workspace, workers, model=model)
    run = load_run(Path(spec))
    finished = pipeline.done(run, pipeline.place(run, None if workspace is None else Path(workspace)))
    if "compare" in finished:
        artifact.result(outcome.summary(run, finished), None)
    return accounts
