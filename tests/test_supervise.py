from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from domainlm import supervise

# A command that starts a grandchild in a session of its own, which ignores SIGTERM; both write their pids.
FAMILY = """
import os, subprocess, sys, time
grandchild = '''
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(120)
'''
started = subprocess.Popen([sys.executable, "-c", grandchild], start_new_session=True, stdout=subprocess.PIPE)
started.stdout.readline()
print("pids", os.getpid(), started.pid, flush=True)
{then}
"""


def family(then: str = "time.sleep(120)") -> list[str]:
    return [sys.executable, "-c", FAMILY.format(then=then)]


def wait_until(condition: Callable[[], object], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def gone(pids: list[int]) -> bool:
    return not any(psutil.pid_exists(pid) for pid in pids)


class Parent:
    """A process that supervises `family()`, and the pids that its family told."""

    def __init__(self, tmp_path: Path, grace_s: float):
        code = f"""
            import signal, sys
            from pathlib import Path
            from domainlm import supervise
            def on_line(line):
                Path({str(tmp_path / "pids.tmp")!r}).write_text(line)
                Path({str(tmp_path / "pids.tmp")!r}).rename({str(tmp_path / "pids")!r})
            def terminated(*_):
                raise SystemExit(7)
            signal.signal(signal.SIGTERM, terminated)
            supervise.run({family()!r}, on_line=on_line, grace_s={grace_s})
        """
        root = Path(supervise.__file__).parents[1]
        self.process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], cwd=root, start_new_session=True)
        wait_until((tmp_path / "pids").exists)
        self.pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()[1:]]
        assert not gone(self.pids)


def test_the_whole_tree_dies_when_the_process_group_of_the_parent_is_killed(tmp_path: Path) -> None:
    parent = Parent(tmp_path, grace_s=60)
    os.killpg(parent.process.pid, signal.SIGKILL)
    parent.process.wait()
    wait_until(lambda: gone(parent.pids), timeout_s=8)


def test_an_exception_from_a_signal_handler_goes_on_after_the_tree_has_ended(tmp_path: Path) -> None:
    parent = Parent(tmp_path, grace_s=0.2)
    parent.process.terminate()
    assert parent.process.wait(20) == 7
    assert gone(parent.pids)


def test_a_keyboard_interrupt_ends_the_tree_before_it_goes_on() -> None:
    lines: list[str] = []

    def interrupt(line: str) -> None:
        lines.append(line)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        supervise.run(family(), on_line=interrupt, grace_s=0.2)
    assert gone([int(pid) for pid in lines[0].split()[1:]])


def test_what_a_command_leaves_behind_is_ended_with_it() -> None:
    lines: list[str] = []
    assert supervise.run(family(then="sys.exit(4)"), on_line=lines.append, grace_s=0.2) == 4
    assert gone([int(pid) for pid in lines[0].split()[1:]])


def test_a_command_that_ends_when_told_is_not_waited_for() -> None:
    def fail(line: str) -> None:
        raise ValueError(line)

    start = time.monotonic()
    with pytest.raises(ValueError, match="ready"):
        supervise.run(["sh", "-c", "echo ready; exec sleep 120"], on_line=fail, grace_s=60)
    assert time.monotonic() - start < 30


@pytest.mark.parametrize(
    ("command", "status"),
    [(["true"], 0), (["sh", "-c", "exit 3"], 3), (["sh", "-c", "kill -9 $$"], 137), (["no-such-command"], 127)],
)
def test_the_exit_status_passes_through(command: list[str], status: int) -> None:
    assert supervise.run(command, on_line=lambda line: None) == status


def test_lines_of_both_streams_arrive_in_order() -> None:
    lines: list[str] = []
    supervise.run(["sh", "-c", "for i in 1 2 3; do echo out $i; echo err $i >&2; done"], on_line=lines.append)
    assert lines == ["out 1", "err 1", "out 2", "err 2", "out 3", "err 3"]


def test_unicode_garbage_and_an_unfinished_line_survive() -> None:
    lines: list[str] = []
    code = r"import sys; sys.stdout.buffer.write('§ 5 größer\n'.encode() + b'a\xff\x00b\n\nlast')"
    assert supervise.run([sys.executable, "-c", code], on_line=lines.append) == 0
    assert lines == ["§ 5 größer", "a\ufffd\x00b", "", "last"]


def test_environment_is_added_to_ours_and_the_working_directory_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INHERITED", "a")
    lines: list[str] = []
    supervise.run(["sh", "-c", "echo $INHERITED $ADDED; pwd"], on_line=lines.append, env={"ADDED": "b"}, cwd=tmp_path)
    assert lines == ["a b", str(tmp_path)]


def test_it_works_beside_other_threads() -> None:
    statuses: list[int] = []

    def work() -> None:
        statuses.append(supervise.run(["sh", "-c", "exit 5"], on_line=lambda line: None))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [5, 5]


def test_other_systems_are_refused_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    from domainlm.errors import StageError

    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(StageError, match="Linux only, and this is darwin"):
        supervise.run(["true"], on_line=print)
