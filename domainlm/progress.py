"""One line of progress from any depth, shown by whoever listens: a bar, JSON lines to a parent, or nobody."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import orjson


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a piece of work has come."""

    label: str
    """What is being done, such as `corpus: read` or `train: base`. One bar a label."""
    done: float
    total: float | None
    """None where the end is not known."""
    unit: str
    figures: dict[str, float | str] = field(default_factory=dict)
    """What is worth showing beside the bar, such as the loss."""


Sink = Callable[[Progress], None]
_sink: Sink = lambda progress: None  # noqa: E731


def listen(sink: Sink) -> None:
    """From now on `sink` is given every progress of this process."""
    global _sink
    _sink = sink


def tell(label: str, done: float, total: float | None, unit: str, **figures: float | str) -> None:
    """Say how far `label` has come. Cheap enough to call once per document or step."""
    _sink(Progress(label=label, done=done, total=total, unit=unit, figures=figures))


def to_json_lines(progress: Progress) -> None:
    """A sink for child processes: one JSON object a line on standard output, behind the word `progress`."""
    sys.stdout.write("progress " + orjson.dumps(asdict(progress)).decode() + "\n")
    sys.stdout.flush()


def from_json_line(line: str) -> Progress | None:
    """The progress that a line of a child's output carries, or None where it is ordinary output.

    >>> from_json_line('progress {"label":"a","done":1,"total":2,"unit":"docs","figures":{}}').done
    1
    >>> from_json_line("hello")
    """
    if not line.startswith("progress {"):
        return None
    try:
        return Progress(**orjson.loads(line[len("progress ") :]))
    except (orjson.JSONDecodeError, TypeError):
        return None
