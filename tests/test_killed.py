"""Every stage killed half-way and run again ends in the same bytes as one that was left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm import pipeline
from domainlm.specs.project import load_run

ROOT = Path(__file__).parents[1]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def begin(stage: pipeline.Stage, spec: Path, workspace: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "domainlm", stage.command, str(spec), "--stage", stage.id]
    command += ["--workspace", str(workspace), "--progress", "none"]
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL)


def kill_half_way(stage: pipeline.Stage, spec: Path, workspace: Path) -> None:
    """SIGKILL to the whole process group as soon as the stage has written anything."""
    folder = workspace / stage.kind
    before = set(folder.glob("*"))
    with begin(stage, spec, workspace) as running:
        while running.poll() is None and not any(any(new.iterdir()) for new in set(folder.glob("*/")) - before):
            time.sleep(0.002)
        os.killpg(running.pid, signal.SIGKILL)


def manifests(workspace: Path) -> dict[str, bytes]:
    found = sorted(workspace.glob("*/*/manifest.json"))
    return {path.relative_to(workspace).as_posix(): path.read_bytes() for path in found}


def test_a_run_killed_in_each_stage_ends_in_the_manifests_of_one_that_was_not(
    tmp_path: Path, write_project: Callable[[Path], Path]
) -> None:
    spec = write_project(tmp_path)
    run = load_run(spec)
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for stage in pipeline.stages(run):
        kill_half_way(stage, spec, killed)
        for workspace in (killed, whole):
            with begin(stage, spec, workspace) as running:
                assert running.wait() == 0, stage.id
    assert len(manifests(whole)) == len(pipeline.stages(run))
    assert manifests(killed) == manifests(whole)
    assert set(pipeline.done(run, killed)) == {stage.id for stage in pipeline.stages(run)}
