"""One process at a time works in a folder, and a folder that cannot be written is told in one line."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from domainlm import progress
from domainlm.errors import StageError

_LOOK_EVERY_S = 0.2
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}


@contextlib.contextmanager
def held(folder: Path, label: str) -> Iterator[None]:
    """Inside the block no other process holds `folder`, which need not be there; waits for one that does.

    The lock is on a file beside the folder, which is gone afterwards; the system lets it go when its holder dies,
    however that happens. Raises StageError where nothing can be written there.
    """
    path = folder.with_name(f"{folder.name}.lock")
    begin_s = time.monotonic()
    while (lock := _taken(path)) is None:
        waited_s = time.monotonic() - begin_s
        progress.tell(f"{label}: wait", waited_s, None, "s", on="another process, which makes the same")
        time.sleep(_LOOK_EVERY_S)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        fcntl.flock(lock, fcntl.LOCK_UN)  # a child that was forked meanwhile holds the descriptor, too
        os.close(lock)


def _taken(path: Path) -> int | None:
    """Descriptor of the locked file, or None where another process holds it."""
    with refused(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last holder may have deleted the file after we opened it: then the lock is on nothing.
            if path.stat().st_ino == os.fstat(lock).st_ino:
                return lock
        except (BlockingIOError, FileNotFoundError):
            pass
        except OSError:
            os.close(lock)
            raise
        os.close(lock)
        return None


@contextlib.contextmanager
def refused(folder: Path) -> Iterator[None]:
    """Every refusal of the system inside the block becomes a StageError that names `folder`."""
    try:
        yield
    except OSError as error:
        raise StageError(_said(folder, error)) from error


@contextlib.contextmanager
def filled(folder: Path) -> Iterator[None]:
    """A full or read-only disk inside the block becomes a StageError; other errors stay what they are."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise StageError(_said(folder, error)) from error


def _said(folder: Path, error: OSError) -> str:
    cause = error.strerror or str(error)
    where = f" ({error.filename})" if error.filename else ""
    return (
        f"{folder} cannot be written: {cause}{where}; mend that, or name another place with --workspace. "
        "The same command goes on from here"
    )
