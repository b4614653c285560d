"""Two commands that meet on the loopback, as two machines would: one is lost, comes back, and all goes on."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from domainlm import pipeline
from domainlm.errors import StageError
from domainlm.specs.project import Run, load_run
from domainlm.specs.recipe import ParallelSpec
from domainlm.train import metrics
from domainlm.train.launch import Nodes, num_ranks

NUM_STEPS = 40


def test_a_node_that_is_not_among_them_or_has_no_meeting_place_is_told(monkeypatch: pytest.MonkeyPatch):
    assert Nodes.from_environment() == Nodes()
    monkeypatch.setenv("DOMAINLM_NODES", "2")
    with pytest.raises(StageError, match=r"--nodes 2 needs the address of the first: --rendezvous HOST:29400"):
        Nodes.from_environment()
    monkeypatch.setenv("DOMAINLM_RENDEZVOUS", "one:29400")
    monkeypatch.setenv("DOMAINLM_NODE", "2")
    with pytest.raises(StageError, match=r"--node 2 of --nodes 2: they are counted from 0"):
        Nodes.from_environment()
    monkeypatch.setenv("DOMAINLM_NODE", "1")
    assert Nodes.from_environment() == Nodes(count=2, node=1, rendezvous="one:29400")


def test_ranks_are_spread_over_the_nodes_alike(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("domainlm.train.device.num_gpus", lambda: 8)
    assert num_ranks(ParallelSpec(), 64, 2) == 16
    assert num_ranks(ParallelSpec(), 12, 2) == 12
    assert num_ranks(ParallelSpec(ranks=4), 64, 2) == 4
    with pytest.raises(StageError, match="`ranks: 3` do not divide over 2 nodes"):
        num_ranks(ParallelSpec(ranks=3), 64, 2)
    with pytest.raises(StageError, match="`strategy: single` and batches of 64 rows do not fit 16 ranks on 2 nodes"):
        num_ranks(ParallelSpec(strategy="single"), 64, 2)


@contextlib.contextmanager
def machine(node: int, port: int, spec: Path, workspace: Path) -> Iterator[subprocess.Popen[str]]:
    """A machine's command; whatever it started ends with it."""
    command = [sys.executable, "-m", "domainlm", "train", str(spec), "--model", "base", "--workspace", str(workspace)]
    command += [
        "--nodes",
        "2",
        "--node",
        str(node),
        "--rendezvous",
        f"127.0.0.1:{port}",
        "--progress",
        "none",
        "--json",
    ]
    environment = os.environ | {"DOMAINLM_KEEP_ALIVE_S": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60)


def ready_to_train(spec: Path, workspace: Path) -> Run:
    """The run, with all that its base is trained on made in `workspace`."""
    spec.write_text(spec.read_text().replace("parallel: {ranks: 1}", "parallel: {ranks: 2}\n    checkpoint_steps: 4"))
    for mix in (spec.parents[1] / "mixes").glob("*.yaml"):
        mix.write_text(mix.read_text().replace("budget_tokens: 2k", f"budget_tokens: {NUM_STEPS * 256}"))
    run = load_run(spec)
    needed = {"train/base"}
    for stage in reversed(pipeline.stages(run)):
        needed |= set(stage.needs) if stage.id in needed else set()
    for stage in pipeline.stages(run):
        if stage.id in needed - {"train/base"}:
            pipeline.run_stage(run, stage.id, workspace, workers=1)
    return run


@pytest.mark.slow
def test_two_machines_train_a_run_and_one_that_is_lost_comes_back_to_the_last_checkpoint(
    write_project: Callable[[Path], Path], tmp_path: Path
):
    workspace, alone = tmp_path / "workspace", tmp_path / "alone"
    spec = write_project(tmp_path)
    run = ready_to_train(spec, workspace)
    shutil.copytree(workspace, alone)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with machine(0, port, spec, workspace) as first:
        with machine(1, port, spec, workspace) as second:
            while not (reached := sorted(path.name for path in workspace.glob("train/*/work/checkpoints/step-*"))):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    pytest.fail(f"ended before the first checkpoint, with {first.wait(0.2)}")
            lost = psutil.Process(second.pid)
            for child in [*lost.children(recursive=True), lost]:
                child.send_signal(signal.SIGKILL)
        with machine(1, port, spec, workspace) as again:
            told = [json.loads(process.communicate(timeout=400)[0].splitlines()[-1]) for process in (again, first)]
            assert (again.returncode, first.returncode) == (0, 0)
    assert reached[-1] < f"step-{NUM_STEPS:09d}"
    assert told[0] == told[1]
    made, whole = (pipeline.run_stage(run, "train/base", where) for where in (workspace, alone))
    lines, theirs = (metrics.read(of.folder / metrics.METRICS_NAME) for of in (made, whole))
    assert [line.step for line in lines] == list(range(1, NUM_STEPS + 1))
    assert [line.loss for line in lines] == pytest.approx([line.loss for line in theirs], rel=1e-5)
    timing = [json.loads(line) for line in (made.folder / metrics.TIMING_NAME).read_bytes().splitlines()]
    assert [line["step"] for line in timing if "seconds" in line].count(1) == 1
