"""Two processes that are asked for the same stage make it once; a workspace that cannot be used is told in one line."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from domainlm import exclusive, manifest, progress
from domainlm.errors import ManifestError, StageError
from domainlm.manifest import Made
from domainlm.progress import Progress
from tests.conftest import request_for

ROOT = Path(__file__).parents[1]
SLOW_STAGE = """
import sys, time
from pathlib import Path
from domainlm import manifest, progress
from domainlm.manifest import Made, shard_of
from tests.conftest import request_for

def do(folder):
    with Path(sys.argv[1], "times").open("a") as file:
        file.write("made\\n")
    time.sleep(float(sys.argv[2]))
    (folder / "a").write_bytes(b"a")
    return Made(shards=(shard_of(folder / "a", folder, "a"),))

progress.listen(progress.to_json_lines)
made = manifest.make(request_for("slow"), Path(sys.argv[1]), do)
print("digest", made.digest())
"""


def begin(workspace: Path, seconds: float) -> subprocess.Popen[str]:
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", SLOW_STAGE, str(workspace), str(seconds)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)


def wait_for(path: Path) -> None:
    end_s = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_a_second_process_waits_says_so_and_reads_what_the_first_has_made(tmp_path: Path) -> None:
    with begin(tmp_path, 3) as first:
        wait_for(tmp_path / "times")
        with begin(tmp_path, 0) as second:
            said = second.communicate(timeout=60)[0]
        made = first.communicate(timeout=60)[0]
    assert "slow/test: wait" in said
    assert said.splitlines()[-1] == made.splitlines()[-1]
    assert (tmp_path / "times").read_text() == "made\n"
    assert not list(tmp_path.glob("slow/*.lock"))


def test_the_lock_of_a_killed_process_holds_nobody_up(tmp_path: Path) -> None:
    with begin(tmp_path, 60) as first:
        wait_for(tmp_path / "times")
        os.killpg(first.pid, signal.SIGKILL)
    [left] = tmp_path.glob("slow/*.lock")
    made = manifest.make(request_for("slow"), tmp_path, lambda folder: Made(shards=()))
    assert not left.exists()
    assert made.shards == ()


def test_a_lock_on_a_file_that_its_holder_deleted_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fcntl.flock
    deleted = []

    def deleted_in_between(lock: int, how: int) -> None:
        if not deleted:
            deleted.append((tmp_path / "stage.lock").unlink())
        real(lock, how)

    monkeypatch.setattr(fcntl, "flock", deleted_in_between)
    told: list[Progress] = []
    progress.listen(told.append)
    with exclusive.held(tmp_path / "stage", "stage"):
        assert (tmp_path / "stage.lock").exists()
    progress.listen(lambda one: None)
    assert len(told) == 1


def test_a_file_in_the_way_of_the_workspace_is_told(tmp_path: Path) -> None:
    (tmp_path / "w").write_text("")
    with pytest.raises(StageError, match=r"w/slow cannot be written: Not a directory.*--workspace"):
        manifest.make(request_for("slow"), tmp_path / "w", lambda folder: Made(shards=()))
    (tmp_path / "v/slow").mkdir(parents=True)
    request = request_for("slow")
    request.folder(tmp_path / "v").write_text("")
    with pytest.raises(StageError, match="cannot be written: File exists"):
        manifest.make(request, tmp_path / "v", lambda folder: Made(shards=()))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_workspace_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StageError, match="cannot be written: Permission denied"):
        manifest.make(request_for("slow"), tmp_path / "w", lambda folder: Made(shards=()))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_told_and_leaves_no_manifest(tmp_path: Path) -> None:
    def do(folder: Path) -> Made:
        Path("/dev/full").write_bytes(b"x" * 2**20)
        return Made(shards=())

    with pytest.raises(StageError, match=r"cannot be written: No space left on device.*goes on from here"):
        manifest.make(request_for("slow"), tmp_path, do)
    assert manifest.read(request_for("slow").folder(tmp_path)) is None


def test_an_error_of_the_stage_s_own_stays_what_it_is(tmp_path: Path) -> None:
    def do(folder: Path) -> Made:
        raise FileNotFoundError(errno.ENOENT, "gone")

    with pytest.raises(FileNotFoundError):
        manifest.make(request_for("slow"), tmp_path, do)


def test_a_figure_that_is_not_a_number_stops_the_stage(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="slow/test: a count or fact is not a number"):
        manifest.make(request_for("slow"), tmp_path, lambda folder: Made(shards=(), facts={"loss": float("nan")}))
    assert not list(tmp_path.rglob(manifest.FILE_NAME))


def test_a_manifest_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / manifest.FILE_NAME).mkdir()
    with pytest.raises(ManifestError, match=r"manifest\.json cannot be read: Is a directory"):
        manifest.read(tmp_path)


def test_the_command_line_tells_an_unusable_workspace_in_one_line(tmp_path: Path, write_project) -> None:
    spec = write_project(tmp_path)
    (tmp_path / "w").write_text("")
    for command in ("corpus", "run"):
        ended = subprocess.run(
            [sys.executable, "-m", "domainlm", command, str(spec), "--workspace", str(tmp_path / "w")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert ended.returncode == 1
        assert "Traceback" not in ended.stderr
        assert "cannot be written" in ended.stderr.splitlines()[-1]
