"""What a run's mixes were made of, written down: a rebuild is the same to the byte, or it says what is not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domainlm.digest import digest
from domainlm.errors import DataError
from domainlm.manifest import Manifest, write_atomically

_FORMAT = 1


def lock_path(root: Path, run: str) -> Path:
    """Where the lock of a run's mixes lies."""
    return root / "data_specs" / "locks" / f"mix-{run}.json"


def held(root: Path, run: str) -> Mapping[str, Any]:
    """By model, what its mix is held to; empty where it was never locked. DataError where the file is no lock."""
    path = lock_path(root, run)
    try:
        content = json.loads(path.read_bytes())
        if content.pop("format") != _FORMAT:
            raise ValueError("another format")
        return dict(content["models"])
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is no lock ({error}); delete it and run `domainlm mix lock` again") from error


def write(root: Path, run: str, mixes: Mapping[str, tuple[Mapping[str, Any], int]], tokens: Manifest) -> Path:
    """Locks the finished mixes of a run: by model, the facts of its mix and its seed; returns the lock's path."""
    path = lock_path(root, run)
    models = {model: account(facts, seed, tokens) for model, (facts, seed) in mixes.items()}
    content = json.dumps({"format": _FORMAT, "models": models}, indent=1, sort_keys=True)
    write_atomically(path, content.encode() + b"\n")
    return path


def account(facts: Mapping[str, Any], seed: int, tokens: Manifest) -> dict[str, Any]:
    """What decides every byte that a mix gives: its order, and each source's documents, tokens and their digest."""
    sources: dict[str, dict[str, Any]] = {}
    for name in facts["sources"]:
        domain, _, source = name.partition("/")
        shards = [
            shard
            for kind in ("tokens", "ends")
            for shard in tokens.files(kind, domain=domain, source=source, split="train")
        ]
        sources[name] = {
            "docs": sum(shard.num_docs for shard in shards) // 2,
            "tokens": sum(shard.num_tokens for shard in shards) // 2,
            "rows": facts["sources"][name]["rows"],
            "digest": digest([shard.sha256 for shard in shards]),
        }
    return {"seed": seed, "order": digest([facts, seed]), "sources": sources}


def check(held: Mapping[str, Any], found: Mapping[str, Any], *, path: Path, run: Path) -> None:
    """Raises DataError, naming the first thing that differs, where a mix is not what its lock says."""
    for name in sorted({*held["sources"], *found["sources"]}):
        was, now = held["sources"].get(name), found["sources"].get(name)
        if was != now:
            raise DataError(
                f"{path}: {name} is not as it was locked: {_told(was)} then, {_told(now)} now.\n"
                f"Bring back what it was read from, or lock what there is now: domainlm mix lock {run}"
            )
    if held != found:
        raise DataError(
            f"{path}: the sources are as they were locked, but the ratio, the rows or the seed are not.\n"
            f"Bring back the spec, or lock what there is now: domainlm mix lock {run}"
        )


def _told(source: Mapping[str, Any] | None) -> str:
    if source is None:
        return "not in the mix"
    return f"{source['tokens']:,} tokens in {source['docs']:,} documents ({source['digest'][:12]})"
