"""Each mistake that a person can make comes back in its place, with a fix that mends it when it is pasted."""

from __future__ import annotations

from pathlib import Path

import pytest

RUN = Path("data_specs/runs/trial.yaml")
BLOCKS = Path(__file__).with_name("mistakes.txt").read_text(encoding="utf-8").split("\n\n")[1:]


def _lines(block: str, sign: str) -> str:
    return "\n".join(line[1:] for line in block.splitlines() if line.startswith(sign))


@pytest.mark.parametrize("block", BLOCKS, ids=[f"{number}-{b.split(':')[0]}" for number, b in enumerate(BLOCKS)])
def test_a_mistake_is_named_in_its_place_and_its_fix_mends_it(project, edit, problems_of, paste, block: str) -> None:
    head, *rest = block.strip().splitlines()
    spec, _, outcome = head.partition(": ")
    edit(spec, _lines(block, "-"), _lines(block, "+"))
    problems = problems_of(RUN)
    assert "\n".join(map(str, problems)) == "\n".join(line for line in rest if line[:1] not in ("-", "+"))
    if outcome == "pasting mends it":
        paste(problems[0])
        assert problems_of(RUN) == ()


def test_what_is_wrong_in_an_only_item_is_not_told_of_its_list_too(project, edit, problems_of) -> None:
    edit("domains/plain", "    license: CC0-1.0\n", "")
    assert [problem.key for problem in problems_of(RUN)] == ["sources.0.license"]
