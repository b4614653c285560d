from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domainlm import manifest, progress
from domainlm.digest import digest
from domainlm.errors import DataError
from domainlm.evaluate import compare, items, run, store
from domainlm.manifest import Manifest, Request
from domainlm.records import EvalResult
from domainlm.specs.run import EvaluateSpec

EVALS = Path(__file__).parents[2] / "evals"
TASKS = ("general_continuation", "legal_continuation")
SPEC = EvaluateSpec(tasks=TASKS, window_tokens=200, stride_tokens=100, bootstrap_samples=100)

Evaluate = Callable[..., Manifest]


def request(stage: str, name: str) -> Request:
    return Request(stage=stage, name=name, spec=name, seed=0, code="", libraries={}, inputs={})


@pytest.fixture
def evaluate(corpus_of: Any, heldout: Any, tmp_path: Path) -> Evaluate:
    corpus = corpus_of(heldout)
    domains = ["legal-demo", "general-demo"]
    made = manifest.make(
        request("items", "items"), tmp_path, lambda folder: items.build(corpus, domains, 6, folder, seed=1)
    )

    def evaluate(
        name: str, model: Path, spec: EvaluateSpec = SPEC, workspace: str = "work", parts: Path | None = None
    ) -> Manifest:
        asked = run.Asked(spec=spec, name=name, model=model, corpus=corpus, items=made, evals=EVALS, seed=5)
        return manifest.make(
            request("evaluate", f"{name}-{digest(spec)[:8]}"),
            tmp_path / workspace,
            lambda folder: run.evaluate(asked, folder, parts),
        )

    return evaluate


def test_an_evaluation_has_a_row_for_each_domain_source_and_task(evaluate: Evaluate, model_folder: Path) -> None:
    done = evaluate("base", model_folder)
    done.verify()
    results = store.read_results(done.only("results"))
    assert {(row.suite, row.task, row.source, row.metric) for row in results} == {
        ("legal-demo", "bits_per_byte", "", "bits_per_byte"),
        ("legal-demo", "bits_per_byte", "licenses", "bits_per_byte"),
        ("legal-demo", "bits_per_byte", "statutes", "bits_per_byte"),
        ("general-demo", "bits_per_byte", "", "bits_per_byte"),
        ("general-demo", "bits_per_byte", "books", "bits_per_byte"),
        ("legal", "legal_continuation", "", "acc"),
        ("general", "general_continuation", "", "acc"),
    }
    documents = [row for row in store.read(done.only("documents")) if row["domain"] == "legal-demo"]
    bits = sum(row["nats"] for row in documents) / math.log(2)
    (legal,) = [row for row in results if row.suite == "legal-demo" and not row.source]
    assert legal.value == pytest.approx(bits / sum(row["num_bytes"] for row in documents))
    for row in results:
        assert row.low <= row.value <= row.high
        assert row.value == row.numerator / row.denominator
    assert done.facts["missing"] == []
    assert not (done.folder / "work").exists() and not (done.folder / "parts").exists()


def test_a_limit_chooses_the_same_documents_for_every_model(
    evaluate: Evaluate, model_folder: Path, other_model_folder: Path
) -> None:
    spec = SPEC.model_copy(update={"max_docs_per_source": 2, "tasks": ()})
    base, other = evaluate("base", model_folder, spec), evaluate("other", other_model_folder, spec)
    chosen = [[row["id"] for row in store.read(done.only("documents"))] for done in (base, other)]
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 2 * 3
    assert (base.facts["window_tokens"], base.facts["stride_tokens"]) == (200, 100)
    assert (other.facts["window_tokens"], other.facts["stride_tokens"]) == (128, 64)


def test_of_a_long_document_only_the_beginning_is_scored_where_the_spec_says_so(
    evaluate: Evaluate, model_folder: Path
) -> None:
    spec = SPEC.model_copy(update={"max_doc_chars": 100, "tasks": ()})
    documents = store.read(evaluate("base", model_folder, spec).only("documents"))
    assert {row["num_bytes"] for row in documents} == {100}


class Killed(BaseException):
    """Nothing that the code under test could catch."""


@pytest.mark.parametrize("moment", ["licenses", "books", "tasks"])
def test_what_was_killed_half_way_ends_with_the_same_bytes(
    evaluate: Evaluate, model_folder: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = evaluate("base", model_folder)
    told: list[str] = []

    def kill(event: progress.Progress) -> None:
        place = f"{event.label} {event.figures.get('source')}"
        if moment in place and event.done == int(event.done) and (moment != "tasks" or event.done == event.total):
            raise Killed

    monkeypatch.setattr(progress, "_sink", kill)
    with pytest.raises(Killed):
        evaluate("base", model_folder, workspace="killed")
    monkeypatch.setattr(progress, "_sink", lambda event: told.append(event.label))
    resumed = evaluate("base", model_folder, workspace="killed")
    assert resumed.digest() == whole.digest()
    assert resumed.folder != whole.folder
    if moment == "tasks":
        assert all("tasks" in label for label in told), "bits per byte were computed again"


def test_a_model_compared_with_itself_differs_by_exactly_nothing(
    evaluate: Evaluate, model_folder: Path, tmp_path: Path
) -> None:
    done = evaluate("base", model_folder)
    rows = comparison({"base": done, "same": done}, tmp_path)
    assert len(rows) == 7
    for row in rows:
        assert (row["difference"], row["low"], row["high"], row["p_value"]) == (0, 0, 0, 1)
        assert not row["significant"]
        assert row["verdict"] == "not significant"


def test_two_models_are_compared_metric_by_metric(
    evaluate: Evaluate, model_folder: Path, other_model_folder: Path, tmp_path: Path
) -> None:
    base, other = evaluate("base", model_folder), evaluate("other", other_model_folder)
    values = {(r.suite, r.source, r.metric): r.value for r in store.read_results(base.only("results"))}
    for row in comparison({"base": base, "other": other}, tmp_path):
        assert row["base_value"] == pytest.approx(values[row["suite"], row["source"], row["metric"]])
        assert row["low"] <= row["difference"] <= row["high"]
        assert row["p_value"] <= row["p_holm"]


def comparison(evaluations: dict[str, Manifest], tmp_path: Path) -> list[dict[str, Any]]:
    base, *others = evaluations
    done = manifest.make(
        request("compare", "-".join(evaluations)),
        tmp_path,
        lambda folder: compare.compare(
            SPEC, pairs=[(base, other) for other in others], evaluations=evaluations, folder=folder, seed=2
        ),
    )
    return store.read(done.only("comparison"))


def evaluation_of(name: str, bits: dict[str, np.ndarray], tmp_path: Path) -> Manifest:
    """An evaluation written by hand: bits of the documents of each domain, of 1,000 bytes each."""

    def do(folder: Path) -> manifest.Made:
        documents = [
            {
                "domain": domain,
                "source": "s",
                "id": str(i),
                "metric": "bits_per_byte",
                "nats": v * math.log(2),
                "num_bytes": 1000,
                "num_tokens": 9,
            }
            for domain, values in bits.items()
            for i, v in enumerate(values)
        ]
        store.write(folder / "documents.parquet", documents, store.DOCUMENTS)
        store.write(folder / "samples.parquet", [], store.SAMPLES)
        results = list(run.results.of_documents(name, documents, 100, seed=0))
        store.write_results(folder / "results.parquet", results)
        kinds = ("documents", "samples", "results")
        return manifest.Made(shards=tuple(manifest.shard_of(folder / f"{k}.parquet", folder, k) for k in kinds))

    return manifest.make(request("evaluate", name), tmp_path, do)


def test_gain_and_forgetting_of_a_hundredth_of_a_bit_are_seen(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    text = {domain: random.normal(3000, 500, 80) for domain in ("legal-demo", "general-demo")}
    changed = {
        "legal-demo": text["legal-demo"] - random.normal(50, 30, 80),
        "general-demo": text["general-demo"] + random.normal(10, 10, 80),
    }
    rows = comparison(
        {"base": evaluation_of("base", text, tmp_path), "mix": evaluation_of("mix", changed, tmp_path)}, tmp_path
    )
    verdicts = {row["suite"]: row["verdict"] for row in rows if not row["source"]}
    assert verdicts == {"legal-demo": "gain", "general-demo": "forgetting"}


def test_models_scored_on_different_documents_are_not_compared(tmp_path: Path) -> None:
    base = evaluation_of("base", {"legal": np.ones(5)}, tmp_path)
    other = evaluation_of("other", {"legal": np.ones(6)}, tmp_path)
    with pytest.raises(DataError, match=r"legal/bits_per_byte.*not scored on the same documents"):
        comparison({"base": base, "other": other}, tmp_path)


def test_a_folder_without_a_model_is_told_of_in_the_results_and_nothing_else_is(
    evaluate: Evaluate, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    done = evaluate("base", tmp_path / "empty")
    assert store.read_results(done.only("results")) == []
    [missing] = done.facts["missing"]
    assert missing["task"] == "the model"
    assert missing["cause"].startswith("no language model can be loaded from ")


def test_one_more_task_runs_that_task_alone(
    evaluate: Evaluate, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = SPEC.model_copy(update={"tasks": TASKS[:1]})
    evaluate("base", model_folder, one, parts=tmp_path / "parts")
    told: list[progress.Progress] = []
    monkeypatch.setattr(progress, "_sink", told.append)
    both = evaluate("base", model_folder, parts=tmp_path / "parts")
    # A task whose scores stand there tells only that it is done.
    worked = [event for event in told if event.done != int(event.done) or "held-out" in event.label]
    assert {event.figures["task"] for event in worked} == {"legal_continuation"}
    monkeypatch.setattr(progress, "_sink", lambda event: None)
    assert both.digest() == evaluate("base", model_folder, workspace="alone").digest()


def test_every_field_of_the_store_says_what_it_means() -> None:
    assert store.RESULTS.names == list(EvalResult.__dataclass_fields__)
    for schema in (store.RESULTS, store.DOCUMENTS, store.SAMPLES, store.COMPARISON):
        assert all(field.metadata[b"doc"] for field in schema)


def test_results_come_back_as_they_were_written(tmp_path: Path) -> None:
    done = evaluation_of("base", {"legal": np.arange(1.0, 6.0)}, tmp_path)
    first = store.read_results(done.only("results"))
    store.write_results(tmp_path / "again.parquet", first)
    assert (tmp_path / "again.parquet").read_bytes() == done.only("results").read_bytes()
