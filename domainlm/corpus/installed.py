"""Text that every set-up already has: what domainlm's own dependencies installed, the same wherever the pins are held.

Only the distributions that domainlm requires, directly or through others, are read, so that a developer's extra tools
change no corpus; and none that only a GPU's driver stack brings along.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

from domainlm.errors import DataError

ROOT = "domainlm"
_MIN_MODULE_BYTES = 4096
"""Smaller modules seldom document anything."""
_NEVER_TEXT = (".pyc", ".so", ".h", ".hpp", ".yaml", ".gz", ".js", ".pyi", ".png")
_GPU_ONLY = re.compile(r"nvidia-|cuda-|triton$|pytorch-triton")
_LEGAL_NAME = re.compile(r"(?i)(un)?licen[cs]e|copying|notice|third[-_. ]?party|patents|eula")
_NO_LEGAL_NAME = re.compile(
    r"(?i)authors|contributors|.*\.(py[cio]?|ya?ml|json|toml|js|css|html?|xml|csv|h|so|bin|gz)$"
)
_NO_DOC_NAME = re.compile(r"(?i)(requirements|constraints|entry_points|top_level|sources|cmakelists|authors).*")
_NO_DOC_FOLDER = re.compile(r"(?i)tests?|testing|data|fixtures|vocab.*|resources|.*\.(dist-info|egg-info)")
_TEST_FOLDER = re.compile(r"(?i)tests?|testing|.*_tests?")
_TEST_NAME = re.compile(r"(?i)(test_.*|.*_test|conftest)\.py")


class File(NamedTuple):
    """A line of a RECORD."""

    path: str
    name: str
    folders: list[str]
    digest: str
    num_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One installed file that holds a document."""

    id: str
    """Distribution and path below site-packages: the same on every machine."""
    path: Path
    digest: str
    """As the distribution's RECORD states it."""
    num_bytes: int


@cache
def entries(kind: str) -> tuple[Entry, ...]:
    """Files behind `installed:KIND`, in a fixed order.

    By distribution and path; docstrings by turns, a module of each distribution, so that the first so many come from
    all of them. Raises DataError where `kind` is none of KINDS or a distribution lists no files.
    """
    if kind not in KINDS:
        raise DataError(f"installed:{kind}: no such source; there is {', '.join(sorted(KINDS))}")
    by_distribution = [_entries(name, KINDS[kind]) for name in sorted(required_distributions())]
    if kind == "docstrings":
        return tuple(entry for turn in zip_longest(*by_distribution) for entry in turn if entry is not None)
    return tuple(entry for group in by_distribution for entry in group)


def _entries(name: str, wanted: Callable[[File], bool]) -> list[Entry]:
    site_packages = Path(str(required_distributions()[name].locate_file("")))
    return [
        Entry(
            # torch-2.13.0+cpu and torch-2.13.0 are one distribution on two machines.
            id=f"{name}/" + re.sub(r"\+[\w.]+(?=\.dist-info/)", "", file.path),
            path=site_packages / file.path,
            digest=file.digest,
            num_bytes=file.num_bytes,
        )
        for file in _recorded(name)
        if wanted(file)
    ]


def _is_license(file: File) -> bool:
    if _NO_LEGAL_NAME.match(file.name):
        return False
    return bool(_LEGAL_NAME.match(file.name)) or ".dist-info/licenses/" in file.path


def _is_readme(file: File) -> bool:
    return file.name == "METADATA" and len(file.folders) == 1 and file.folders[0].endswith(".dist-info")


def _is_doc(file: File) -> bool:
    if not file.name.lower().endswith((".md", ".rst", ".txt")) or _NO_DOC_NAME.fullmatch(file.name):
        return False
    return not _is_license(file) and not any(map(_NO_DOC_FOLDER.fullmatch, file.folders))


def _is_module(file: File) -> bool:
    if not file.name.endswith(".py") or file.num_bytes < _MIN_MODULE_BYTES or _TEST_NAME.fullmatch(file.name):
        return False
    return not any(map(_TEST_FOLDER.fullmatch, file.folders))


KINDS: dict[str, Callable[[File], bool]] = {
    "licenses": _is_license,
    "readmes": _is_readme,
    "docs": _is_doc,
    "docstrings": _is_module,
}
"""What `installed:` reads: licence texts; long descriptions; documentation files; docstrings, joined by module."""


@cache
def required_distributions() -> dict[str, Distribution]:
    """Installed distributions that domainlm requires, however deep, by normalised name; itself left out."""
    found: dict[str, Distribution] = {}
    pending, seen = deque([(ROOT, frozenset[str]())]), set()
    while pending:
        wanted = pending.popleft()
        name, extras = wanted
        if wanted in seen or _GPU_ONLY.match(name):
            continue
        seen.add(wanted)
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue  # another platform's, or left out on purpose; the fingerprint says what is there
        for line in found[name].requires or []:
            requirement = Requirement(line)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
                pending.append((_normalised(requirement.name), frozenset(requirement.extras)))
    if found.pop(ROOT, None) is None:
        raise DataError(f"installed: {ROOT} itself is not installed; run `pip install .`")
    return found


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def _recorded(name: str) -> list[File]:
    """The files of a distribution by path, as its RECORD lists them."""
    record = required_distributions()[name].read_text("RECORD")
    if record is None:
        raise DataError(f"installed: {name} lists no files (no RECORD); reinstall it with pip or uv")
    files = []
    for path, digest, num_bytes in csv.reader(record.splitlines()):
        if digest and num_bytes and not path.startswith(("..", "/")) and not path.endswith(_NEVER_TEXT):
            *folders, file_name = path.split("/")
            files.append(File(path, file_name, folders, digest, int(num_bytes)))
    return sorted(files)
