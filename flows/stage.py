"""A stage as a Prefect task, and the stages of one command as the body of a flow."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from domainlm import pipeline, progress, screen
from domainlm.progress import Progress
from domainlm.specs.project import load_run
from flows.launch import launch

Make = Callable[[str, str, str, int | None], dict[str, Any]]
"""(stage id, spec, workspace, workers) -> `pipeline.account` of the stage."""
LOG_PROGRESS_EVERY_S = 10.0


def stage_task(command: str, *, retries: int = 0) -> Make:
    """The task that runs a stage of `command`, in a supervised child unless it is light, and returns its account.

    Call it, do not submit it: a submitted task does not hear that its flow is told to end. Prefect caches and persists
    nothing: the manifests alone say what is done.
    """

    @task(
        name=command,
        task_run_name="{stage_id}",
        retries=retries,
        cache_policy=NO_CACHE,
        persist_result=False,
        result_serializer="json",
    )
    def make(stage_id: str, spec: str, workspace: str, workers: int | None) -> dict[str, Any]:
        logger = get_run_logger()
        if stage_id.partition("/")[0] in pipeline.LIGHT:
            run, place = load_run(Path(spec)), Path(workspace)
            before = pipeline.done(run, place).get(stage_id)
            finished = before or pipeline.run_stage(run, stage_id, place, workers=workers)
            made = pipeline.account(stage_id, finished, made=before is None)
        else:
            relay = _relay(logger)
            made = launch(command, stage_id, spec, Path(workspace), workers=workers, on_progress=relay, log=logger.info)
        logger.info("%s: %s %s", stage_id, "made" if made["made"] else "skipped, already in", made["folder"])
        return made

    return make


def _relay(logger: logging.Logger | logging.LoggerAdapter[Any]) -> progress.Sink:
    """A sink that passes progress on to whoever listens here, and now and then to the log, for Prefect's pages."""
    next_s = float("-inf")

    def relay(told: Progress) -> None:
        nonlocal next_s
        progress.tell(told.label, told.done, told.total, told.unit, **told.figures)
        now = time.monotonic()
        if now >= next_s:
            next_s = now + LOG_PROGRESS_EVERY_S
            logger.info("%s: %s %s", told.label, screen.amount(told), screen.figures(told))

    return relay


def make_chosen(
    command: str,
    make: Make,
    spec: str,
    workspace: str | None,
    workers: int | None,
    *,
    model: str | None = None,
    mix: str | None = None,
) -> Sequence[dict[str, Any]]:
    """What was made by the stages of one command, one after another."""
    run = load_run(Path(spec))
    place = str(pipeline.place(run, None if workspace is None else Path(workspace)))
    asked = pipeline.chosen(run, command, model=model, mix=mix)
    return [make(stage.id, spec, place, workers) for stage in asked]
