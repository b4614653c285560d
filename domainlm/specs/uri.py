"""What a source's URI names: the same answer for the check, the lock and the reader."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

INSTALLED = ("licenses", "readmes", "docs", "docstrings")
PROTOCOLS = (
    "s3",
    "s3a",
    "gs",
    "gcs",
    "az",
    "abfs",
    "abfss",
    "hdfs",
    "webhdfs",
    "sftp",
    "ftp",
    "https",
    "http",
    "memory",
)
"""What may stand before `://`: places that fsspec reads from, each with its own package."""

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_HUB = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Uri:
    """A URI taken apart, its environment variables filled in."""

    scheme: Literal["files", "remote", "hub", "dataset", "installed", "unknown"]
    """`files`: a path or glob; `remote`: a URL; `hub`: `hf:OWNER/NAME`; `dataset`: `hf:` and a local folder;
    `installed`."""
    target: str
    """The path, the URL, `OWNER/NAME`, or which of the installed texts."""


def parse(uri: str) -> Uri:
    """What `uri` names.

    >>> parse("hf:wikimedia/wikipedia").scheme, parse("hf:./data/wiki").scheme, parse("data/*.jsonl").scheme
    ('hub', 'dataset', 'files')
    >>> parse("installed:licenses").target, parse("s3://bucket/a.jsonl").scheme, parse("gopher://a").scheme
    ('licenses', 'remote', 'unknown')
    """
    filled = expanded(uri)
    if filled.startswith("hf:"):
        target = filled.removeprefix("hf:")
        if target.startswith((".", "/", "~")):
            return Uri(scheme="dataset", target=target)
        return Uri(scheme="hub" if _HUB.fullmatch(target) else "unknown", target=target)
    if filled.startswith("installed:"):
        target = filled.removeprefix("installed:")
        return Uri(scheme="installed" if target in INSTALLED else "unknown", target=target)
    if filled.partition("://")[0] in PROTOCOLS and len(filled.partition("://")[2].strip("/")) > 0:
        return Uri(scheme="remote", target=filled)
    return Uri(scheme="unknown" if re.match(r"\w[\w+.-]+:", filled) else "files", target=filled)


def expanded(uri: str) -> str:
    """`uri` with each `${NAME}` that the environment holds filled in."""
    return _VARIABLE.sub(lambda found: os.environ.get(found[1], found[0]), uri)


def unset(uri: str) -> list[str]:
    """The environment variables that `uri` names and that are not set, or empty."""
    return [name for name in dict.fromkeys(_VARIABLE.findall(uri)) if not os.environ.get(name)]


def files_of(uri: Uri, root: Path) -> list[Path]:
    """The files that a `files` or `dataset` URI names, sorted; none where nothing matches.

    A folder stands for all the files below it.
    """
    try:
        return _files(uri, root)
    except (OSError, ValueError):  # no path can be so long, or hold a zero byte
        return []


def _files(uri: Uri, root: Path) -> list[Path]:
    path = root / uri.target
    if uri.scheme == "dataset" or path.is_dir():
        return [p for p in sorted(path.rglob("*")) if p.is_file()]
    pattern = uri.target if Path(uri.target).is_absolute() else f"{glob.escape(str(root))}/{uri.target}"
    return [Path(name) for name in sorted(glob.glob(pattern, recursive=True)) if Path(name).is_file()]  # noqa: PTH207
