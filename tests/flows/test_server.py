"""A real server, work pool, worker and schedule: only that shows whether the pinned libraries still work together."""

from __future__ import annotations

import base64
import json
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from domainlm import supervise

ROOT = Path(__file__).parents[2]
AUTH = "domainlm:a-test-of-the-authentication"
COMMANDS = {"corpus", "tokenizer", "mix", "train", "evaluate", "report", "adapt", "sweep"}


@dataclass(frozen=True, kw_only=True)
class Server:
    url: str
    environment: dict[str, str]

    def ask(self, path: str, body: Any = None, *, auth: str | None = AUTH) -> Any:
        request = urllib.request.Request(f"{self.url}/{path}", headers={"Content-Type": "application/json"})
        if body is not None:
            request.data = json.dumps(body).encode()
        if auth is not None:
            request.add_header("Authorization", f"Basic {base64.b64encode(auth.encode()).decode()}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or "null")

    def prefect(self, *arguments: str, cwd: Path = ROOT) -> str:
        lines: list[str] = []
        # The shell sets PWD, which the pull step of prefect.yaml reads.
        environment = {**self.environment, "PWD": str(cwd)}
        command = [sys.executable, "-m", "prefect", *arguments]
        status = supervise.run(command, on_line=lines.append, env=environment, cwd=cwd)
        assert status == 0, "\n".join(lines)
        return "\n".join(lines)


def wait_for(found: Callable[[], Any], timeout_s: float) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (value := found()):
        assert time.monotonic() < deadline, f"nothing within {timeout_s:.0f} s"
        time.sleep(0.5)
    return value


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    environment = {
        "DO_NOT_TRACK": "1",
        "PREFECT_HOME": str(tmp_path_factory.mktemp("prefect")),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_API_URL": url,
        "PREFECT_API_AUTH_STRING": AUTH,
        "PREFECT_SERVER_API_AUTH_STRING": AUTH,
        "PREFECT_SERVER_UI_API_URL": url,
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    with ExitStack() as stack:
        child = stack.enter_context(supervise.start(command, env=environment))
        made = Server(url=url, environment=environment)

        def healthy() -> bool:
            assert not child.ended(), "".join(child.printed())
            try:
                return made.ask("health") is True
            except (urllib.error.URLError, OSError):
                return False

        wait_for(healthy, timeout_s=180)
        pool = ["--type", "process", "--base-job-template", "flows/work-pool.json"]
        made.prefect("work-pool", "create", "domainlm", *pool)
        made.prefect("deploy", "--all", "--no-prompt")
        yield made


def deployment(server: Server, name: str) -> dict[str, Any]:
    return server.ask(f"deployments/name/{name}")


def refusal(call: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as caught:
        call()
    with caught.value as error:
        return error.code, error.read().decode()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_flow_is_deployed_and_only_the_corpus_has_a_schedule_which_is_paused(server: Server) -> None:
    deployments = server.ask("deployments/filter", {})
    assert {d["entrypoint"] for d in deployments} == {f"flows.{name}:{name}" for name in COMMANDS}
    assert all(d["global_concurrency_limit"]["limit"] == 1 for d in deployments)
    assert all(d["pull_steps"][0].popitem()[1] == {"directory": str(ROOT)} for d in deployments)
    schedules = {d["entrypoint"]: [s["active"] for s in d["schedules"]] for d in deployments if d["schedules"]}
    assert schedules == {"flows.corpus:corpus": [False]}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_stranger_is_refused_and_nobody_chooses_the_command(server: Server) -> None:
    assert refusal(lambda: server.ask("deployments/filter", {}, auth=None))[0] == 401
    path = f"deployments/{deployment(server, 'corpus/demo')['id']}/create_flow_run"
    for variables in ({"command": "id"}, {"working_dir": "/"}, {"env": {"PYTHONPATH": "/elsewhere"}}):
        code, why = refusal(lambda variables=variables: server.ask(path, {"job_variables": variables}))
        assert code in (409, 422)
        assert next(iter(variables)) in why


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_that_the_schedule_made_is_picked_up_and_finishes(
    server: Server, tmp_path: Path, write_project: Callable[[Path], Path]
) -> None:
    spec = write_project(tmp_path / "project")
    deploy_every_few_seconds(server, tmp_path, spec)
    with supervise.start(
        [sys.executable, "-m", "prefect", "worker", "start", "--pool", "domainlm", "--type", "process"],
        env=server.environment,
        cwd=tmp_path,
    ) as worker:

        def finished() -> dict[str, Any] | None:
            assert not worker.ended(), "".join(worker.printed())
            runs = server.ask("flow_runs/filter", {"sort": "EXPECTED_START_TIME_ASC", "limit": 50})
            failed = [run for run in runs if run["state_type"] in ("FAILED", "CRASHED")]
            assert not failed, failed[0]["state"]["message"] + "\n" + "".join(worker.printed())
            return next((run for run in runs if run["state_type"] == "COMPLETED"), None)

        run = wait_for(finished, timeout_s=300)
    assert run["auto_scheduled"]
    assert run["created_by"]["type"] == "SCHEDULE"
    assert len(list((tmp_path / "project/workspace/corpus").glob("*/manifest.json"))) == 1


def deploy_every_few_seconds(server: Server, folder: Path, spec: Path) -> None:
    asked = {
        "pull": [{"prefect.deployments.steps.set_working_directory": {"directory": str(spec.parents[2])}}],
        "deployments": [
            {
                "name": "often",
                "entrypoint": "flows.corpus:corpus",
                "parameters": {"spec": str(spec), "workers": 1},
                "work_pool": {"name": "domainlm"},
                "concurrency_limit": {"limit": 1, "collision_strategy": "CANCEL_NEW"},
                # The sixth field is seconds.
                "schedules": [{"cron": "* * * * * */10", "timezone": "UTC", "slug": "often", "active": True}],
            }
        ],
    }
    (folder / "prefect.yaml").write_text(json.dumps(asked))
    server.prefect("deploy", "--all", "--no-prompt", cwd=folder)
