"""What is shown of an item is what the model was asked and said."""

from __future__ import annotations

from typing import Any

import pytest

from domainlm.evaluate.said import MOST, said


def sample(arguments: Any, found: Any, target: Any) -> dict[str, Any]:
    return {"arguments": arguments, "filtered_resps": found, "target": target}


@pytest.mark.parametrize(
    ("given", "question", "target", "answer"),
    [
        (sample([("Q", " a"), ("Q", " b")], [(-2.0, False), (-1.0, True)], 0), "Q", "a", "b"),
        # One continuation behind several contexts: what is chosen is the context.
        (sample([("one", " so"), ("two", " so")], [(-2.0, False), (-1.0, True)], 1), "so", "two", "two"),
        # Likelihoods without context, which some metrics need, are no choices.
        (
            sample([("Q", " a"), ("Q", " b"), ("", " a"), ("", " b")], [(-1.0, 0), (-2.0, 0), (-9.0, 0), (-0.1, 0)], 1),
            "Q",
            "b",
            "a",
        ),
        (sample([("Q", {"until": ["\n"]})], ["an answer "], "gold"), "Q", "gold", "an answer"),
        (sample([("text",)], [-12.5], ""), "text", "", ""),
        (sample([("Q", " only")], [(-2.0, True)], "only"), "Q", "only", ""),
        (sample([("Q", {})], ["x"], ["x", "y"]), "Q", "x, y", "x"),
    ],
    ids=["choices", "contexts", "unconditional", "generated", "rolling", "one likelihood", "several targets"],
)
def test_a_sample_is_told_as_question_target_and_answer(given: Any, question: str, target: str, answer: str) -> None:
    assert said(given) == {"question": question, "target": target, "answer": answer}


def test_a_long_question_loses_its_middle_and_nothing_else() -> None:
    text = "start" + "x" * 10_000 + "end"
    question = said(sample([(text, {})], ["y"], "y"))["question"]
    assert len(question) <= MOST and question.startswith("start") and question.endswith("end") and " […] " in question
