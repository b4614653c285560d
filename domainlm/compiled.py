"""Where compiled kernels are kept: a folder for each state of their sources.

numba looks only at the file of the function that is called: where that one calls a kernel in another file, and the
other file changes, numba would go on with what it compiled before, and the same code would not give the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

_MARK = b"njit"


def keep() -> None:
    """Have numba keep what it compiles apart by the sources; called before numba is imported."""
    os.environ.setdefault(
        "NUMBA_CACHE_DIR", str(_base() / "domainlm" / f"kernels-{sources_digest(Path(__file__).parent)}")
    )


def sources_digest(package: Path) -> str:
    """Digest of the files of `package` that hold kernels."""
    sha256 = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        content = path.read_bytes()
        if _MARK in content:
            sha256.update(path.relative_to(package).as_posix().encode() + b"\0" + content + b"\0")
    return sha256.hexdigest()[:16]


def _base() -> Path:
    """The user's cache, or the system's temporary folder where there is no home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return Path(tempfile.gettempdir())
