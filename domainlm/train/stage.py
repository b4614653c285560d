"""The train stage: from a mix and a beginning to a model folder, by torchrun's processes, which die with us."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domainlm import progress, supervise
from domainlm.errors import StageError
from domainlm.manifest import Made, Manifest, shard_of, write_atomically
from domainlm.specs.recipe import ParallelSpec, RecipeSpec
from domainlm.specs.run import ModelSpec
from domainlm.train import device
from domainlm.train.config import CHECKPOINTS_NAME, ERROR_PREFIX, FACTS_NAME, FILE_NAME, TrainConfig

_GRACE_S = 25.0
"""Time for a checkpoint after SIGTERM."""
_NUM_LAST_LINES = 20
_AGENT = "elastic/multiprocessing/api.py"
"""With it torchrun begins to say, at length, that a rank ended; why it ended stands in the rank's lines before."""
_CPU_RANKS = 2
_MOST_RESTARTS = 3


def train(
    name: str,
    model: ModelSpec,
    recipe: RecipeSpec,
    *,
    mix: Manifest,
    tokens: Manifest,
    tokenizer: Manifest,
    start: Path | None,
    folder: Path,
    seed: int,
    licenses: Mapping[str, str] | None = None,
) -> Made:
    """The trained model, its metrics and what it was trained with; `start` is the folder of the model it continues.

    Goes on from the last checkpoint that an earlier attempt left in `folder/work`. `licenses`, by source, go on the
    model card. Raises StageError where the mix does not fit the recipe, or where training fails: with its last lines.
    """
    _check_fit(name, recipe, mix)
    work = folder / "work"
    config = TrainConfig(
        name=name,
        architecture=model.architecture,
        start=str(start.absolute()) if start is not None else None,
        base_name=model.start.removeprefix("hf:") if model.start is not None else None,
        recipe=recipe,
        mix=str(mix.folder.absolute()),
        tokens=str(tokens.folder.absolute()),
        tokenizer=str(tokenizer.folder.absolute()),
        folder=str(folder.absolute()),
        work=str(work.absolute()),
        seed=seed,
        licenses=dict(licenses or {}),
    )
    # Outside `work`: to be killed while that is deleted costs no training.
    if not (folder / FACTS_NAME).is_file():
        write_atomically(work / FILE_NAME, config.model_dump_json(indent=1).encode())
        _launch(name, work / FILE_NAME, num_ranks(recipe.parallel, mix.facts["batch_rows"]))
    facts = json.loads((folder / FACTS_NAME).read_bytes()) | _told_by_metrics(folder / "metrics.jsonl")
    made = [(path, kind) for kind in ("model", "adapter") for path in sorted((folder / kind).rglob("*"))]
    files = [(path, kind) for path, kind in made if path.is_file()]
    shards = [shard_of(path, folder, kind) for path, kind in [*files, (folder / "metrics.jsonl", "metrics")]]
    shutil.rmtree(work, ignore_errors=True)
    return Made(shards=tuple(shards), facts=facts)


def _check_fit(name: str, recipe: RecipeSpec, mix: Manifest) -> None:
    got = (mix.facts["sequence_tokens"], mix.facts["batch_rows"])
    want = (recipe.sequence_tokens, recipe.batch_tokens // recipe.sequence_tokens)
    if got != want:
        raise StageError(
            f"{name}: the mix has batches of {got[1]:,} rows of {got[0]:,} tokens, "
            f"but the recipe wants {want[1]:,} rows of {want[0]:,}"
        )


def num_ranks(parallel: ParallelSpec, batch_rows: int) -> int:
    """Processes to start: as the spec says; `auto` is one a GPU, or two without any, or fewer where a batch asks it.

    Raises StageError where they do not divide into the groups that the spec asks for.
    """
    if parallel.strategy == "single":
        return 1
    if parallel.ranks != "auto":
        return parallel.ranks
    most, group = device.num_gpus() or _CPU_RANKS, parallel.shard_ranks or 1
    fitting = [ranks for ranks in range(group, most + 1, group) if batch_rows % ranks == 0]
    if not fitting:
        raise StageError(
            f"`shard_ranks: {group}` and batches of {batch_rows} rows do not fit {most} ranks: lower `shard_ranks`"
        )
    return fitting[-1]


def _launch(name: str, config: Path, ranks: int) -> None:
    """Run torchrun until it ends well. Ranks that died without a word of their own, as one that was killed does, are
    started again from the last checkpoint: so often while there is a newer one, and else once."""
    checkpoints, reached = config.parent / CHECKPOINTS_NAME, ""
    for restart in range(_MOST_RESTARTS + 1):
        status, errors, last = _torchrun(config, ranks)
        if status == 0:
            return
        newest = max((path.name for path in checkpoints.glob("step-*")), default="")
        if errors or restart == _MOST_RESTARTS or (restart and newest == reached):
            raise StageError("\n".join([f"training of {name} ended with status {status}", *(errors or last)]))
        reached = newest
        print(f"training of {name} ended with status {status}; it goes on from {newest or 'the start'}", flush=True)


def _torchrun(config: Path, ranks: int) -> tuple[int, list[str], list[str]]:
    """Its exit status, the errors that ranks told of, and the last lines that they wrote."""
    # One path and no flags: torchrun takes script flags that begin like its own. The address spares a DNS look-up.
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"]
    command += ["--nproc-per-node", str(ranks), "-m", "domainlm.train.loop", str(config)]
    threads = max(1, _cores() // ranks)
    last: deque[str] = deque(maxlen=_NUM_LAST_LINES)
    errors: dict[str, None] = {}
    agent_spoke = False

    def relay(line: str) -> None:
        nonlocal agent_spoke
        told = progress.from_json_line(line)
        if told is not None:
            progress.tell(told.label, told.done, told.total, told.unit, **told.figures)
        elif line.startswith(ERROR_PREFIX):
            errors.setdefault(line.removeprefix(ERROR_PREFIX))
        elif not (agent_spoke := agent_spoke or _AGENT in line):
            last.append(line)

    env = {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false", **_import_path()}
    status = supervise.run(command, on_line=relay, env=env, grace_s=_GRACE_S)
    return status, list(errors), list(last)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _import_path() -> dict[str, str]:
    """What lets the ranks import domainlm from a checkout that is not installed."""
    own = Path(__file__).parents[2]
    if own.name == "site-packages":
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(own), os.environ.get("PYTHONPATH")]))}


def _told_by_metrics(path: Path) -> dict[str, Any]:
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    taken, last = [line for line in lines if "skipped" not in line], lines[-1]
    return {
        "steps": last["step"],
        "skipped": [{"step": line["step"], "why": line["skipped"]} for line in lines if "skipped" in line],
        "tokens": last["tokens"],
        "first_loss": taken[0]["loss"],
        "last_loss": taken[-1]["loss"],
        "realised_share": {source: rows / last["row"] for source, rows in last["sources"].items()},
    }
