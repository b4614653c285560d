"""The report of a run as a flow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect import flow

from flows.stage import make_chosen, stage_task

make = stage_task("report")


@flow(name="report", persist_result=False, result_serializer="json")
def report(spec: str, workspace: str | None = None, workers: int | None = None) -> Sequence[dict[str, Any]]:
    """Write the report of a finished run.

    `spec`: path of a run spec. `workspace`: where stages are kept, by default the project's `workspace`.
    `workers`: processes at work, by default one a core.
    """
    return make_chosen("report", make, spec, workspace, workers)
