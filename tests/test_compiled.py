"""Kernels that were compiled from other sources are never run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from domainlm.compiled import sources_digest

CALLER = "import numba\nfrom made.callee import two\n@numba.njit(cache=True)\ndef call():\n    return two()\n"
CALLEE = "import numba\n@numba.njit(cache=True)\ndef two():\n    return 2\n"


def test_a_kernel_is_compiled_anew_when_one_that_it_calls_changes(tmp_path: Path) -> None:
    package = tmp_path / "made"
    package.mkdir()
    (package / "caller.py").write_text(CALLER)

    def result(callee: str) -> str:
        (package / "callee.py").write_text(callee)
        kept = tmp_path / sources_digest(package)
        # Python's own .pyc knows a source by its size and its second: both can be the same for the two callees.
        fresh = {"NUMBA_CACHE_DIR": str(kept), "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        environment = os.environ | fresh
        command = [sys.executable, "-c", "from made.caller import call; print(call())"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()

    assert result(CALLEE) == "2"
    assert result(CALLEE.replace("return 2", "return 3")) == "3"


def test_only_files_with_kernels_count(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(CALLEE)
    before = sources_digest(tmp_path)
    (tmp_path / "b.py").write_text("print()\n")
    assert sources_digest(tmp_path) == before
    (tmp_path / "a.py").write_text(CALLEE + "\n")
    assert sources_digest(tmp_path) != before
