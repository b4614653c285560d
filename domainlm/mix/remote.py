"""Token shards at a URL: each is brought here when it is first read, checked, and kept under the digest of its bytes.

A URL is anything that fsspec opens (`s3://`, `gs://`, `https://`, `file://`): the folder of a finished tokens stage.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from domainlm import manifest
from domainlm.digest import digest, file_digest
from domainlm.errors import ManifestError
from domainlm.manifest import Manifest, write_atomically
from domainlm.records import Shard

POINTER = "remote.json"
"""In the folder of a manifest whose shards are elsewhere: where."""
_BLOCK_BYTES = 2**22


def cache_folder() -> Path:
    """What DOMAINLM_CACHE names, else `domainlm` in the user's cache."""
    named = os.environ.get("DOMAINLM_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "domainlm"


def manifest_at(place: str, cache: Path | None = None) -> Manifest | None:
    """The manifest of the finished stage in a folder or at a URL; None where a folder has none.

    Raises ManifestError where a URL has none.
    """
    if "://" not in place:
        return manifest.read(Path(place))
    cache = cache or cache_folder()
    with _opened(f"{place.rstrip('/')}/{manifest.FILE_NAME}") as file:
        content = file.read()
    folder = cache / "manifests" / digest([place, content.decode()])
    write_atomically(folder / manifest.FILE_NAME, content)
    write_atomically(folder / POINTER, json.dumps({"url": place.rstrip("/"), "cache": str(cache)}).encode())
    fields = json.loads(content)
    if fields.pop("format", None) != manifest.FORMAT:
        raise ManifestError(f"{place} was written by another version; make it again")
    return Manifest(**fields | {"shards": tuple(Shard(**shard) for shard in fields["shards"])}, folder=folder)


def place_of(stage: Manifest) -> Callable[[Shard], Path] | None:
    """What brings the shards of a manifest here, where they are at a URL; None where they lie in its folder."""
    pointer = stage.folder / POINTER
    if not pointer.is_file():
        return None
    told = json.loads(pointer.read_bytes())
    return lambda shard: fetch(f"{told['url']}/{shard.path}", shard, Path(told["cache"]))


def fetch(url: str, shard: Shard, cache: Path) -> Path:
    """Where a shard's bytes are in the cache, fetched now unless they are there.

    Raises ManifestError where `url` cannot be read, or holds other bytes than the manifest says.
    """
    path = cache / "shards" / shard.sha256[:2] / shard.sha256
    if path.is_file() and path.stat().st_size == shard.num_bytes:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with _opened(url) as source, part.open("wb") as out:
            shutil.copyfileobj(source, out, _BLOCK_BYTES)
            out.flush()
            os.fsync(out.fileno())
        if file_digest(part) != shard.sha256:
            raise ManifestError(f"{url} holds other bytes than its manifest says; copy the stage's folder there again")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _opened(url: str) -> IO[bytes]:
    import fsspec  # takes its time, and who reads local files needs none of it

    try:
        opened: Any = fsspec.open(url, "rb")
        return opened.open()
    except (OSError, ImportError, ValueError) as error:
        raise ManifestError(f"{url} cannot be read: {error}") from error
