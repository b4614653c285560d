"""A real sweep of tiny proxies as a person starts it, ended in the middle and begun again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
SWEEP = "data_specs/sweeps/bears.yaml"
COMMAND = [sys.executable, "-m", "domainlm", "mix", "sweep", SWEEP, "--workers", "2", "--json"]
TEXT = """\
name: bears
run: tiny
mix: half
domain: legal
domain_shares: [0.0, 0.3, 0.7, 1.0]
budget_tokens: [2k]
proxies: [base]
recipe: short
general_tolerance: 0.5
"""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if "PREFECT" not in name} | {"PYTHONPATH": str(ROOT)}


def test_a_sweep_that_is_ended_goes_on_where_it_was_and_recommends_a_share(
    tmp_path: Path, write_project: Callable[[Path], Path]
) -> None:
    write_project(tmp_path)
    (tmp_path / SWEEP).parent.mkdir()
    (tmp_path / SWEEP).write_text(TEXT, encoding="utf-8")
    pipe = subprocess.PIPE
    command = [*COMMAND, "--progress", "json"]  # A line whenever something changes.
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=pipe, stdout=pipe, text=True) as running:
        assert running.stdout is not None
        # Two at once, on two slots.
        assert any(re.search(r"\"now\":.*train/base-[\d.]+-2k, train/base-[\d.]+-2k", line) for line in running.stdout)
        processes = psutil.Process(running.pid).children(recursive=True)
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) != 0
        assert not psutil.wait_procs(processes, timeout=10)[1]
    before = {path: path.read_bytes() for path in (tmp_path / "workspace").glob("*/*/manifest.json")}
    assert any(path.parts[-3] == "evaluate" for path in before)
    ran = subprocess.run(COMMAND, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=500)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout.splitlines()[-1])
    assert [one["asked_share"] for one in told["proxies"]] == [0.0, 0.3, 0.7, 1.0]
    assert 0 <= told["recommended"]["share"]["low"] <= told["recommended"]["share"]["value"] <= 1
    assert Path(told["picture"]).read_text().startswith("<svg")
    assert {path: path.read_bytes() for path in before} == before
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "workspace").rglob("*")}
    again = subprocess.run(COMMAND, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=100)
    assert again.returncode == 0 and again.stdout == ran.stdout
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "workspace").rglob("*")} == times
