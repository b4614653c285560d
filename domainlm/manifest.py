"""A stage is done when its manifest stands in its folder, and only then: it is written last, by atomic rename."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from domainlm import exclusive
from domainlm.digest import canonical, digest, file_digest
from domainlm.errors import ManifestError, StageError
from domainlm.records import Shard

FILE_NAME = "manifest.json"
FORMAT = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """What a stage's function hands back: the files it made and what it counted."""

    shards: tuple[Shard, ...]
    counts: Mapping[str, Any] = field(default_factory=dict)
    """Numbers that add up (documents, tokens, ...), by source and reason."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Anything else that a later stage or the report needs. Never a time or a host name: same inputs, same bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What is asked of a stage. Its digest is the stage's key: same key, same work, done once."""

    stage: str
    """`read`, `corpus`, `tokenizer`, `tokens`, `items`, `mix`, `train`, `evaluate`, `compare`, `report` or `export`."""
    name: str
    """What the person called it: names the folder, and is no part of the key."""
    spec: Any
    """The part of the spec that decides the stage's output; a pydantic model, dict, list or scalar."""
    seed: int
    code: str
    """code_digest of the stage's modules."""
    libraries: Mapping[str, str]
    inputs: Mapping[str, str]
    """Digests of the manifests and outside files that the stage reads, by name."""

    def key(self) -> str:
        return digest({k: v for k, v in asdict_shallow(self).items() if k != "name"} | {"format": FORMAT})

    def folder(self, workspace: Path) -> Path:
        return workspace / self.stage / f"{self.name}-{self.key()[:12]}"


def asdict_shallow(record: Any) -> dict[str, Any]:
    """The fields of a dataclass by name, their values as they are."""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What a stage made, from what, by which spec and code."""

    stage: str
    name: str
    key: str
    spec: Any
    seed: int
    code: str
    libraries: Mapping[str, str]
    inputs: Mapping[str, str]
    counts: Mapping[str, Any]
    facts: Mapping[str, Any]
    shards: tuple[Shard, ...]
    folder: Path
    """Where it was read from; not part of its bytes."""

    def to_json(self) -> dict[str, Any]:
        content = asdict_shallow(self)
        del content["folder"]
        content["shards"] = [asdict(shard) for shard in self.shards]
        return content | {"format": FORMAT}

    def digest(self) -> str:
        """What was made, whatever it was called: the digest that later stages name as their input."""
        made = {"stage": self.stage, "counts": self.counts, "facts": self.facts, "shards": self.shards}
        return digest(made)

    def files(self, kind: str, **where: str) -> list[Shard]:
        """Shards of `kind` whose fields equal `where`, in the manifest's order."""
        return [s for s in self.shards if s.kind == kind and all(getattr(s, k) == v for k, v in where.items())]

    def path(self, shard: Shard) -> Path:
        return self.folder / shard.path

    def only(self, kind: str, **where: str) -> Path:
        """Path of the one shard of `kind`; ManifestError where there is none or there are several."""
        found = self.files(kind, **where)
        if len(found) != 1:
            raise ManifestError(f"{self.folder}: {len(found)} shards of kind {kind!r} {where or ''}, wanted one")
        return self.path(found[0])

    def verify(self) -> None:
        """Raises ManifestError at the first file whose bytes are not those that the manifest says."""
        for shard in self.shards:
            path = self.path(shard)
            if not path.is_file():
                raise ManifestError(f"{path} is missing; delete {self.folder} to make it again")
            if file_digest(path) != shard.sha256:
                raise ManifestError(f"{path} has changed since it was made; delete {self.folder} to make it again")


def shard_of(path: Path, folder: Path, kind: str, **fields: Any) -> Shard:
    """The record of a finished file: its size and sha256 are read off the disk."""
    return Shard(
        path=path.relative_to(folder).as_posix(),
        kind=kind,
        num_bytes=path.stat().st_size,
        sha256=file_digest(path),
        **fields,
    )


def read(folder: Path) -> Manifest | None:
    """The manifest in `folder`, or None where the stage is not done; ManifestError where files are missing or cut."""
    path = folder / FILE_NAME
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise ManifestError(f"{path} is no JSON ({error}); delete {folder} to make it again") from error
    if content.pop("format", None) != FORMAT:
        raise ManifestError(f"{path} was written by another version; delete {folder} to make it again")
    shards = tuple(Shard(**shard) for shard in content.pop("shards"))
    manifest = Manifest(**content, shards=shards, folder=folder)
    for shard in shards:
        file = manifest.path(shard)
        if not file.is_file() or file.stat().st_size != shard.num_bytes:
            raise ManifestError(f"{file} is missing or cut; delete {folder} to make it again")
    return manifest


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees all of it or none, whatever is killed when."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def make(request: Request, workspace: Path, do: Callable[[Path], Made]) -> Manifest:
    """The manifest of `request`: read where the work is done already, else made by `do(folder)` and written last.

    `do` finds in its folder whatever an earlier, killed attempt at the same key left there, and may go on from it. A
    second process that is asked for the same waits for the first, and then reads what that has made. Raises StageError
    where the workspace cannot be written.
    """
    folder = request.folder(workspace)
    done = read(folder)
    if done is not None:
        return done
    with exclusive.held(folder, f"{request.stage}/{request.name}"):
        done = read(folder)
        if done is not None:
            return done
        with exclusive.refused(workspace):
            folder.mkdir(parents=True, exist_ok=True)
        with exclusive.filled(workspace):
            _write(request, folder, do(folder))
    # Read back, so that a later stage sees the same order of keys now as after a restart.
    written = read(folder)
    assert written is not None
    return written


def _write(request: Request, folder: Path, made: Made) -> None:
    manifest = Manifest(
        stage=request.stage,
        name=request.name,
        key=request.key(),
        spec=json.loads(canonical(request.spec)),
        seed=request.seed,
        code=request.code,
        libraries=dict(request.libraries),
        inputs=dict(request.inputs),
        counts=made.counts,
        facts=made.facts,
        shards=tuple(sorted(made.shards, key=lambda s: s.path)),
        folder=folder,
    )
    try:
        content = json.dumps(manifest.to_json(), indent=1, sort_keys=True, allow_nan=False)
    except ValueError as error:
        raise StageError(f"{request.stage}/{request.name}: a count or fact is not a number ({error})") from error
    write_atomically(folder / FILE_NAME, content.encode() + b"\n")
