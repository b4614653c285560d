"""Held-out text for a training to watch: chosen, encoded and counted before it starts, as a file for its ranks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from domainlm.errors import StageError
from domainlm.manifest import Manifest
from domainlm.specs.recipe import RecipeSpec
from domainlm.specs.watch import WatchSpec
from domainlm.tokens import tokenizer as tokenizers

FILE_NAME = "heldout.json"
LINES_NAME = "heldout.jsonl"
"""What the ranks measured of it, a line each time."""
Texts = Callable[[int], Mapping[str, Sequence[str]]]
"""Held-out texts by domain, of so many bytes a domain at most: what evaluation gives to training."""
_FORWARD_STEPS = 0.75
"""What a token costs that is only read, in tokens trained: a third by FLOPs, but three quarters in the small trainings
of the demo, where half of it took 2.8%, 2.8% and 1.9% of their time; `timing.jsonl` has what it really took."""
_LEAST_ROWS = 2
_BYTES_A_TOKEN = 3.0
"""A guess, from which the text is chosen; what it really takes is counted after."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """When held-out text is read, and how much."""

    steps: tuple[int, ...]
    """Steps done by then: 0 is before the first."""
    rows: int
    """Of each domain, each time."""


def budget(spec: WatchSpec, *, num_steps: int, batch_rows: int, num_domains: int) -> Budget:
    """What fits in the share of the training's time; no steps where not even a few rows, twice, do.

    >>> budget(WatchSpec(), num_steps=1000, batch_rows=32, num_domains=2)
    Budget(steps=(0, 125, 250, 375, 500, 625, 750, 875, 1000), rows=47)
    >>> budget(WatchSpec(), num_steps=50, batch_rows=16, num_domains=2)
    Budget(steps=(0, 12, 25, 38, 50), rows=2)
    >>> budget(WatchSpec(), num_steps=5, batch_rows=8, num_domains=2).steps
    ()
    """
    if not num_domains:
        return Budget(steps=(), rows=0)
    each = spec.time_share * num_steps * batch_rows / _FORWARD_STEPS / num_domains
    times = min(spec.times, num_steps)
    if spec.every_steps is not None:
        steps = tuple(sorted({*range(0, num_steps + 1, spec.every_steps), num_steps}))
    else:
        while times > 1 and each < _LEAST_ROWS * (times + 1):
            times -= 1
        steps = tuple(round(n * num_steps / times) for n in range(times + 1))
    rows = int(each / len(steps))
    return Budget(steps=steps if rows else (), rows=rows)


def prepare(
    name: str, recipe: RecipeSpec, texts: Texts, tokenizer: Manifest, *, num_steps: int, batch_rows: int, path: Path
) -> None:
    """Write what a training watches to `path`; StageError where `forgetting` asks for more than there is."""
    spec = recipe.watch
    chosen = texts(spec.text_bytes) if spec.time_share else {}
    plan = budget(spec, num_steps=num_steps, batch_rows=batch_rows, num_domains=len(chosen))
    most_tokens = plan.rows * recipe.sequence_tokens
    if plan.steps and most_tokens * _BYTES_A_TOKEN < spec.text_bytes:
        chosen = texts(int(most_tokens * _BYTES_A_TOKEN))
    _check(name, spec, chosen, plan, num_steps=num_steps, batch_rows=batch_rows)
    domains = {domain: _encoded(documents, tokenizer, most_tokens) for domain, documents in chosen.items()}
    path.write_text(json.dumps({"steps": plan.steps, "domains": domains if plan.steps else {}}), encoding="utf-8")


def _encoded(documents: Sequence[str], tokenizer: Manifest, most_tokens: int) -> dict[str, object]:
    """The documents that fit, each a begin-of-text (else end-of-text) token and its own, and their bytes."""
    library = tokenizers.load(tokenizer)
    begin = _begin_token_id(tokenizer)
    streams: list[list[int]] = []
    num_bytes = 0
    for text in documents:
        ids = [begin, *library.encode(text, add_special_tokens=False).ids]
        if streams and sum(map(len, streams)) + len(ids) > most_tokens:
            break
        streams.append(ids)
        num_bytes += len(text.encode())
    return {"num_bytes": num_bytes, "streams": streams}


def _begin_token_id(tokenizer: Manifest) -> int:
    path = tokenizer.folder / tokenizers.FOLDER / "tokenizer_config.json"
    token = json.loads(path.read_bytes()).get("bos_token") if path.is_file() else None
    token = token.get("content") if isinstance(token, dict) else token
    found = tokenizers.load(tokenizer).token_to_id(token) if token else None
    return tokenizers.end_token_id(tokenizer) if found is None else found


def _check(
    name: str, spec: WatchSpec, chosen: Mapping[str, object], plan: Budget, *, num_steps: int, batch_rows: int
) -> None:
    if spec.forgetting is None:
        return
    missing = [domain for domain in spec.forgetting.domains if domain not in chosen]
    if missing:
        raise StageError(
            f"{name}: `forgetting` of {missing[0]} needs held-out text, and {missing[0]} has none: write "
            f"`heldout_share: 0.02` in data_specs/domains/{missing[0]}.yaml"
        )
    if not plan.steps:
        times = 2 if spec.every_steps is None else num_steps // spec.every_steps + 1
        share = _LEAST_ROWS * times * len(chosen) * _FORWARD_STEPS / (num_steps * batch_rows)
        raise StageError(
            f"{name}: {num_steps:,} steps of {batch_rows} rows leave no time to watch {len(chosen)} domains in "
            f"`time_share: {spec.time_share:g}`: write `time_share: {min(share * 1.01, 1):.2g}` in `watch`"
        )
