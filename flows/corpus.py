"""The corpus of a run as a flow: safe to schedule, since an unchanged corpus is skipped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect import flow

from flows.stage import make_chosen, stage_task

make = stage_task("corpus")


@flow(name="corpus", persist_result=False, result_serializer="json")
def corpus(spec: str, workspace: str | None = None, workers: int | None = None) -> Sequence[dict[str, Any]]:
    """Read, clean and deduplicate the text of a run.

    `spec`: path of a run spec. `workspace`: where stages are kept, by default the project's `workspace`.
    `workers`: processes at work, by default one a core.
    """
    return make_chosen("corpus", make, spec, workspace, workers)
