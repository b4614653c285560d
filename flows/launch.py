"""A stage runs as a supervised child: it dies with the flow, its progress is passed on, and no secret reaches a log."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domainlm import progress, supervise
from domainlm.errors import StageError

LAST_LINES = 60
"""So many lines of a failed stage go into its error."""
_SECRET_NAME = re.compile(r"TOKEN(?!IZ)|KEY|SECRET|PASSW|CREDENTIAL|AUTH_STRING|CONNECTION_URL", re.IGNORECASE)
_SECRET_IN_URL = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")
_SHORTEST_SECRET = 6
"""A guess: shorter values (`true`, `1`) would blank out half of a log."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Amid:
    """What a stage runs amid, where several run at once."""

    stop: threading.Event | None = None
    """Once it is set, the stage is told to end: signals reach only the main thread."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Set on top of this process's environment."""


AMID: ContextVar[Amid] = ContextVar("AMID", default=Amid())  # noqa: B039 (frozen)


def launch(
    command: str,
    stage_id: str,
    spec: str,
    workspace: Path,
    *,
    workers: int | None = None,
    on_progress: progress.Sink,
    log: Callable[[str], None],
) -> dict[str, Any]:
    """What `domainlm COMMAND SPEC --stage ID --json` reports of the finished stage.

    Its progress goes to `on_progress`, every other line to `log`. Raises StageError, with the last lines, where the
    child fails.
    """
    arguments = [sys.executable, "-m", "domainlm", command, spec, "--stage", stage_id, "--workspace", str(workspace)]
    arguments += ["--progress", "json", "--json", *([] if workers is None else ["--workers", str(workers)])]
    last: deque[str] = deque(maxlen=LAST_LINES)
    reported: dict[str, Any] = {}

    def on_line(line: str) -> None:
        told = progress.from_json_line(line)
        if told is not None:
            on_progress(told)
        elif line.startswith('{"stage": '):
            reported.update(json.loads(line))
        elif line.strip():
            last.append(redact(line, os.environ))
            log(last[-1])

    amid = AMID.get()
    environment = {"PYTHONUNBUFFERED": "1", **amid.env}
    status = supervise.run(arguments, on_line=on_line, env=environment, stop=amid.stop)
    if status:
        said = "\n".join(last) or "it printed nothing"
        raise StageError(f"{stage_id} failed with exit status {status}. Its last lines:\n{said}")
    return reported


def redact(line: str, environment: Mapping[str, str]) -> str:
    """`line` without the values of variables that are named like secrets, and without passwords in URLs.

    >>> redact("GET https://me:pass@host/?k=abcdef123", {"API_KEY": "abcdef123", "TOKENIZERS_PARALLELISM": "false"})
    'GET https://[redacted]@host/?k=[API_KEY]'
    """
    secrets = [
        (part, name)
        for name, value in environment.items()
        if _SECRET_NAME.search(name)
        for part in value.splitlines()
        if len(part) >= _SHORTEST_SECRET
    ]
    # The longest first, so that a secret which holds another leaves nothing of itself behind.
    for secret, name in sorted(secrets, key=lambda s: -len(s[0])):
        line = line.replace(secret, f"[{name}]")
    return _SECRET_IN_URL.sub("[redacted]", line)
