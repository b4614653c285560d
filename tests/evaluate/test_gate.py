"""A gate is passed by evidence, not by the lack of it."""

from __future__ import annotations

from typing import Any

import pytest

from domainlm.evaluate.gate import judge

BITS = "bits_per_byte"


def row(suite: str, low: float, high: float, **fields: Any) -> dict[str, Any]:
    place = {"base": "base", "adapted": "new", "suite": suite, "task": BITS, "metric": BITS, "source": ""}
    return place | {"difference": (low + high) / 2, "low": low, "high": high} | fields


def passed(*rows: dict[str, Any], domains: tuple[str, ...] = ("law",), tolerance: float = 0.02) -> list[bool]:
    return [c.passed for c in judge(rows, base="base", model="new", domains=domains, tolerance=tolerance)]


@pytest.mark.parametrize(
    ("law", "general", "outcome"),
    [
        ((-0.4, -0.2), (-0.01, 0.015), [True, True]),
        ((-0.4, 0.001), (-0.01, 0.015), [False, True]),
        ((-0.4, -0.2), (-0.01, 0.025), [True, False]),
        ((-0.4, -0.2), (0.005, 0.015), [True, True]),
        ((0.1, 0.2), (0.1, 0.2), [False, False]),
    ],
    ids=[
        "gained, and nothing lost",
        "a gain that may be none",
        "no significant loss, but one too large is not excluded",
        "a significant loss that is small enough",
        "worse in all",
    ],
)
def test_whole_intervals_decide(law: Any, general: Any, outcome: list[bool]) -> None:
    assert passed(row("law", *law), row("general-web", *general)) == outcome


def test_what_was_not_measured_is_not_held() -> None:
    assert passed(row("law", -0.4, -0.2)) == [True, False]
    assert passed(row("general", -0.01, 0.01)) == [False, True]
    assert passed(row("general", -0.01, 0.01), domains=()) == [False, True]
    (gain, _) = judge([], base="base", model="new", domains=("law",), tolerance=0.02)
    assert str(gain) == "not held: what new gains on law against base was not measured"


def test_sources_tasks_and_other_models_do_not_count() -> None:
    others = [
        row("law", -0.4, -0.2, source="statutes"),
        row("law", -0.4, -0.2, adapted="old"),
        row("law", -0.4, -0.2, task="law_task", metric="acc"),
    ]
    assert passed(*others) == [False, False]
