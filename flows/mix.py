"""The tokens and mixes of a run as a flow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect import flow

from flows.stage import make_chosen, stage_task

make = stage_task("mix")


@flow(name="mix", persist_result=False, result_serializer="json")
def mix(
    spec: str, workspace: str | None = None, workers: int | None = None, mix: str | None = None
) -> Sequence[dict[str, Any]]:
    """Write the token shards of a run, and the mix of each model or only those of the mix that is named.

    `spec`: path of a run spec. `workspace`: where stages are kept, by default the project's `workspace`.
    `workers`: processes at work, by default one a core.
    """
    return make_chosen("mix", make, spec, workspace, workers, mix=mix)
