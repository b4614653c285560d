"""What a finished run adds to the store: its rows by table, taken from the manifests of its stages."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from domainlm.digest import canonical, digest
from domainlm.evaluate import store
from domainlm.evaluate.columns import Key, columns_of
from domainlm.evaluate.gate import Check
from domainlm.manifest import Manifest

DIGITS = 16
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """A run of which everything is measured."""

    spec: Mapping[str, Any]
    """The run spec as plain JSON."""
    corpus: Manifest
    tokenizer: Manifest
    mixes: Mapping[str, Manifest]
    """By model, as the next two."""
    trainings: Mapping[str, Manifest]
    evaluations: Mapping[str, Manifest]
    comparison: Manifest
    stages: Sequence[Manifest]
    """All stages, each after those that it reads."""
    checks: Sequence[Check]
    """What the gate asked; empty where the run has none."""

    @property
    def record(self) -> str:
        """Names what was measured and how it was judged: the same again is the same record."""
        evaluations = {model: made.digest() for model, made in self.evaluations.items()}
        gate = [(check.model, check.bound, check.passed) for check in self.checks]
        return digest([self.spec["name"], evaluations, self.comparison.digest(), gate])[:DIGITS]


def rows(run: Finished, recorded_at: datetime) -> dict[str, list[Row]]:
    """The rows of every table of the store."""
    who = {"record": run.record, "run": run.spec["name"], "recorded_at": recorded_at}
    digests = {model: _digests(run, model) for model in run.evaluations}
    compared = store.read(run.comparison.only("comparison"))
    exchanged = store.read(run.comparison.only("exchange"))
    return {
        "items": [who | row for model in run.evaluations for row in _items(run, model)],
        "results": [who | digests[model] | row for model in run.evaluations for row in _results(run, model)],
        "comparisons": [who | row for row in compared],
        "exchanges": [who | row for row in exchanged],
        "models": [who | digests[model] | _model(run, model, place) for place, model in enumerate(run.evaluations)],
    }


def _digests(run: Finished, model: str) -> Row:
    evaluation, training = run.evaluations[model], run.trainings.get(model)
    outside = [made for name, made in evaluation.inputs.items() if name.startswith("train/")]
    known = {"corpus", "items", "tokenizer", "evals"}
    outside += [made for name, made in evaluation.inputs.items() if name not in known]
    return {
        "model_digest": training.digest() if training else next(iter(outside), ""),
        "data_digest": run.corpus.digest(),
        "tokenizer_digest": run.tokenizer.digest(),
        "spec_digest": digest(run.spec),
        "code_digest": evaluation.code,
    }


def _results(run: Finished, model: str) -> Iterable[Row]:
    items = {key: digest(list(column.items)) for key, column in columns_of(run.evaluations[model]).items()}
    for result in store.read_results(run.evaluations[model].only("results")):
        key: Key = (result.suite, result.task, result.source, result.metric)
        yield asdict(result) | {"model": model, "items_digest": items.get(key, "")}


def _items(run: Finished, model: str) -> Iterable[Row]:
    for row in store.read(run.evaluations[model].only("samples")):
        yield {"model": model} | row


def _model(run: Finished, model: str, place: int) -> Row:
    spec, training, mix = run.spec["models"][model], run.trainings.get(model), run.mixes.get(model)
    facts = training.facts if training else {}
    checks = [check for check in run.checks if check.model == model]
    verdict = "passed" if all(check.passed for check in checks) else "not passed"
    start = spec.get("start") or ""
    missing = run.evaluations[model].facts.get("missing", [])
    return {
        "title": run.spec.get("title") or run.spec["name"],
        "model": model,
        "place": place,
        "base": start if start in run.spec["models"] else "",
        "start": start,
        "mix": spec.get("mix") or "",
        "recipe": spec.get("recipe") or "",
        "token_ratio": _json(mix.facts["token_ratio"] if mix else {}),
        "realised_ratio": _json(mix.facts["realised_ratio"] if mix else {}),
        "num_parameters": facts.get("num_parameters", 0),
        "num_tokens": facts.get("tokens", 0),
        "corpus": _json({name: _kept(counts) for name, counts in run.corpus.counts["sources"].items()}),
        "gate": verdict if checks else "",
        "tolerance": next((c.bound for c in checks if c.asks == "no loss"), math.nan),
        "failed": _json({f"{task['suite']}/{task['task']}": task["cause"] for task in missing}),
        "lineage": _json(_lineage(run, model)),
    }


def _kept(counts: Mapping[str, Any]) -> Row:
    return {"read": counts["read"], "train": counts["kept"]["train"], "heldout": counts["kept"]["heldout"]}


def _lineage(run: Finished, model: str) -> list[Row]:
    """The stages that the model's evaluation was made from, in their order, by following digests."""
    by_digest: dict[str, list[Manifest]] = {}
    for stage in run.stages:
        by_digest.setdefault(stage.digest(), []).append(stage)
    wanted, seen = [run.evaluations[model]], set()
    while wanted:
        stage = wanted.pop()
        if f"{stage.stage}/{stage.name}" in seen:
            continue
        seen.add(f"{stage.stage}/{stage.name}")
        for name, made in stage.inputs.items():
            same = by_digest.get(made, [])
            # Equal bytes from two stages: the input's own name tells which was meant.
            wanted += [other for other in same if f"{other.stage}/{other.name}" == name] or same[:1]
    return [
        {"stage": s.stage, "name": s.name, "key": s.key, "made": s.digest(), "code": s.code, "inputs": dict(s.inputs)}
        for s in run.stages
        if f"{s.stage}/{s.name}" in seen
    ]


def _json(value: Any) -> str:
    return canonical(json.loads(canonical(value))).decode()
