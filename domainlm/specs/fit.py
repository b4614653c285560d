"""The models of a run fit their starts, their lengths and their mixes."""

from __future__ import annotations

import difflib
import glob
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.specs.flow import line, shown
from domainlm.specs.mix import MixSpec
from domainlm.specs.read import Problems, Reading
from domainlm.specs.run import RunSpec
from domainlm.specs.tree import Key
from domainlm.specs.uri import Uri, expanded, files_of, parse, unset


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where a model's weights come from in the end."""

    model: str
    """The model of the run that is made from scratch, or that names the one outside."""
    outside: str | None
    """`hf:OWNER/MODEL` or a folder; None for a model made from scratch."""


def origin_of(spec: RunSpec, name: str) -> Origin | None:
    """Follows `start` from model to model; None where the chain has no beginning."""
    seen: set[str] = set()
    while name not in seen:
        seen.add(name)
        start = spec.models[name].start
        if start is None:
            return Origin(model=name, outside=None)
        if start not in spec.models:
            return Origin(model=name, outside=start) if is_outside(start) else None
        name = start
    return None


def is_outside(start: str) -> bool:
    """Whether `start` is written as something outside the run: on the hub, or a folder.

    >>> is_outside("hf:owner/model"), is_outside("./models/base"), is_outside("base")
    (True, True, False)
    """
    return start.startswith(("hf:", ".", "$")) or "/" in start


def check_starts(run: Reading[RunSpec], root: Path, problems: Problems) -> None:
    """Add each `start` that names nothing, that is in a circle, or that is a folder without a model."""
    spec = run.spec
    assert spec is not None
    told: set[str] = set()
    for name, model in spec.models.items():
        key = ("models", name, "start")
        start = model.start
        if start is None or name in told:
            continue
        if start in spec.models:
            circle = _circle(spec, name)
            if circle and not told & set(circle):
                told.update(circle)
                want = "a chain that begins with an `architecture`, the hub or a folder"
                got = " -> ".join([*circle, circle[0]])
                problems.add(run, key, got=got, want=want, fix="write `start: hf:OWNER/MODEL` at one of them")
        elif not is_outside(start):
            near = difflib.get_close_matches(start, [other for other in spec.models if other != name], 1)
            want = f"one of {', '.join(sorted(set(spec.models) - {name}))}, hf:OWNER/MODEL, or a folder such as ./model"
            fix = f"write `start: {near[0] if near else f'./{start}'}`"
            problems.add(run, key, got=start, want=want, fix=fix)
        else:
            check_outside(run, key, start, root, "config.json", problems)


def _circle(spec: RunSpec, name: str) -> list[str]:
    path: list[str] = []
    here: str | None = name
    while here in spec.models and here is not None and here not in path:
        path.append(here)
        here = spec.models[here].start
    return path if here == name else []


def check_outside(
    reading: Reading[Any], key: tuple[str, ...], uri: str, root: Path, file: str, problems: Problems
) -> None:
    """Add a URI that is no place on the hub and no folder with `file`."""
    missing = unset(uri)
    for name in missing:
        got = f"{uri}, but the environment has no {name}"
        problems.add(reading, key, got=got, want=f"{name} set, to a folder", fix=f"export {name}=/path/to/it")
    if missing or (uri.startswith("hf:") and parse(uri).scheme == "hub"):
        return
    want = f"hf:OWNER/MODEL, or a folder that holds {file}"
    if uri.startswith("hf:"):
        problems.add(reading, key, got=uri, want=want, fix=f"write `{line(key[-1], uri.removeprefix('hf:'))}`")
    elif not files_of(Uri(scheme="files", target=f"{glob.escape(expanded(uri))}/{file}"), root):
        fix = f"write `{line(key[-1], 'hf:OWNER/MODEL')}`, or put it there: ls {shown(root / expanded(uri))}"
        problems.add(reading, key, got=f"{uri}, which holds no {file}", want=want, fix=fix)


def check_lengths(run: Reading[RunSpec], root: Path, problems: Problems) -> None:
    """Add each recipe whose rows are longer than a model that it trains can read."""
    spec = run.spec
    assert spec is not None
    for name, model in spec.models.items():
        origin = origin_of(spec, name)
        recipe = spec.recipes.get(model.recipe or "")
        if origin is None or recipe is None:
            continue
        architecture = spec.models[origin.model].architecture
        limit = architecture.max_position if architecture else config_of(origin.outside, root).get(_POSITIONS)
        if isinstance(limit, int) and recipe.sequence_tokens > limit:
            source = f"`max_position` of {origin.model}" if architecture else f"`{_POSITIONS}` of {origin.outside}"
            key = ("recipes", model.recipe or "", "sequence_tokens")
            fix = f"write `sequence_tokens: {limit}`"
            problems.add(run, key, got=str(recipe.sequence_tokens), want=f"at most {limit}, the {source}", fix=fix)


_POSITIONS = "max_position_embeddings"


def config_of(outside: str | None, root: Path) -> dict[str, Any]:
    """`config.json` of a model in a local folder; empty for one on the hub."""
    if outside is None or outside.startswith("hf:"):
        return {}
    return object_in(root / expanded(outside) / "config.json")


def object_in(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds; empty where there is none."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def check_budgets(run: Reading[RunSpec], mixes: Mapping[str, Reading[MixSpec]], problems: Problems) -> None:
    """Add each mix that is smaller than one batch of a recipe that takes from it."""
    spec = run.spec
    assert spec is not None
    for name, model in spec.models.items():
        recipe, mix = spec.recipes.get(model.recipe or ""), mixes.get(model.mix or "")
        for key, tokens in _budgets(mix.spec) if recipe is not None and mix is not None and mix.spec else ():
            assert recipe is not None and mix is not None
            if tokens < recipe.batch_tokens:
                want = f"at least one batch of {model.recipe}, which trains {name}: {recipe.batch_tokens} tokens"
                fix = f"write `budget_tokens: {recipe.batch_tokens}`"
                problems.add(mix, key, got=str(tokens), want=want, fix=fix)


def _budgets(mix: MixSpec) -> list[tuple[Key, int]]:
    """Where the budget of each phase stands, and its tokens."""
    keys: list[Key] = [("phases", index, "budget_tokens") for index in range(len(mix.phases))]
    return list(zip(keys or [("budget_tokens",)], (phase.budget_tokens for phase in mix.stretches), strict=True))
