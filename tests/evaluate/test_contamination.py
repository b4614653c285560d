"""Items that training text shares are found with the source that has them; scores are told with and without them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from domainlm.evaluate import benchmarks, contamination, results
from domainlm.manifest import Manifest
from domainlm.report import contamination as report
from domainlm.specs import tasks
from domainlm.specs.corpus import Decontaminate

COMMON = "The licensee shall not remove any notice of copyright from any copy of the software that it makes."
OWN = "A harbour master who counts the boats each morning keeps a book of them, which no one else may read."
ASKED = [
    OWN,
    COMMON,
    "Nobody ever wrote these many words about a candle and a window before today in one line.",
    "Why?",
]


@pytest.fixture
def corpus(corpus_of: Any) -> Manifest:
    return corpus_of(
        {
            ("legal", "cases", "train"): ["Some text before. " + OWN.upper() + " And after.", "Nothing of it."],
            ("legal", "forms", "train"): [f"Form {number}. {COMMON}" for number in range(11)],
            ("legal", "cases", "heldout"): [ASKED[2]],
        }
    )


@pytest.fixture
def asked(tmp_path: Path) -> list[benchmarks.Source]:
    evals, data = tmp_path / "evals", tmp_path / "data"
    (evals / "legal").mkdir(parents=True)
    data.mkdir()
    (evals / "legal" / "ask.yaml").write_text(
        "task: ask\ndataset_path: local\ntest_split: test\ndoc_to_text: question\ndoc_to_target: answer\n"
    )
    (data / "ask_test.jsonl").write_bytes(
        b"".join(orjson.dumps({"question": text, "answer": "no"}) + b"\n" for text in ASKED)
    )
    return benchmarks.sources(evals, data, tasks.read_tasks(evals))


def test_an_item_is_shared_clean_or_too_short_and_its_training_source_is_named(
    corpus: Manifest, asked: list[benchmarks.Source], tmp_path: Path
) -> None:
    """A phrase in more than ten training documents is common, and held-out text is no training text."""
    found, unread = contamination.check(corpus, asked, Decontaminate(), tmp_path / "work")
    assert found["ask"].status == ("shared", "clean", "clean", "short")
    assert found["ask"].sources == {"legal/cases": 1}
    assert unread == {}
    rarer = Decontaminate(max_documents=11)
    found, _ = contamination.check(corpus, asked, rarer, tmp_path / "work")
    assert found["ask"].status == ("shared", "shared", "clean", "short")
    assert contamination.counts(found, {"ask": "ask"}) == {
        "ask": {"items": 4, "shared": 2, "short": 1, "sources": {"legal/cases": 1, "legal/forms": 1}}
    }


def test_without_training_text_all_items_are_clean(
    corpus_of: Any, asked: list[benchmarks.Source], tmp_path: Path
) -> None:
    empty = corpus_of({("legal", "cases", "heldout"): ASKED})
    found, _ = contamination.check(empty, asked, Decontaminate(), tmp_path / "work")
    assert found["ask"].status == ("clean", "clean", "clean", "short")


def row(place: int, point: float) -> dict[str, Any]:
    return {"suite": "legal", "task": "ask", "subtask": "ask", "item": str(place), "place": place, "metric": "acc"} | {
        "training_text": "unknown",
        "numerator": point,
        "denominator": 1.0,
    }


def test_scores_on_clean_items_stand_beside_those_on_all(
    corpus: Manifest, asked: list[benchmarks.Source], tmp_path: Path
) -> None:
    checked, _ = contamination.check(corpus, asked, Decontaminate(), tmp_path / "work")
    samples = [row(place, point) for place, point in enumerate([1.0, 0.0, 0.0, 1.0])]
    contamination.mark(samples, checked, {"ask": 4})
    found = {"suites": {"ask": "legal"}, "subtasks": {"ask": ["ask"]}, "higher_is_better": {"ask": {"acc": True}}}
    found |= {"results": {"ask": {"acc,none": 0.5}}}
    rows = {r.source: r for r in results.of_tasks("base", found, samples, 100, seed=0)}
    assert (rows[""].value, rows[""].num_items) == (0.5, 4)
    assert (rows[results.CLEAN_ITEMS].value, rows[results.CLEAN_ITEMS].num_items) == (1 / 3, 3)


def test_nothing_is_said_of_items_where_lm_eval_sees_another_number_of_them(
    corpus: Manifest, asked: list[benchmarks.Source], tmp_path: Path
) -> None:
    checked, _ = contamination.check(corpus, asked, Decontaminate(), tmp_path / "work")
    samples = [row(0, 1.0)]
    contamination.mark(samples, checked, {"ask": 3})
    assert samples[0]["training_text"] == "unknown"


def test_the_report_says_how_many_items_are_shared_and_with_what() -> None:
    counted = {"items": 1200, "shared": 7, "short": 2, "sources": {"legal/cases": 6, "legal/forms": 1}}
    none = {"items": 10, "shared": 0, "short": 0, "sources": {}}
    assert report.sentence({"ask": counted, "other": none}) == (
        "Of 1,210 items of 2 benchmarks, 7 share n-grams with the run's training text: ask (7)."
    )
    assert report.sentence({"other": none}) == (
        "Of 10 items of 1 benchmark, none shares an n-gram with the run's training text."
    )
