"""Every YAML of `evals` says what it is, reads items as they are published, and gives a model that knows all 100%."""

from __future__ import annotations

import importlib.util
import logging
import math
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from lm_eval import evaluator
from lm_eval.api.model import LM
from lm_eval.api.registry import metric_registry
from lm_eval.tasks import TaskManager

from domainlm import manifest
from domainlm.evaluate import benchmarks, harness, prepare, scoring
from domainlm.evaluate.subject import Subject
from domainlm.manifest import Made, Manifest, Request
from domainlm.specs import tasks
from domainlm.specs.tasks import Task

EVALS = Path(__file__).parents[2] / "evals"
SUITES = ("finance", "general", "legal", "medical")
TASKS = tasks.read_tasks(EVALS)
FIRST = {task.path.relative_to(EVALS).with_suffix("").as_posix(): task for task in reversed(TASKS)}
"""A task of each YAML: of one with `each`, the first."""
PUBLISHED = sorted(name for name in FIRST if not name.endswith("/continuation"))


def _made_up() -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("made_up", Path(__file__).with_name("made_up.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.all_made()


MADE_UP = _made_up()


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_task_says_its_suite_its_source_its_shots_and_metrics_that_are_known(task: Task) -> None:
    assert not task.broken
    assert task.config["tag"] == task.suite and task.suite in SUITES
    assert isinstance(task.config.get("num_fewshot"), int)
    assert task.metrics
    for metric in task.config["metric_list"]:
        own = "process_results" in task.config
        name = str(metric.get("aggregation", "")).rpartition(".")[2]
        assert metric["metric"] in metric_registry or (own and (name == "mean" or hasattr(scoring, name)))
    if "continuation" not in task.name:
        source = task.metadata["source"]
        assert re.search(r"arXiv:\d{4}\.\d{5}|doi:10\.|aclanthology\.org/|KR 2012|AAAI Spring Symposium", source)
        assert re.search(r"shot|example|scor|prompt|perplexit|compared", source), "how it is asked"
    if "chance" in task.metadata:
        assert 0 < task.metadata["chance"] < 1


def test_names_are_unique_and_mmlu_is_whole() -> None:
    names = [task.name for task in TASKS]
    assert len(set(names)) == len(names)
    assert sum(task.title in {f"mmlu_{suite}" for suite in SUITES} for task in TASKS) == 57
    suites: dict[str, set[str]] = {}
    for task in TASKS:
        suites.setdefault(task.title, set()).add(task.suite)
    assert all(len(found) == 1 for found in suites.values()), "a title is of one suite"


def test_the_documentation_lists_every_task_with_its_shots_metrics_and_source() -> None:
    table = (EVALS.parent / "docs" / "evaluation.md").read_text(encoding="utf-8")
    for task in {task.title: task for task in reversed(TASKS)}.values():
        several = sum(other.title == task.title for other in TASKS)
        name = f"`{task.title}`" + (f" ({several})" if several > 1 else "")
        listed = (
            f"| {task.suite} | {name} | {task.shots} | {', '.join(task.metrics)} | {task.metadata.get('source', '')}"
        )
        assert listed in table


def test_every_published_benchmark_has_made_up_items() -> None:
    assert sorted(MADE_UP) == PUBLISHED


@pytest.fixture(autouse=True)
def quiet() -> None:
    logging.getLogger("lm_eval").setLevel(logging.ERROR)


@pytest.fixture(scope="session")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Items of no domain."""
    request = Request(stage="items", name="none", spec=None, seed=0, code="", libraries={}, inputs={})
    return manifest.make(request, tmp_path_factory.mktemp("items"), lambda folder: Made(shards=()))


@pytest.fixture(scope="session")
def copied(tmp_path_factory: pytest.TempPathFactory, nothing: Manifest) -> dict[str, prepare.Prepared]:
    """A task of each published YAML with its made-up items, each in a folder of data of its own."""
    folder = tmp_path_factory.mktemp("suites")
    found = {}
    for name, (files, _) in MADE_UP.items():
        data = folder / name / "data"
        data.mkdir(parents=True)
        for file, records in files.items():
            (data / f"{file}.jsonl").write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
        made = prepare.copy(
            benchmarks.sources(EVALS, data, [FIRST[name]]), EVALS, nothing, data, folder / name / "work"
        )
        found[name] = made.prepared[0]
    return found


class Knowing(LM):
    """Says what it is told to, item by item; `right` tells it to, else it says anything but that."""

    def __init__(self, golds: list[str], *, right: bool):
        super().__init__()
        self.golds, self.right = golds, right

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        found = []
        for request in requests:
            is_gold = "".join(request.args).endswith(self.golds[request.doc_id]) == self.right
            found.append((0.0 if is_gold else -100.0, is_gold))
        return found

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        return [-math.log(2) * len(request.args[0].encode()) for request in requests]

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        return [self.golds[request.doc_id] if self.right else "zebra" for request in requests]


def scores(prepared: prepare.Prepared, model: LM) -> dict[str, float]:
    name = prepared.task.name
    loaded = TaskManager(include_defaults=False).load([str(prepared.ready())])["tasks"][name]
    loaded.set_fewshot_seed(seed=harness.FEWSHOT_SEED)
    found: Any = evaluator.evaluate(
        model, {"tasks": {name: loaded}, "groups": {}, "group_map": {}}, bootstrap_iters=0, log_samples=True
    )
    wanted = len(MADE_UP[prepared.task.path.relative_to(EVALS).with_suffix("").as_posix()][1])
    assert found["n-samples"][name]["effective"] == wanted
    return {key.split(",")[0]: value for key, value in found["results"][name].items() if "," in key and value != "N/A"}


@pytest.mark.parametrize("name", PUBLISHED)
def test_who_knows_all_answers_gets_all_and_who_says_others_gets_none(name: str, copied: Any) -> None:
    right, wrong = (scores(copied[name], Knowing(MADE_UP[name][1], right=right)) for right in (True, False))
    assert set(right) == set(copied[name].task.metrics)
    for metric, value in right.items():
        if metric == "bits_per_byte":
            assert 0.8 < value < 1  # a bit a byte of the detokenised text, over the bytes of the file's
        elif "perplexity" not in metric:
            assert value == 1, metric
            # With as many choices as classes, saying always another can hit a class by chance in F1, never in acc.
            assert wrong[metric] < 1 and (metric not in ("acc", "exact_match") or wrong[metric] == 0)


def test_a_real_model_runs_every_published_task(tiny: Subject, copied: Any, tmp_path: Path) -> None:
    whole = prepare.Copy(folder=tmp_path / "evals", prepared=tuple(copied.values()))
    keys = {one.task.name: one.digest() for one in whole.prepared}
    outcome = harness.run(tiny, whole, parts=tmp_path / "parts", keys=keys, limit=1, label="test")
    assert outcome.missing == []
    assert len(outcome.subtasks) == len(PUBLISHED)
    assert {len(row["doc_hash"]) for row in outcome.samples} == {64}
    again = harness.run(tiny, whole, parts=tmp_path / "parts", keys=keys, limit=1, label="test")
    assert again == outcome
