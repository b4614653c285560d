"""The models of a run as a flow; a training that fails is retried once, from its last checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect import flow

from flows.stage import make_chosen, stage_task

make = stage_task("train", retries=1)


@flow(name="train", persist_result=False, result_serializer="json")
def train(
    spec: str, workspace: str | None = None, workers: int | None = None, model: str | None = None
) -> Sequence[dict[str, Any]]:
    """Train all models of a run, one after another, or the one that is named.

    `spec`: path of a run spec. `workspace`: where stages are kept, by default the project's `workspace`.
    `workers`: processes at work, by default one a core.
    """
    return make_chosen("train", make, spec, workspace, workers, model=model)
