"""The train stage: from a mix and a beginning to a model folder, by torchrun's processes, which die with us."""

from __future__ import annotations

import io
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from domainlm import progress
from domainlm.errors import StageError
from domainlm.manifest import FILE_NAME as MANIFEST_NAME
from domainlm.manifest import Made, Manifest, shard_of, write_atomically
from domainlm.specs.recipe import RecipeSpec
from domainlm.specs.run import ModelSpec
from domainlm.specs.watch import TrackSpec
from domainlm.tokens import transfer
from domainlm.train import heldout, track
from domainlm.train.config import FACTS_NAME, FILE_NAME, TrainConfig
from domainlm.train.launch import Nodes, launch, num_ranks

_POLL_S = 0.5
_STATIC = "static.npy"


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
    texts: heldout.Texts = lambda num_bytes: {},
    follow: TrackSpec | None = None,
    profile: Path | None = None,
    new_vocabulary: bool = False,
) -> Made:
    """The trained model, its metrics and what it was trained with; `start` is the folder of the model it continues,
    which gets embeddings for a `new_vocabulary`: then the tokenizer's stage says what that is made of.

    Goes on from the last checkpoint that an earlier attempt left in `folder/work`. `licenses`, by source, go on the
    model card; `texts` gives the held-out text that is watched; `follow` says who else is told of each step. With
    `profile`, a folder, a few steps are profiled into it, and nothing else is made.
    Raises StageError where the mix does not fit the recipe, or where training fails: with its last lines.
    """
    _check_fit(name, recipe, mix)
    follow, work, nodes = follow or TrackSpec(), folder / "work", Nodes.from_environment()
    track.check(follow)
    made_of = next((tokenizer.path(shard) for shard in tokenizer.files(transfer.KIND)), None)
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
        transfer=str(made_of.absolute()) if made_of is not None and new_vocabulary else None,
        new_rows=model.new_rows,
        static=str((work / _STATIC).absolute()) if model.new_rows == "focus" and new_vocabulary else None,
        licenses=dict(licenses or {}),
        track=follow if profile is None else TrackSpec(),
        profile=str(profile.absolute()) if profile is not None else None,
    )
    batch_rows = mix.facts["batch_rows"]
    # Outside `work`: to be killed while that is deleted costs no training.
    if not (folder / FACTS_NAME).is_file():
        work.mkdir(parents=True, exist_ok=True)
        if profile is None:
            sizes = {"num_steps": mix.facts["rows"] // batch_rows, "batch_rows": batch_rows}
            heldout.prepare(name, recipe, texts, tokenizer, path=work / heldout.FILE_NAME, **sizes)
        if config.static is not None and not Path(config.static).is_file():
            _save_static(Path(config.static), tokens)
        write_atomically(work / FILE_NAME, config.model_dump_json(indent=1).encode())
        launch(name, work / FILE_NAME, num_ranks(recipe.parallel, batch_rows, nodes.count), nodes)
    if profile is not None:
        return Made(shards=())
    return _made(folder)


def _made(folder: Path) -> Made:
    """What the ranks left in the stage's folder; the work that led to it goes."""
    facts = json.loads((folder / FACTS_NAME).read_bytes()) | _told_by_metrics(folder / "metrics.jsonl")
    made = [(path, kind) for kind in ("model", "adapter") for path in sorted((folder / kind).rglob("*"))]
    files = [(path, kind) for path, kind in made if path.is_file()]
    files += [(folder / "metrics.jsonl", "metrics")]
    files += [(folder / heldout.LINES_NAME, "heldout")] if (folder / heldout.LINES_NAME).is_file() else []
    shards = tuple(shard_of(path, folder, kind) for path, kind in files)
    shutil.rmtree(folder / "work", ignore_errors=True)
    return Made(shards=shards, facts=facts)


def lend(name: str, recipe: RecipeSpec, batch_rows: int, folder: Path) -> None:
    """Train as one of several machines, not the first: its processes work on what the first one makes in `folder`."""
    nodes = Nodes.from_environment()
    path = folder / "work" / FILE_NAME
    while not path.is_file():
        if (folder / MANIFEST_NAME).is_file() or (folder / FACTS_NAME).is_file():
            return
        progress.tell(f"train: {name}", 0, None, "steps", waiting="for the first node")
        time.sleep(_POLL_S)
    launch(name, path, num_ranks(recipe.parallel, batch_rows, nodes.count), nodes)


def _save_static(path: Path, tokens: Manifest) -> None:
    from domainlm.tokens.static import static_embeddings

    written = io.BytesIO()
    np.save(written, static_embeddings(tokens), allow_pickle=False)
    write_atomically(path, written.getvalue())


def _check_fit(name: str, recipe: RecipeSpec, mix: Manifest) -> None:
    got = (mix.facts["sequence_tokens"], mix.facts["batch_rows"])
    want = (recipe.sequence_tokens, recipe.batch_tokens // recipe.sequence_tokens)
    if got != want:
        raise StageError(
            f"{name}: the mix has batches of {got[1]:,} rows of {got[0]:,} tokens, "
            f"but the recipe wants {want[1]:,} rows of {want[0]:,}"
        )


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
