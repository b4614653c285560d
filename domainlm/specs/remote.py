"""The one door to fsspec: what lies behind a URL, each file with a mark that changes when its content does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domainlm.errors import DataError

_EXTRAS = {"s3": "'domainlm[s3]'", "s3a": "'domainlm[s3]'", "gs": "gcsfs", "gcs": "gcsfs", "sftp": "paramiko"}
_EXTRAS |= dict.fromkeys(("az", "abfs", "abfss"), "adlfs") | {"webhdfs": "requests", "hdfs": "pyarrow"}
_SUMS = ("ETag", "etag", "checksum", "md5Hash", "crc32c", "Content-MD5", "content_settings.content_md5")
_DATES = ("LastModified", "last_modified", "mtime", "modified", "updated", "created")


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteFile:
    """A file behind a URL."""

    name: str
    """Below the URL's folder."""
    num_bytes: int
    mark: str
    """Its size, and its checksum or date as its server states it."""


def wanting(url: str) -> str:
    """The command that installs what reading `url` needs, or empty where it is there."""
    # A second of imports, for the few specs that name a URL.
    import fsspec

    protocol = url.partition("://")[0]
    try:
        fsspec.get_filesystem_class(protocol)
    except ImportError:
        return f"pip install {_EXTRAS.get(protocol, 'fsspec[' + protocol + ']')}"
    return ""


def listed(url: str) -> tuple[str, list[RemoteFile]]:
    """The folder of `url` (a URL itself), and the files below it that are meant, sorted by name.

    A folder stands for all files below it, a glob for those that it matches; over http, which has no folders, the URL
    is one file. Raises DataError where nothing is there, the package or the connection is wanting, or a file has
    neither checksum nor date, so that its change would not be seen.
    """
    from fsspec.core import url_to_fs

    missing = wanting(url)
    if missing:
        raise DataError(f"{url}: the package that reads it is not installed; run `{missing}`")
    try:
        filesystem, path = url_to_fs(url)
        filesystem.invalidate_cache()
        found = _found(filesystem, path, is_web=url.startswith("http"))
    except Exception as error:  # each kind of file system has errors of its own
        why = f"{type(error).__name__}: {error}".partition("\n")[0][:200].rstrip(": ")
        raise DataError(f"{url}: cannot be listed ({why}); mend `uri`, the credentials or the connection") from error
    if not found:
        raise DataError(f"{url}: no file is there; correct `uri`, or put the files in place")
    folder = _folder(path, found)
    files = [
        RemoteFile(name=name.removeprefix(folder + "/"), num_bytes=int(info["size"]), mark=_mark(url, name, info))
        for name, info in sorted(found.items())
    ]
    return folder if "://" in folder else filesystem.unstrip_protocol(folder), files


def _found(filesystem: Any, path: str, *, is_web: bool) -> dict[str, dict[str, Any]]:
    if is_web:
        return {path: filesystem.info(path)}
    if any(sign in path for sign in "*?["):
        found = filesystem.glob(path, detail=True)
    elif filesystem.isdir(path):
        found = filesystem.find(path, detail=True)
    elif filesystem.exists(path):
        found = {path: filesystem.info(path)}
    else:
        found = {}
    return {name: info for name, info in found.items() if info["type"] == "file"}


def _folder(path: str, found: Mapping[str, object]) -> str:
    """The last folder of `path` that is written without signs of a glob; the folder of a single file."""
    parts = path.rstrip("/").split("/")
    whole = next((number for number, part in enumerate(parts) if any(sign in part for sign in "*?[")), len(parts))
    folder = "/".join(parts[:whole])
    return folder.rpartition("/")[0] if folder in found else folder


def _mark(url: str, name: str, info: Mapping[str, Any]) -> str:
    size = info.get("size")
    for key in (*_SUMS, *_DATES):
        if size is not None and info.get(key):
            return f"{size} bytes, {key} {info[key]}"
    wanted = "size" if size is None else "checksum or date"
    raise DataError(f"{url}: {name} has no {wanted}, so its change would not be seen; download it and name the copy")
