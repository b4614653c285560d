from __future__ import annotations

import io

from domainlm.progress import Progress
from domainlm.screen import Lines


def steps(done: int) -> Progress:
    return Progress(label="train: base", done=done, total=4, unit="steps", figures={"loss": 2.5})


def test_without_a_terminal_a_line_is_written_at_most_every_two_seconds() -> None:
    file = io.StringIO()
    times_s = iter([0.0, 0.5, 1.9, 2.0, 3.9])
    lines = Lines(file=file, clock=lambda: next(times_s))
    for done in range(5):
        lines.show(steps(done))
    assert file.getvalue() == ("train: base: 0 of 4 steps (0%)  loss 2.5\ntrain: base: 3 of 4 steps (75%)  loss 2.5\n")
