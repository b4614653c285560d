"""A started command never outlives us: it and all its descendants end when told, or when this process dies.

`run` starts this very file as a small supervisor between us and the command. The supervisor is the subreaper of
everything below it, so that a process which made itself a session of its own (each rank of torchrun does) is still
found. It holds a pipe to its parent: end of file means that the parent is dead, however it died.

- Told to end (SIGTERM, SIGINT): the signal is passed on, and what is left after a grace period is killed.
- The parent died: everything is killed at once, so that a rerun does not meet an old writer in its folder.
- The command ended by itself: what it left behind is told to end, and killed after the grace period.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_POLL_S = 0.2
"""Longest time that a signal waits before Python lets it in."""
_TOLD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopped(Exception):
    """The command was not waited for any longer, since another thread said so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Child:
    """A command that runs under its supervisor."""

    supervisor: subprocess.Popen[str]
    lines: queue.SimpleQueue[str | None]
    """What the command prints, line by line; None is the end."""

    def ended(self) -> bool:
        """Whether the command and all that it started are gone."""
        return self.supervisor.poll() is not None

    def printed(self) -> list[str]:
        """The lines, with their ends, that it has printed since this was last asked."""
        lines = []
        with contextlib.suppress(queue.Empty):
            while (line := self.lines.get_nowait()) is not None:
                lines.append(line)
        return lines

    def wait(self, on_line: Callable[[str], None], stop: threading.Event | None = None) -> int:
        """Exit status of the command, once it has ended and each of its lines went to `on_line`.

        Raises Stopped once `stop` is set: a thread that is not the main one hears of no signal.
        """
        while True:
            if stop is not None and stop.is_set():
                raise Stopped
            try:
                line = self.lines.get(timeout=_POLL_S)
            except queue.Empty:
                # A supervisor that was killed itself cannot close what its orphans still hold open.
                if (self.supervisor.poll() or 0) < 0:
                    break
                continue
            if line is None:
                break
            on_line(line.rstrip("\n"))
        return _shell_status(self.supervisor.wait())


def run(
    command: Sequence[str],
    *,
    on_line: Callable[[str], None],
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    grace_s: float = 10,
    stop: threading.Event | None = None,
) -> int:
    """Exit status of `command`; 128 + N where signal N ended it, 127 where it could not be started.

    Each line of its standard output and error goes to `on_line`, in order and without its end; bytes that are no UTF-8
    become U+FFFD. `env` is set on top of this process's environment. An exception here (KeyboardInterrupt, what a
    signal handler or `on_line` raises) ends the command and all its descendants before it goes on; so does `stop`, once
    it is set, by Stopped.
    Raises StageError on systems other than Linux.
    """
    with start(command, env=env, cwd=cwd, grace_s=grace_s) as child:
        return child.wait(on_line, stop)


@contextlib.contextmanager
def start(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    grace_s: float = 10,
) -> Iterator[Child]:
    """The running `command`; leaving the block ends it and all its descendants. Otherwise as `run`."""
    if sys.platform != "linux":
        from domainlm.errors import StageError

        raise StageError(f"domainlm starts its stages' processes on Linux only, and this is {sys.platform}")
    lifeline_read, lifeline_write = os.pipe()
    with os.fdopen(lifeline_write, "wb") as lifeline:
        arguments = [str(lifeline_read), str(os.getpid()), str(grace_s), str(cwd or ""), *command]
        try:
            supervisor = subprocess.Popen(
                # By path and with -P: neither the working directory nor an uninstalled package matters.
                [sys.executable, "-P", __file__, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                encoding="utf-8",
                errors="replace",
                pass_fds=[lifeline_read],
                # A kill of our whole process group must leave the supervisor alive to clean up.
                start_new_session=True,
            )
        finally:
            os.close(lifeline_read)
        assert supervisor.stdout is not None
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        reader = threading.Thread(target=_read, args=(supervisor.stdout, lines), name="supervise", daemon=True)
        reader.start()
        try:
            yield Child(supervisor=supervisor, lines=lines)
        finally:
            _end(supervisor, lifeline, grace_s)
            reader.join(1)


def _read(output: IO[str], lines: queue.SimpleQueue[str | None]) -> None:
    with output:
        for line in output:
            lines.put(line)
    lines.put(None)


def _end(supervisor: subprocess.Popen[str], lifeline: IO[bytes], grace_s: float) -> None:
    try:
        if supervisor.poll() is None:
            supervisor.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                supervisor.wait(grace_s + 5)
    finally:
        # A second Ctrl-C comes here: without its lifeline the supervisor kills at once.
        lifeline.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            supervisor.wait(5)


def _shell_status(status: int) -> int:
    """As shells count: 128 + N for a process that signal N ended.

    >>> _shell_status(3), _shell_status(-9)
    (3, 137)
    """
    return 128 - status if status < 0 else status


def _supervise(lifeline: int, parent: int, grace_s: float, cwd: str, command: Sequence[str]) -> int:
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        print(f"cannot become a subreaper: {os.strerror(ctypes.get_errno())}", file=sys.stderr)
        return 126
    signals = _signals()
    try:
        # If the supervisor itself is killed, the command is at least told.
        child = subprocess.Popen(command, cwd=cwd or None, preexec_fn=lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGTERM))
    except OSError as error:
        print(f"cannot start {command[0]}: {error}", file=sys.stderr)
        return 127
    status: int | None = None
    kill_at = float("inf")
    while True:
        ready, _, _ = select.select([lifeline, signals], [], [], 1.0 if kill_at == float("inf") else 0.05)
        for number in os.read(signals, 1024) if signals in ready else b"":
            if number in _TOLD and status is None:
                kill_at = min(kill_at, time.monotonic() + grace_s)
                os.kill(child.pid, number)
        # A fork of the parent may hold the pipe open after the parent's death; its pid tells that, too.
        if lifeline in ready or os.getppid() != parent:
            kill_at = 0.0
        for pid, code in _reaped():
            if pid == child.pid:
                status = child.returncode = code
        if status is not None or kill_at < time.monotonic():
            left = psutil.Process().children(recursive=True)
            if status is not None and not left:
                return _shell_status(status)
            if kill_at == float("inf"):
                kill_at = time.monotonic() + grace_s
                _send(left, signal.SIGTERM)
            elif kill_at < time.monotonic():
                _send(left, signal.SIGKILL)


def _signals() -> int:
    """A file descriptor that gives the number of each signal as a byte."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    for number in (*_TOLD, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(write)
    return read


def _reaped() -> list[tuple[int, int]]:
    """Pids and exit codes of ended children: orphans included, whom nobody else would reap."""
    ended = []
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended.append((found[0], os.waitstatus_to_exitcode(found[1])))
    return ended


def _send(processes: Sequence[psutil.Process], number: int) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


if __name__ == "__main__":
    sys.exit(_supervise(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4], sys.argv[5:]))
