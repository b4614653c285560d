"""Two agents of torchrun that meet on the loopback, as two machines would: one is lost, comes back, and all goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from domainlm.errors import StageError
from domainlm.specs.recipe import ParallelSpec
from domainlm.train import heldout, metrics
from domainlm.train.config import FACTS_NAME, FILE_NAME, TrainConfig
from domainlm.train.launch import Nodes, num_ranks

from .conftest import RECIPE, ConfigOf

NUM_STEPS = 60
AGENT = """
import sys
from pathlib import Path
from domainlm.train.launch import Nodes, launch
launch("tiny", Path(sys.argv[1]), 2, Nodes.from_environment())
"""


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
def agent(node: int, port: int, config: Path) -> Iterator[subprocess.Popen[str]]:
    """A machine's command; whatever it started ends with it."""
    where: Mapping[str, str] = {
        "DOMAINLM_NODES": "2",
        "DOMAINLM_NODE": str(node),
        "DOMAINLM_RENDEZVOUS": f"127.0.0.1:{port}",
        "DOMAINLM_KEEP_ALIVE_S": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    command = [sys.executable, "-c", AGENT, str(config)]
    process = subprocess.Popen(command, env=os.environ | where, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.slow
def test_two_nodes_train_together_and_one_that_is_lost_comes_back_to_the_last_checkpoint(
    config_of: ConfigOf, tmp_path: Path
):
    config = config_of(
        tmp_path / "stage", num_steps=NUM_STEPS, recipe=RECIPE.model_copy(update={"checkpoint_steps": 5})
    )
    path = Path(config.work) / FILE_NAME
    path.parent.mkdir(parents=True)
    path.write_text(config.model_dump_json())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    checkpoints = path.parent / "checkpoints"
    with agent(0, port, path) as first:
        with agent(1, port, path) as second:
            while not list(checkpoints.glob("step-*")):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    pytest.fail(f"ended before the first checkpoint, with {first.wait(0.2)}")
            lost = psutil.Process(second.pid)
            for child in [*lost.children(recursive=True), lost]:
                child.send_signal(signal.SIGKILL)
        reached = max(p.name for p in checkpoints.glob("step-*"))
        with agent(1, port, path) as again:
            assert again.wait(240) == 0
            assert first.wait(60) == 0
    assert reached < f"step-{NUM_STEPS:09d}"
    assert (Path(config.folder) / FACTS_NAME).is_file()
    lines = metrics.read(Path(config.folder) / metrics.METRICS_NAME)
    assert [line.step for line in lines] == list(range(1, NUM_STEPS + 1))
    alone = _alone(config, tmp_path / "alone")
    assert [line.loss for line in lines] == pytest.approx([line.loss for line in alone], rel=1e-5)


def _alone(config: TrainConfig, folder: Path) -> list[metrics.StepMetrics]:
    from domainlm.train.launch import launch

    path = folder / "work" / FILE_NAME
    path.parent.mkdir(parents=True)
    where = {"folder": str(folder), "work": str(folder / "work")}
    path.write_text(config.model_copy(update=where).model_dump_json())
    launch("tiny", path, 1, Nodes())
    assert not (folder / heldout.LINES_NAME).exists()
    return metrics.read(folder / metrics.METRICS_NAME)
