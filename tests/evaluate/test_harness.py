from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from domainlm import manifest
from domainlm.evaluate import benchmarks, harness, items, prepare, results
from domainlm.evaluate.subject import Subject
from domainlm.manifest import Manifest, Request
from domainlm.specs import tasks

EVALS = Path(__file__).parents[2] / "evals"
CONTINUATION = """
include: ../continuation_yaml
task: {task}
dataset_kwargs:
  data_files:
    test: {data}
"""


@pytest.fixture
def made_items(corpus_of: Any, heldout: Any, tmp_path: Path) -> Manifest:
    corpus = corpus_of(heldout)
    request = Request(stage="items", name="test", spec=None, seed=0, code="", libraries={}, inputs={})
    domains = ["legal-demo", "general-demo"]
    return manifest.make(request, tmp_path / "items", lambda folder: items.build(corpus, domains, 6, folder, seed=1))


@pytest.fixture
def evals(tmp_path: Path) -> Path:
    """A copy of `evals` to which tasks can be added."""
    return Path(shutil.copytree(EVALS, tmp_path / "evals"))


def run(
    subject: Subject, suites: list[str], evals: Path, made: Manifest, tmp_path: Path, names: tuple[str, ...] = ()
) -> harness.Outcome:
    """The tasks of `suites` that read the items that were made, and those with `names`."""
    wanted = {f"{suite}_continuation" for suite in suites} | set(names)
    chosen = [task for task in tasks.read_tasks(evals, suites) if task.name in wanted or task.broken]
    copied = prepare.copy(benchmarks.sources(evals, None, chosen), evals, made, None, tmp_path / "work")
    keys = {one.task.name: one.digest() for one in copied.prepared}
    return harness.run(subject, copied, parts=tmp_path / "parts", keys=keys, limit=None, label="test")


def test_a_suite_reads_the_items_of_the_domains_that_belong_to_it(
    tiny: Subject, made_items: Manifest, tmp_path: Path
) -> None:
    outcome = run(tiny, ["general", "legal"], EVALS, made_items, tmp_path)
    assert outcome.missing == []
    assert outcome.suites == {"general_continuation": "general", "legal_continuation": "legal"}
    assert {(row["suite"], row["metric"]) for row in outcome.samples} == {
        ("general", "acc"),
        ("legal", "acc"),
    }
    assert len(outcome.samples) == 2 * 6
    for task, suite in outcome.suites.items():
        points = [row["value"] for row in outcome.samples if row["suite"] == suite and row["metric"] == "acc"]
        assert outcome.results["results"][task]["acc,none"] == pytest.approx(sum(points) / 6)
    assert str(tmp_path) not in str(outcome)


def test_a_broken_task_is_reported_with_its_cause_and_the_others_survive(
    tiny: Subject, made_items: Manifest, evals: Path, tmp_path: Path
) -> None:
    legal = evals / "legal"
    (legal / "no_yaml.yaml").write_text("task: [unclosed\n")
    (legal / "no_data.yaml").write_text(CONTINUATION.format(task="no_data", data="${ITEMS}/nowhere.jsonl"))
    (legal / "twice.yaml").write_text(CONTINUATION.format(task="legal_continuation", data="${ITEMS}/legal.jsonl"))
    (legal / "no_metric.yaml").write_text(
        CONTINUATION.format(task="no_metric", data="${ITEMS}/legal.jsonl") + "metric_list: [{metric: no_such_metric}]\n"
    )
    broken = evals / "broken.jsonl"
    broken.write_text(
        '{"context": "a", "choices": ["b", "c"], "answer": 0}\n{"context": "a", "choices": [], "answer": 0}\n'
    )
    (legal / "breaks_late.yaml").write_text(CONTINUATION.format(task="breaks_late", data=broken))
    names = ("no_data", "no_metric", "breaks_late")
    outcome = run(tiny, ["medical", "legal", "no_suite"], evals, made_items, tmp_path, names)
    assert outcome.suites == {"legal_continuation": "legal"}
    assert len(outcome.samples) == 6
    causes = {missing.task: missing.cause for missing in outcome.missing}
    assert set(causes) == {
        "medical_continuation",
        "no_yaml",
        "no_data",
        "no_metric",
        "legal_continuation",
        "breaks_late",
    }
    assert causes["medical_continuation"] == (
        "no items: no domain of the run that is called 'medical' or 'medical-...' has any"
    )
    assert "ParserError" in causes["no_yaml"]
    assert "${ITEMS}/nowhere.jsonl" in causes["no_data"]
    assert "lm-eval does not know no_such_metric" in causes["no_metric"]
    assert "another file has a task 'legal_continuation' already" in causes["legal_continuation"]
    assert str(tmp_path / "work") not in str(outcome)


def test_a_rolling_task_keeps_bits_and_bytes_for_each_item(
    tiny: Subject, made_items: Manifest, evals: Path, tmp_path: Path
) -> None:
    (evals / "legal" / "rolling.yaml").write_text(
        "task: rolling\n"
        "dataset_path: json\n"
        "dataset_kwargs: {data_files: {test: '${ITEMS}/legal.jsonl'}}\n"
        "output_type: loglikelihood_rolling\n"
        "test_split: test\n"
        "doc_to_text: ''\n"
        "doc_to_target: context\n"
        "metric_list: [{metric: bits_per_byte, aggregation: bits_per_byte, higher_is_better: false}]\n"
    )
    outcome = run(tiny, ["legal"], evals, made_items, tmp_path, ("rolling",))
    rows = [row for row in outcome.samples if row["task"] == "rolling"]
    total = sum(row["numerator"] for row in rows) / sum(row["denominator"] for row in rows)
    assert outcome.results["results"]["rolling"]["bits_per_byte,none"] == pytest.approx(total)
    assert len(rows) == 6


def test_a_metric_that_no_item_has_alone_keeps_lm_evals_value_and_no_samples(
    tiny: Subject, made_items: Manifest, evals: Path, tmp_path: Path
) -> None:
    (evals / "legal" / "brier.yaml").write_text(
        CONTINUATION.format(task="brier", data="${ITEMS}/legal.jsonl")
        + "metric_list: [{metric: brier_score, aggregation: brier_score, higher_is_better: false}]\n"
    )
    outcome = run(tiny, ["legal"], evals, made_items, tmp_path, ("brier",))
    found = outcome.results | {"suites": outcome.suites, "subtasks": outcome.subtasks}
    (row,) = [row for row in results.of_tasks("m", found, outcome.samples, 10, seed=0) if row.task == "brier"]
    assert row.value == outcome.results["results"]["brier"]["brier_score,none"]
    assert math.isnan(row.low)
    assert not row.higher_is_better


def test_a_path_from_the_environment_is_called_by_its_name_in_results(
    tiny: Subject, made_items: Manifest, evals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made_items.only("items", domain="legal-demo").parent
    monkeypatch.setenv("OUTSIDE", str(folder))
    (evals / "legal" / "outside.yaml").write_text(
        CONTINUATION.format(task="outside", data="${OUTSIDE}/legal-demo.jsonl")
    )
    (evals / "legal" / "unset.yaml").write_text(CONTINUATION.format(task="unset", data="${NOT_SET}/x.jsonl"))
    outcome = run(tiny, ["legal"], evals, made_items, tmp_path, ("outside", "unset"))
    assert set(outcome.suites) == {"legal_continuation", "outside"}
    kwargs = outcome.results["configs"]["outside"]["dataset_kwargs"]
    assert kwargs == {"data_files": {"test": "${OUTSIDE}/legal-demo.jsonl"}}
    assert "${NOT_SET}/x.jsonl" in outcome.missing[0].cause
