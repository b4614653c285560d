"""A whole run in this process, with a Prefect server of its own that nobody has to start and that ends with it."""

from __future__ import annotations

import contextlib
import importlib
import os
import secrets
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from domainlm import exclusive, progress, supervise
from domainlm.errors import StageError

SERVER_STARTS_WITHIN_S = 180.0


def adapt(spec: str, workspace: Path, *, workers: int | None = None, verbose: bool = False) -> dict[str, str]:
    """The folder of each stage by its id, made by the flow `adapt`; otherwise as `run`."""
    return run("adapt", spec, workspace, workers=workers, verbose=verbose)


def run(
    flow: Literal["adapt", "sweep"], spec: str, workspace: Path, *, workers: int | None = None, verbose: bool = False
) -> dict[str, str]:
    """The folder of each stage by its id, made by a flow of that name.

    Where PREFECT_API_URL is set, the run shows on that server; else a server on a free port of this machine keeps its
    records in the workspace. Raises what the flow raises.
    """
    os.environ |= {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "INFO" if verbose else "CRITICAL",
        "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
    }
    with contextlib.nullcontext() if "PREFECT_API_URL" in os.environ else _server(workspace) as ready:
        # Prefect reads its settings when it is imported; its server starts meanwhile.
        module = importlib.import_module(f"flows.{flow}")
        if ready is not None:
            ready()
        return getattr(module, flow)(spec, str(workspace), workers)


@contextlib.contextmanager
def _server(workspace: Path) -> Iterator[Callable[[], None]]:
    """A server that ends with the block, or with this process, however that ends; the function waits until it answers.

    Sets the environment so that Prefect, imported afterwards, uses it.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    api_url = f"http://127.0.0.1:{port}/api"
    home = workspace / "prefect"
    with exclusive.refused(workspace):
        home.mkdir(parents=True, exist_ok=True)
    # Without a password, any user of this machine could make the server run code while it is there.
    password = f"domainlm:{secrets.token_urlsafe()}"
    os.environ |= {
        "PREFECT_SERVER_API_AUTH_STRING": password,
        "PREFECT_API_AUTH_STRING": password,
        "PREFECT_API_URL": api_url,
        "PREFECT_HOME": str(home),
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
        # With nobody at its pages, the log is on this terminal and not in the server.
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
    }
    module = ["-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
    options = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error", "--lifespan", "on"]
    # What Prefect sets for its own temporary server: only the services that a run in one process needs.
    environment = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
    with supervise.start([sys.executable, *module, *options], env=environment, grace_s=3) as server:
        yield lambda: _await(server, api_url)


def _await(server: supervise.Child, api_url: str) -> None:
    start_s = time.monotonic()
    while not _healthy(api_url):
        waited_s = time.monotonic() - start_s
        if server.ended() or waited_s > SERVER_STARTS_WITHIN_S:
            said = "".join(server.printed()[-20:])
            raise StageError(f"Prefect's server did not start within {waited_s:.0f} s. Its last lines:\n{said}")
        progress.tell("run", 0, None, "stages", now="start of the flow engine")
        time.sleep(0.1)


def _healthy(api_url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{api_url}/health", timeout=5) as answer:  # noqa: S310 (always http://127.0.0.1)
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
