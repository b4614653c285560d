"""Rows of the store as many runs of a scheduled deployment would leave them: a base, a mix and the domain alone."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from domainlm.digest import digest, seed_for

BEGIN = datetime(2026, 1, 1, 3, tzinfo=UTC)
SOURCES = {"legal": ("contracts", "opinions", "statutes"), "general": ("books", "web")}
MODELS = {"base": (0.0, 0.0), "mix-51": (0.30, 0.004), "domain-only": (0.37, 0.31)}
"""Bits per byte won in the domain and lost in general."""
QUESTION = "Which of these does the passage continue? <b>{}</b>\n\nThe party of the first part shall, on notice, ..."


def rows(number: int, *, run: str = "", items: int = 40) -> tuple[str, dict[str, list[dict[str, Any]]]]:
    """The record of run `number` and its rows by table; the same number gives the same rows."""
    random = np.random.default_rng(seed_for(number, "runs"))
    record = digest(["planted", number])[:16]
    name = run or ("nightly-legal", "weekly-legal", "sweep")[number % 3]
    who = {"record": record, "run": name, "recorded_at": BEGIN + timedelta(hours=6 * number)}
    drift = 0.08 * (1 - math.exp(-number / 200))
    won = {
        m: (g + drift * (g > 0) + random.normal(0, 0.012), loss + random.normal(0, 0.006))
        for m, (g, loss) in MODELS.items()
    }
    won["base"] = (0.0, 0.0)
    level = {"legal": 2.45 + random.normal(0, 0.01), "general": 2.41 + random.normal(0, 0.01)}
    right = {"base": 0.55, "mix-51": 0.66, "domain-only": 0.70}
    tables: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("items", "results", "comparisons", "exchanges", "models")
    }
    digests = {
        kind: digest([number, kind])
        for kind in ("model_digest", "data_digest", "tokenizer_digest", "spec_digest", "code_digest")
    }
    for place, model in enumerate(MODELS):
        own = digests | {"model_digest": digest([number, model])}
        gain, lost = won[model]
        for domain, sources in SOURCES.items():
            value = level[domain] + (-gain if domain == "legal" else lost)
            for source in ("", *sources):
                num = 400 if not source else 400 // len(sources)
                tables["results"].append(who | own | _level(model, domain, "bits_per_byte", source, value, num, 0.06))
        for suite in SOURCES:
            points = random.random(items) < right[model] - (0.1 if suite == "general" and model == "domain-only" else 0)
            tables["results"].append(who | own | _level(model, suite, "acc", "", float(points.mean()), items, 0.07))
            tables["items"] += [who | _item(model, suite, i, bool(point)) for i, point in enumerate(points)]
        if model != "base":
            tables["exchanges"].append(who | _exchange(model, gain, lost))
            for domain, change in (("legal", -gain), ("general", lost)):
                tables["comparisons"].append(who | _compared(model, domain, level[domain], change))
            for suite in SOURCES:
                tables["comparisons"].append(
                    who | _compared(model, suite, right["base"], right[model] - right["base"], "acc")
                )
        tables["models"].append(who | own | _model(number, name, place, model))
    return record, tables


def _level(model: str, suite: str, metric: str, source: str, value: float, num: int, half: float) -> dict[str, Any]:
    task = metric if metric != "acc" else f"{suite}_continuation"
    denominator = num * (4000.0 if metric != "acc" else 1.0)
    return {
        "model": model, "suite": suite, "task": task, "source": source, "metric": metric, "value": value,
        "low": value - half, "high": value + half, "num_items": num, "numerator": value * denominator,
        "denominator": denominator, "higher_is_better": metric == "acc", "items_digest": digest([suite, task, source]),
    }  # fmt: skip


def _item(model: str, suite: str, number: int, right: bool) -> dict[str, Any]:
    return {
        "model": model, "suite": suite, "task": f"{suite}_continuation", "item": f"{number:04}", "metric": "acc",
        "subtask": f"{suite}_continuation", "place": number, "doc_hash": digest(number), "training_text": "clean",
        "value": float(right), "numerator": float(right), "denominator": 1.0, "question": QUESTION.format(number),
        "target": "The first of the four", "answer": "The first of the four" if right else "The third of the four",
    }  # fmt: skip


def _compared(model: str, suite: str, base: float, change: float, metric: str = "bits_per_byte") -> dict[str, Any]:
    half = 0.009 if metric != "acc" else 0.09
    significant = abs(change) > half
    better = (change > 0) == (metric == "acc")
    words = ("gain", "loss") if suite != "general" else ("backward transfer", "forgetting")
    return {
        "base": "base", "adapted": model, "suite": suite, "source": "", "metric": metric,
        "task": metric if metric != "acc" else f"{suite}_continuation",
        "base_value": base, "adapted_value": base + change, "difference": change, "low": change - half,
        "high": change + half, "p_value": 0.0003 if significant else 0.4, "p_holm": 0.001 if significant else 0.6,
        "significant": significant, "test": "mcnemar" if metric == "acc" else "sign_flip", "num_items": 400,
        "higher_is_better": metric == "acc",
        "verdict": words[not better] if significant else "not significant",
    }  # fmt: skip


def _exchange(model: str, gain: float, lost: float) -> dict[str, Any]:
    half_gain, half_lost = 0.012, 0.006
    sure = lost - half_lost > 0
    return {
        "base": "base", "adapted": model, "domain": "legal", "general": "general", "metric": "bits_per_byte",
        "gain": gain, "gain_low": gain - half_gain, "gain_high": gain + half_gain, "gain_significant": gain > half_gain,
        "forgetting": lost, "forgetting_low": lost - half_lost, "forgetting_high": lost + half_lost,
        "forgetting_significant": abs(lost) > half_lost, "rate": gain / lost if lost > 0 else math.inf,
        "rate_low": (gain - half_gain) / (abs(lost) + half_lost),
        "rate_high": (gain + half_gain) / (lost - half_lost) if sure else math.inf,
    }  # fmt: skip


def _model(number: int, run: str, place: int, model: str) -> dict[str, Any]:
    ratio: Mapping[str, float] = {
        "base": {"general": 1.0}, "mix-51": {"legal": 0.51, "general": 0.49}, "domain-only": {"legal": 1.0},
    }[model]  # fmt: skip
    kept = {
        f"{domain}/{source}": {"read": 2000 + number, "train": 1800 + number, "heldout": 40}
        for domain, sources in SOURCES.items()
        for source in sources
    }
    needs = {
        **{f"read/{domain}": () for domain in SOURCES},
        "corpus/run": tuple(f"read/{domain}" for domain in SOURCES),
        "tokenizer/run": ("corpus/run",),
        "tokens/run": ("corpus/run", "tokenizer/run"),
        f"mix/{model}": ("tokens/run",),
        f"train/{model}": (f"mix/{model}", "tokens/run"),
        f"evaluate/{model}": ("corpus/run", f"train/{model}"),
    }
    lineage = [
        {
            "stage": stage.partition("/")[0],
            "name": stage.partition("/")[2],
            "key": digest([number, stage]),
            "made": digest([number, "made", stage]),
            "code": "c0de",
            "inputs": {need: digest([number, "made", need]) for need in needed},
        }
        for stage, needed in needs.items()
    ]
    verdict = {"base": "", "mix-51": "passed", "domain-only": "not passed"}[model]
    return {
        "title": f"{run}: legal text at three ratios", "model": model, "place": place,
        "base": "" if model == "base" else "base", "start": "" if model == "base" else "base", "mix": f"{model}-mix",
        "recipe": "continue", "token_ratio": json.dumps(ratio), "realised_ratio": json.dumps(ratio),
        "num_parameters": 1_073_000, "num_tokens": 600_000, "corpus": json.dumps(kept), "gate": verdict,
        "tolerance": 0.02 if verdict else math.nan, "failed": "{}", "lineage": json.dumps(lineage),
    }  # fmt: skip
