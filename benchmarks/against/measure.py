"""A command in a process tree of its own: CPU-seconds of all of the tree, wall seconds, peak resident memory."""

from __future__ import annotations

import os
import resource
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import psutil

_EVERY_S = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What a command took."""

    cpu_s: float
    """User and system, of the command and all that it started."""
    wall_s: float
    peak_mib: float
    """Highest sum of resident memory over the tree; pages that are shared count for each."""

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            cpu_s=self.cpu_s + other.cpu_s,
            wall_s=self.wall_s + other.wall_s,
            peak_mib=max(self.peak_mib, other.peak_mib),
        )


def measure(command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> Cost:
    """Run `command` to its end; RuntimeError with the end of its output where it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    # A child begins with this process's memory, for the moment before it is another program: so much tells nothing.
    inherited_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = monotonic()
    with log.open("wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})})
        watch = _Watch(child.pid)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        watch.stop()
    if child.returncode:
        end = log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}:\n{end}")
    return Cost(
        # wait4 knows the command and what it waited for; processes that nobody waited for are in the samples alone.
        cpu_s=max(usage.ru_utime + usage.ru_stime, watch.cpu_s()),
        wall_s=monotonic() - begin,
        peak_mib=max(watch.peak_bytes / 2**20, usage.ru_maxrss / 1024 if usage.ru_maxrss > inherited_kib else 0),
    )


class _Watch(threading.Thread):
    """Looks at a process tree every few milliseconds."""

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self._root = psutil.Process(pid)
        self._last_cpu_s: dict[tuple[int, float], float] = {}
        self._over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._over.wait(_EVERY_S):
            total = 0
            try:
                tree = [self._root, *self._root.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
            for process in tree:
                try:
                    with process.oneshot():
                        times = process.cpu_times()
                        self._last_cpu_s[process.pid, process.create_time()] = times.user + times.system
                        total += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.peak_bytes = max(self.peak_bytes, total)

    def stop(self) -> None:
        self._over.set()
        self.join()

    def cpu_s(self) -> float:
        return sum(self._last_cpu_s.values())
