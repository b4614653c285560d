"""The tokenizer of a run as a flow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect import flow

from flows.stage import make_chosen, stage_task

make = stage_task("tokenizer")


@flow(name="tokenizer", persist_result=False, result_serializer="json")
def tokenizer(spec: str, workspace: str | None = None, workers: int | None = None) -> Sequence[dict[str, Any]]:
    """Train or pin the tokenizer of a run.

    `spec`: path of a run spec. `workspace`: where stages are kept, by default the project's `workspace`.
    `workers`: processes at work, by default one a core.
    """
    return make_chosen("tokenizer", make, spec, workspace, workers)
