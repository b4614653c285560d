"""Where compiled kernels are kept: a folder for each state of their sources.

numba looks only at the file of the function that is called: where that one calls a kernel in another file, and the
other file changes, numba would go on with what it compiled before, and the same code would not give the same bytes.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MARK = b"njit"


def keep() -> None:
    """Have numba keep what it compiles apart by the sources; called before numba is imported."""
    os.environ.setdefault(
        "NUMBA_CACHE_DIR", str(_base() / "domainlm" / f"kernels-{sources_digest(Path(__file__).parent)}")
    )


def lean() -> None:
    """Spare this process what pyarrow and numba, where it is imported, bring along at their first use for nothing.

    numba imports scipy's linear algebra and a parser of C to see whether they are there, and pyarrow all of pandas:
    0.7 seconds for a process that uses none of them. Kernels can neither multiply matrices nor call C after this;
    pandas may still be asked for by name.
    """
    with _without("pandas"):
        importlib.import_module("pyarrow").array([0])
    if "numba" in sys.modules:
        with _without("scipy"):
            importlib.import_module("numba.np.arraymath")
        with _without("cffi"):
            importlib.import_module("numba.core.typing.cffi_utils")


class _Missing:
    """A finder of modules to which one is not installed."""

    def __init__(self, module: str):
        self.module = module

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == self.module:  # numba itself imports the bare module
            raise ModuleNotFoundError(f"{name}: not wanted", name=name)


@contextmanager
def _without(module: str) -> Iterator[None]:
    """As if the module were not installed, unless it is imported already."""
    finder = _Missing(module)
    sys.meta_path.insert(0, finder)  # type: ignore[arg-type]
    try:
        yield
    finally:
        sys.meta_path.remove(finder)  # type: ignore[arg-type]


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
