"""Progress for people: a bar per label at a terminal, and now and then a plain line where there is none."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TextIO

from domainlm import progress
from domainlm.progress import Progress

if TYPE_CHECKING:
    import rich.progress

Mode = Literal["bar", "json", "none"]
LINE_EVERY_S = 2.0


@contextlib.contextmanager
def shown(mode: Mode) -> Iterator[None]:
    """Progress inside the block is shown: as bars or lines on standard error, or as JSON lines on standard output."""
    with _sink(mode) as sink:
        progress.listen(sink)
        try:
            yield
        finally:
            progress.listen(lambda told: None)


@contextlib.contextmanager
def _sink(mode: Mode) -> Iterator[progress.Sink]:
    if mode == "json":
        yield progress.to_json_lines
    elif mode == "none":
        yield lambda told: None
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield Bars(bars=bars).show
    else:
        yield Lines(file=sys.stderr).show


def amount(told: Progress) -> str:
    """How far it has come, and of what.

    >>> amount(Progress(label="train: base", done=1200, total=3000, unit="steps"))
    '1,200 of 3,000 steps'
    >>> amount(Progress(label="corpus: read", done=7, total=None, unit="docs"))
    '7 docs'
    """
    of = "" if told.total is None else f" of {told.total:,.0f}"
    return f"{told.done:,.0f}{of} {told.unit}"


def figures(told: Progress) -> str:
    """What stands beside the bar.

    >>> figures(Progress(label="", done=0, total=None, unit="", figures={"loss": 3.14159, "now": "mix/a"}))
    'loss 3.142  now mix/a'
    """
    return "  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in told.figures.items())


@dataclass(kw_only=True)
class Lines:
    """Plain lines for logs: the first of each label, and then one at most every two seconds."""

    file: TextIO
    clock: Callable[[], float] = time.monotonic
    next_s: dict[str, float] = field(default_factory=dict)

    def show(self, told: Progress) -> None:
        now = self.clock()
        if now < self.next_s.get(told.label, now):
            return
        self.next_s[told.label] = now + LINE_EVERY_S
        share = f" ({told.done / told.total:.0%})" if told.total else ""
        print(f"{told.label}: {amount(told)}{share}  {figures(told)}".rstrip(), file=self.file, flush=True)


@dataclass(kw_only=True)
class Bars:
    """One bar per label; a finished one stays."""

    bars: rich.progress.Progress
    rows: dict[str, rich.progress.TaskID] = field(default_factory=dict)

    def show(self, told: Progress) -> None:
        if told.label not in self.rows:
            self.rows[told.label] = self.bars.add_task(told.label, total=told.total, amount="", figures="")
        row = self.rows[told.label]
        said = {"amount": amount(told), "figures": figures(told)}
        self.bars.update(row, completed=told.done, total=told.total, **said)


def _bars() -> rich.progress.Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[amount]}", markup=False, justify="right"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[figures]}", markup=False),
        console=Console(stderr=True),
    )
