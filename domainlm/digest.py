"""Digests: the same value, file or code gives the same sha256 on every machine."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.metadata
import json
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel

_IMPORT = re.compile(
    rf"^[ \t]*(?:import (?P<plain>{__package__}\b.*)"
    rf"|from (?P<module>{__package__}(?:\.\w+)*) import (?P<names>\([^)]*\)|.*))",
    re.MULTILINE,
)
_NAME = re.compile(r"[\w.]+")
_VERSION = re.compile(r"^Version: (\S+)\s*$", re.MULTILINE)


def canonical(value: Any) -> bytes:
    """`value` as JSON bytes with sorted keys and no spaces; raises TypeError on what JSON cannot say.

    >>> canonical({"b": 1, "a": (1.5, None)})
    b'{"a":[1.5,null],"b":1}'
    """
    return json.dumps(
        value, default=_plain, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    raise TypeError(f"no canonical form for {type(value).__name__}")


def digest(value: Any) -> str:
    """sha256 of the canonical form of `value`, in hexadecimal (64 characters)."""
    return hashlib.sha256(canonical(value)).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def known_digest(path: Path) -> str:
    """`file_digest`, made once by a process as long as size and times of the file stay: for large files.

    Inside `recalled`, what earlier processes made counts as well.
    """
    found = path.stat()
    state = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    recalled = _recalled.get(str(path))
    return recalled[1] if recalled is not None and tuple(recalled[0]) == state else _known_digest(path, *state)


@functools.lru_cache(maxsize=100_000)
def _known_digest(path: Path, *state: int) -> str:
    begun_ns = time.time_ns()
    found = file_digest(path)
    # As git does: what changed just before it was read may change once more within the clock's same tick.
    if begun_ns - max(state[-2:]) > _SETTLED_NS:
        _made[str(path)] = (state, found)
    return found


Known = dict[str, tuple[Sequence[int], str]]
"""State and digest of files by path."""
_recalled: Known = {}
_made: Known = {}
_SETTLED_NS = 2 * 10**9


@contextmanager
def recalled(file: Path) -> Iterator[None]:
    """Inside the block, a file whose inode, size and times are as `remembered` once said is not read again.

    For looking, such as at a plan. What makes a stage reads its inputs: a disk can change without its times.
    """
    global _recalled
    try:
        _recalled = json.loads(file.read_bytes())
    except (OSError, ValueError):
        _recalled = {}
    try:
        yield
    finally:
        _recalled = {}


def remembered(file: Path) -> bytes | None:
    """What `file` should hold so that `recalled` knows the digests that this process made; None where it does."""
    try:
        before: dict[str, object] = json.loads(file.read_bytes())
    except (OSError, ValueError):
        before = {}
    after = before | {path: [list(state), sha256] for path, (state, sha256) in _made.items()}
    return None if after == before else canonical(after)


def seed_for(seed: int, *names: str) -> int:
    """A seed in [0, 2**63) for what `names` name: adding a source changes no other source's seed.

    >>> seed_for(1, "law") == seed_for(1, "law") != seed_for(1, "finance")
    True
    """
    return int.from_bytes(hashlib.sha256(canonical([seed, *names])).digest()[:8], "big") >> 1


@functools.cache
def code_digest(*modules: str) -> str:
    """sha256 over the source of `modules` and of every module of ours that they import, however deep.

    A module that is loaded by name (a filter, an objective) is not seen in the imports: name its package.
    """
    sources: dict[str, str] = {}
    pending = list(modules)
    while pending:
        module = pending.pop()
        if module in sources:
            continue
        path = _source_path(module)
        if path is None:
            continue
        sources[module], imported = _source(path)
        pending.extend(imported)
        if path.name == "__init__.py" and module in modules and "." in module:
            pending.extend(f"{module}.{p.stem}" for p in sorted(path.parent.glob("*.py")) if p.stem != "__init__")
    return digest(sources)


@functools.cache
def _source_path(module: str) -> Path | None:
    root = Path(__file__).parent
    parts = module.split(".")
    if parts[0] != root.name:
        return None
    stem = root.joinpath(*parts[1:])
    return next((p for p in (stem.with_suffix(".py"), stem / "__init__.py") if p.is_file()), None)


@functools.cache
def _source(path: Path) -> tuple[str, tuple[str, ...]]:
    """sha256 of a source file, and the modules that it may import, each once."""
    text = path.read_text(encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest(), tuple(dict.fromkeys(_imports(text)))


def _imports(source: str) -> Iterable[str]:
    """Modules of ours that `source` may import; a line of a text that looks like an import counts as one.

    Not by `ast`, which takes half a second for each command.
    """
    for match in _IMPORT.finditer(source):
        if match["plain"]:
            yield from _NAME.findall(match["plain"])
            continue
        yield match["module"]
        yield from (f"{match['module']}.{name}" for name in _NAME.findall(match["names"]))


def library_versions(*names: str) -> dict[str, str]:
    """Installed versions of the distributions that decide a stage's bytes."""
    return {name: _version(name) for name in sorted(names)}


@functools.cache
def _version(name: str) -> str:
    """As `importlib.metadata.version`, which reads the whole description for it: 5 ms for each of thirty."""
    found = importlib.metadata.distribution(name)
    line = _VERSION.search((found.read_text("METADATA") or "").partition("\n\n")[0])
    return line[1] if line is not None else found.version
