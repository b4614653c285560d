"""torchrun's processes on one machine or on several: they die with us, and go on from the last checkpoint."""

from __future__ import annotations

import os
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from domainlm import progress, supervise
from domainlm.errors import StageError
from domainlm.specs.recipe import ParallelSpec
from domainlm.train import device
from domainlm.train.config import CHECKPOINTS_NAME, ERROR_PREFIX, NOTE_PREFIX

_GRACE_S = 25.0
"""Time for a checkpoint after SIGTERM."""
_NUM_LAST_LINES = 20
_AGENT = "elastic/multiprocessing/api.py"
"""With it torchrun begins to say, at length, that a rank ended; why it ended stands in the rank's lines before."""
_CPU_RANKS = 2
_MOST_RESTARTS = 3
_JOIN_S = 600
"""So long the machines that are there wait for those that are not, or no longer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Nodes:
    """The machines that train together; one, where nothing is said."""

    count: int = 1
    node: int = 0
    """This one: the first makes the stage, the others lend it their processes."""
    rendezvous: str = ""
    """HOST:PORT of the first, where they meet."""

    @classmethod
    def from_environment(cls) -> Nodes:
        """As `domainlm train --nodes N --node I --rendezvous HOST:PORT` leaves them; StageError where they make no
        sense."""
        count, node = (int(os.environ.get(f"DOMAINLM_{name}", "0") or 0) for name in ("NODES", "NODE"))
        made = cls(count=count or 1, node=node, rendezvous=os.environ.get("DOMAINLM_RENDEZVOUS", ""))
        if made.node >= made.count:
            raise StageError(f"--node {made.node} of --nodes {made.count}: they are counted from 0")
        if made.count > 1 and not made.rendezvous:
            raise StageError(f"--nodes {made.count} needs the address of the first: --rendezvous HOST:29400")
        return made


def num_ranks(parallel: ParallelSpec, batch_rows: int, nodes: int = 1) -> int:
    """Processes of a training, on all machines: as the spec says; `auto` is one a GPU, or two without any, or fewer
    where a batch asks it.

    Raises StageError where they do not divide into the groups that the spec asks for, or over the machines.
    """
    if parallel.strategy == "single" and nodes == 1:
        return 1
    if parallel.ranks != "auto":
        if parallel.ranks % nodes:
            raise StageError(f"`ranks: {parallel.ranks}` do not divide over {nodes} nodes")
        return parallel.ranks
    most, group = (device.num_gpus() or _CPU_RANKS) * nodes, parallel.shard_ranks or 1
    fitting = [n for n in range(group, most + 1, group) if batch_rows % n == 0 and n % nodes == 0]
    if not fitting or parallel.strategy == "single":
        on = f" on {nodes} nodes" if nodes > 1 else ""
        what = f"`strategy: {parallel.strategy}`" if not parallel.shard_ranks else f"`shard_ranks: {group}`"
        raise StageError(f"{what} and batches of {batch_rows} rows do not fit {most} ranks{on}: lower `shard_ranks`")
    return fitting[-1]


def launch(name: str, config: Path, ranks: int, nodes: Nodes) -> None:
    """Run torchrun until it ends well. Ranks that died without a word of their own, as one that was killed does, are
    started again from the last checkpoint: so often while there is a newer one, and else once.

    On several machines torchrun itself starts them again, also where one of the machines was lost and came back.
    """
    checkpoints, reached = config.parent / CHECKPOINTS_NAME, ""
    for restart in range(_MOST_RESTARTS + 1):
        status, errors, last = _torchrun(config, ranks, nodes)
        if status == 0:
            return
        newest = max((path.name for path in checkpoints.glob("step-*")), default="")
        if errors or restart == _MOST_RESTARTS or (restart and newest == reached):
            raise StageError("\n".join([f"training of {name} ended with status {status}", *(errors or last)]))
        reached = newest
        print(f"training of {name} ended with status {status}; it goes on from {newest or 'the start'}", flush=True)


def _torchrun(config: Path, ranks: int, nodes: Nodes) -> tuple[int, list[str], list[str]]:
    """Its exit status, the errors that ranks told of, and the last lines that they wrote."""
    each = ranks // nodes.count
    # One path and no flags: torchrun takes script flags that begin like its own.
    command = [sys.executable, "-m", "torch.distributed.run", *_meeting(nodes, config)]
    command += ["--nproc-per-node", str(each), "-m", "domainlm.train.loop", str(config)]
    threads = max(1, _cores() // each)
    last: deque[str] = deque(maxlen=_NUM_LAST_LINES)
    errors: dict[str, None] = {}
    agent_spoke = False

    def relay(line: str) -> None:
        nonlocal agent_spoke
        told = progress.from_json_line(line)
        if told is not None:
            progress.tell(told.label, told.done, told.total, told.unit, **told.figures)
        elif line.startswith(ERROR_PREFIX):
            errors.setdefault(line.removeprefix(ERROR_PREFIX))
        elif line.startswith(NOTE_PREFIX):
            print(line.removeprefix(NOTE_PREFIX), file=sys.stderr, flush=True)
        elif not (agent_spoke := agent_spoke or _AGENT in line):
            last.append(line)

    env = {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false", **_import_path()}
    status = supervise.run(command, on_line=relay, env=env, grace_s=_GRACE_S)
    return status, list(errors), list(last)


def _meeting(nodes: Nodes, config: Path) -> list[str]:
    """Where torchrun's agents meet: alone, or by a c10d store on the first machine, for this stage and no other."""
    if nodes.count == 1:
        # The address spares a DNS look-up.
        return ["--standalone", "--local-addr", "127.0.0.1"]
    host, _, port = nodes.rendezvous.rpartition(":")
    keep_alive = os.environ.get("DOMAINLM_KEEP_ALIVE_S", "5")
    conf = f"join_timeout={_JOIN_S},keep_alive_interval={keep_alive},is_host={int(nodes.node == 0)}"
    command = ["--nnodes", str(nodes.count), "--rdzv-backend", "c10d", "--rdzv-endpoint", f"{host}:{port}"]
    command += ["--rdzv-id", config.parent.parent.name, "--rdzv-conf", conf, "--max-restarts", str(_MOST_RESTARTS)]
    return [*command, *(["--local-addr", host] if host in ("127.0.0.1", "localhost") else [])]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _import_path() -> dict[str, str]:
    """What lets the ranks import domainlm from a checkout that is not installed."""
    own = Path(__file__).parents[2]
    if own.name == "site-packages":
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(own), os.environ.get("PYTHONPATH")]))}
