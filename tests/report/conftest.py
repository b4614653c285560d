"""A finished run made by hand, in the formats of the stages: a base model, a mix and a pure run from it."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domainlm import manifest
from domainlm.digest import seed_for
from domainlm.evaluate import store
from domainlm.manifest import Made, Manifest, Request, shard_of
from domainlm.records import EvalResult
from domainlm.report.page import build
from domainlm.tokens.encode import facts_of

EVIL = "</script><script>document.title='broken out'</script><!-- <img src=x onerror=alert(1)> ${title} $data & \u2028"
SOURCES = {
    "legal": {"licenses": (980, 560, 14, {"near_duplicate": 301, "exact_duplicate": 88, "too_short": 15}, 2)},
    "general": {
        "docs": (1510, 1320, 31, {"near_duplicate": 96, "too_short": 51, "symbol_ratio": 12}, 0),
        "docstrings-of-installed-packages": (12400, 9800, 200, {"too_short": 1800, "exact_duplicate": 600}, 0),
    },
    "medical": {"abstracts": (4000, 3900, 100, {}, 0)},
}
LEVELS = {
    "base": {"legal": 4.076, "general": 2.875},
    "mix": {"legal": 3.389, "general": 2.886},
    "pure": {"legal": 3.262, "general": 3.434},
}
ACCURACY = {"base": (0.31, 0.47), "mix": (0.44, 0.465), "pure": (0.455, 0.36)}
RATIOS = {"base": {"general": 1.0}, "mix": {"legal": 0.51, "general": 0.49}, "pure": {"legal": 1.0, "general": 0.0}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """What the hand-made run should hold."""

    domains: tuple[str, ...] = ("legal", "general")
    levels: Mapping[str, Mapping[str, float]] = field(default_factory=lambda: LEVELS)
    tasks: tuple[str, ...] = ("legal_continuation", "general_continuation")
    significant_from: float = 0.02
    """Differences from this size on are marked significant."""
    failed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    head: str = "Permission is hereby granted, free of charge, to any person obtaining a copy"
    num_steps: int = 365
    title: str = "Legal text, 51 / 49"
    extends: str | None = None
    """What the tokenizer extends by 96 tokens."""


def stage(workspace: Path, kind: str, name: str, inputs: Mapping[str, str], do: Callable[[Path], Made]) -> Manifest:
    request = Request(
        stage=kind,
        name=name,
        spec={"made": "by hand", "of": name},
        seed=seed_for(7, kind, name),
        code="c0de" * 16,
        libraries={"numpy": "2.4.1"} if kind in ("compare", "mix") else {"torch": "2.13.0", "transformers": "5.23.0"},
        inputs=inputs,
    )
    return manifest.make(request, workspace, do)


def _file(folder: Path, path: str, kind: str, content: bytes, **fields: Any) -> manifest.Shard:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return shard_of(target, folder, kind, **fields)


def _parquet(folder: Path, path: str, kind: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Made:
    table = pa.table({name: [row[name] for row in rows] for name in columns})
    pq.write_table(table, folder / path)
    return Made(shards=(shard_of(folder / path, folder, kind),))


def _corpus(sample: Sample, folder: Path) -> Made:
    sources = {}
    for domain in sample.domains:
        for name, (read, train, heldout, dropped, quarantined) in SOURCES[domain].items():
            sources[f"{domain}/{name}"] = {
                "read": read,
                "kept": {"train": train, "heldout": heldout},
                "dropped": dropped,
                "quarantined": quarantined,
                "read_bytes": read * 4100,
                "kept_bytes": {"train": train * 4000, "heldout": heldout * 4000},
                "edits": {"redact: email": {"docs": 3, "times": 7}} if domain == "legal" else {},
                "stages": _stages(read, dropped, quarantined),
                "lengths": {"read": [0] * 10 + [read], "kept": [0] * 10 + [train + heldout]},
                "languages": {"read": {"en": read}, "kept": {"en": train + heldout}} if domain == "legal" else _NONE,
            }
    facts = {
        "licenses": {name: "Apache-2.0 AND as each distribution states" for name in sources},
        "largest_clusters": [
            {"kept": "legal/licenses/torch/LICENSE", "num_docs": 212, "head": sample.head},
            {"kept": "general/docs/readme", "num_docs": 1, "head": "A second head."},
        ],
    }
    columns = ("id", "domain", "source", "split", "reason", "duplicate_of", "text_head")
    dropped_rows = [
        dict(zip(columns, (f"{label}/{reason}", *label.split("/"), "train", reason, None, sample.head), strict=True))
        for label, counts in sources.items()
        for reason in counts["dropped"]
    ]
    made = _parquet(folder, "dropped.parquet", "dropped", dropped_rows, columns)
    return Made(shards=made.shards, counts={"sources": sources}, facts=facts)


_NONE: dict[str, dict[str, int]] = {"read": {}, "kept": {}}


def _stages(read: int, dropped: Mapping[str, int], quarantined: int) -> list[dict[str, Any]]:
    left, rows = read - quarantined, []
    rows.append({"stage": "read", "in": read, "out": left, "dropped": {}, "quarantined": quarantined, "bytes_out": 9})
    out = left - sum(dropped.values())
    return [*rows, {"stage": "near", "in": left, "out": out, "dropped": dropped, "quarantined": 0, "bytes_out": 8}]


def _tokens(sample: Sample, corpus: Manifest, folder: Path) -> Made:
    counts = {
        name: {"docs": c["kept"]["train"], "tokens": c["kept_bytes"]["train"] // 4, "bytes": c["kept_bytes"]["train"]}
        for name, c in corpus.counts["sources"].items()
    }
    encoder = facts_of("domainlm.bpe", checked_docs=984, checked_strings=1812)
    facts = {"dtype": "uint16", "vocab_size": 4096, "end_token_id": 0, "encoder": encoder}
    return Made(shards=(_file(folder, "x.bin", "tokens", b"t"),), counts={"sources": counts}, facts=facts)


def _tokenizer(sample: Sample, folder: Path) -> Made:
    fertility = {
        domain: {
            "bytes_per_token": 3.91 - 0.35 * i,
            "tokens_per_word": 1.62 + 0.2 * i,
            "words_kept_whole": 0.61 - 0.1 * i,
        }
        for i, domain in enumerate(sample.domains)
    }
    facts = {"vocab_size": 4096, "end_token": "<|endoftext|>", "end_token_id": 0, "fertility": fertility}
    if sample.extends is not None:
        before = {domain: f | {"bytes_per_token": f["bytes_per_token"] - 0.5} for domain, f in fertility.items()}
        facts |= {"extends": sample.extends, "base_vocab_size": 4000, "new_tokens": 96, "base_fertility": before}
    return Made(shards=(_file(folder, "tokenizer/tokenizer.json", "tokenizer", b"{}"),), facts=facts)


def _mix(sample: Sample, name: str, folder: Path) -> Made:
    asked = {domain: RATIOS[name].get(domain, 0.0) for domain in sample.domains}
    if not any(asked.values()):
        asked = dict.fromkeys(sample.domains, 1 / len(sample.domains))
    sources = {}
    for domain, share in asked.items():
        for i, source in enumerate(SOURCES[domain]):
            part = share / len(SOURCES[domain])
            rows = round(part * sample.num_steps * 16)
            sources[f"{domain}/{source}"] = {"domain": domain, "rows": rows, "share": part, "epochs": part * (2.2 - i)}
    total = sum(s["rows"] for s in sources.values())
    realised = {d: sum(s["rows"] for s in sources.values() if s["domain"] == d) / total for d in asked}
    facts = {"rows": total, "batch_rows": 16, "sequence_tokens": 128, "sources": sources}
    facts |= {"token_ratio": asked, "realised_ratio": realised}
    return Made(shards=(_file(folder, "mix.json", "mix", b"{}"),), facts=facts)


def _training(sample: Sample, name: str, mix: Manifest, folder: Path) -> Made:
    lines = []
    for step in range(1, sample.num_steps + 1):
        noise = (seed_for(step, name) % 1000 / 1000 - 0.5) * 0.25 - (0.4 if name == "pure" else 0)
        start = 6.0 if name == "base" else 3.6
        loss = 3.0 + start * math.exp(-step / 40) + noise
        rows = {source: round(16 * step * facts["share"]) for source, facts in mix.facts["sources"].items()}
        rate = 2e-3 * min(step / 20, 0.5 + 0.5 * math.cos(math.pi * step / sample.num_steps))
        line = {"step": step, "row": 16 * step, "tokens": 2048 * step, "loss": loss, "grad_norm": 0.7}
        lines.append(line | {"learning_rate": rate, "sources": rows})
    content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    facts = {
        "num_parameters": 1_073_000,
        "steps": sample.num_steps,
        "tokens": 2048 * sample.num_steps,
        "first_loss": lines[0]["loss"],
        "last_loss": lines[-1]["loss"],
        "realised_share": {s: f["share"] for s, f in mix.facts["sources"].items()},
        "ranks": 2,
        "device": "cpu",
        "precision": "fp32",
        "strategy": "fsdp",
    }
    watched = "".join(json.dumps(line) + "\n" for line in _watched(sample, name)).encode()
    files = (_file(folder, "metrics.jsonl", "metrics", content), _file(folder, "heldout.jsonl", "heldout", watched))
    return Made(shards=files, facts=facts)


def _watched(sample: Sample, name: str) -> Iterator[dict[str, Any]]:
    """From the base's levels to the model's own; the base begins with eight bits a byte."""
    for n in range(9):
        step, levels = round(n * sample.num_steps / 8), {}
        for domain, level in sample.levels[name].items():
            begun = 8.0 if name == "base" else sample.levels["base"][domain]
            now = level + (begun - level) * math.exp(-n)
            levels[domain] = round(now, 6) if math.isfinite(now) else None
        yield {"step": step, "tokens": 2048 * step, "bits_per_byte": levels}


def _result(model: str, suite: str, task: str, metric: str, value: float, half: float, **fields: Any) -> dict[str, Any]:
    record = EvalResult(
        model=model,
        suite=suite,
        task=task,
        metric=metric,
        value=value,
        low=value - half,
        high=value + half,
        num_items=fields.get("num_items", 200),
        numerator=value,
        denominator=1.0,
        source=fields.get("source", ""),
        higher_is_better=metric == "acc",
    )
    return dataclasses.asdict(record)


def _results(sample: Sample, model: str) -> list[dict[str, Any]]:
    rows = []
    for domain, value in sample.levels[model].items():
        rows.append(_result(model, domain, "bits_per_byte", "bits_per_byte", value, 0.06, num_items=231))
        for i, source in enumerate(SOURCES[domain]):
            named = {"source": source, "num_items": 40}
            rows.append(_result(model, domain, "bits_per_byte", "bits_per_byte", value + 0.1 * i, 0.1, **named))
    for task, accuracy in zip(sample.tasks, ACCURACY[model], strict=False):
        rows.append(_result(model, task.partition("_")[0], task, "acc", accuracy, 0.065))
    return rows


def _comparison(sample: Sample, results: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    rows = []
    names = ("suite", "task", "source", "metric")
    base = {tuple(r[n] for n in names): r for r in results["base"]}
    for adapted in list(results)[1:]:
        for row in results[adapted]:
            measure = tuple(row[n] for n in names)
            difference = row["value"] - base[measure]["value"]
            significant = abs(difference) >= sample.significant_from
            rows.append(
                dict(zip(names, measure, strict=True))
                | {"base": "base", "adapted": adapted, "difference": difference, "num_items": row["num_items"]}
                | {"base_value": base[measure]["value"], "adapted_value": row["value"]}
                | {"low": difference - 0.019, "high": difference + 0.019}
                | {"p_value": 0.0001 if significant else 0.04, "p_holm": 0.0008 if significant else 0.31}
                | {"significant": significant, "higher_is_better": row["higher_is_better"]}
            )
    return rows


def _exchanges(compared: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    whole = [row for row in compared if row["task"] == "bits_per_byte" and not row["source"]]
    found = []
    for won in whole:
        for lost in whole:
            if won["adapted"] == lost["adapted"] and won["suite"] != "general" and lost["suite"] == "general":
                row = {"base": won["base"], "adapted": won["adapted"], "domain": won["suite"], "general": "general"}
                row |= {"metric": "bits_per_byte", "gain": -won["difference"], "forgetting": lost["difference"]}
                row |= {"gain_low": -won["high"], "gain_high": -won["low"], "gain_significant": won["significant"]}
                row |= {"forgetting_low": lost["low"], "forgetting_high": lost["high"]}
                rate = row["gain"] / row["forgetting"] if row["forgetting"] > 0 else math.inf
                row |= {"forgetting_significant": lost["significant"], "rate": rate, "rate_low": 0.8 * rate}
                found.append(row | {"rate_high": 1.3 * rate if lost["significant"] else math.inf})
    return found


RESULT_COLUMNS = [f.name for f in dataclasses.fields(EvalResult)]
COMPARISON_COLUMNS = ["base", "adapted", "suite", "task", "source", "metric", "base_value", "adapted_value"]
COMPARISON_COLUMNS += ["difference", "low", "high", "p_value", "p_holm", "significant", "num_items", "higher_is_better"]


def make_inputs(workspace: Path, sample: Sample) -> dict[str, Any]:
    """The manifests of a whole run, as `report.page.build` takes them (without `folder`)."""
    reads = {
        domain: stage(
            workspace, "read", domain, {f"{domain}/{s}": "ab" * 32 for s in SOURCES[domain]}, lambda f: Made(shards=())
        )
        for domain in sample.domains
    }
    asked = {f"read/{domain}": made.digest() for domain, made in reads.items()}
    corpus = stage(workspace, "corpus", "demo", asked, lambda f: _corpus(sample, f))
    read = {"corpus": corpus.digest()}
    tokenizer = stage(workspace, "tokenizer", "demo", read, lambda f: _tokenizer(sample, f))
    read |= {"tokenizer": tokenizer.digest()}
    tokens = stage(workspace, "tokens", "demo", read, lambda f: _tokens(sample, corpus, f))
    mixes, trainings, evaluations, results = {}, {}, {}, {}
    for name in sample.levels:
        mixes[name] = stage(workspace, "mix", name, {"tokens": tokens.digest()}, lambda f, n=name: _mix(sample, n, f))
        asked = {f"mix/{name}": mixes[name].digest(), "tokens": tokens.digest(), "tokenizer": tokenizer.digest()}
        asked |= {"train/base": trainings["base"].digest()} if trainings else {}
        trainings[name] = stage(workspace, "train", name, asked, lambda f, n=name: _training(sample, n, mixes[n], f))
        results[name] = _results(sample, name)
        asked = {"corpus": corpus.digest(), "items": "17e5" * 16, f"train/{name}": trainings[name].digest()}

        def evaluate(folder: Path, name: str = name) -> Made:
            made = _parquet(folder, "results.parquet", "results", results[name], RESULT_COLUMNS)
            failed = sample.failed.get(name, {})
            facts = {"missing": [{"suite": "legal", "task": task, "cause": cause} for task, cause in failed.items()]}
            configs = {task: {"metadata": {"version": 1.0, "chance": 0.25}} for task in sample.tasks}
            lm_eval = _file(folder, "lm_eval.json", "lm_eval", json.dumps({"configs": configs}).encode())
            return dataclasses.replace(made, shards=(*made.shards, lm_eval), facts=facts)

        evaluations[name] = stage(workspace, "evaluate", name, asked, evaluate)
    rows = _comparison(sample, results)
    exchanged = _exchanges(rows)
    asked = {f"evaluate/{name}": made.digest() for name, made in evaluations.items()}
    comparison = stage(
        workspace,
        "compare",
        "demo",
        asked,
        lambda f: Made(
            shards=(
                *_parquet(f, "comparison.parquet", "comparison", rows, COMPARISON_COLUMNS).shards,
                *_parquet(f, "exchange.parquet", "exchange", exchanged, store.EXCHANGE.names).shards,
            )
        ),
    )
    run = {
        "name": "demo",
        "title": sample.title,
        "seed": 7,
        "corpus": {"domains": list(sample.domains)},
        "models": {
            name: {"mix": name, "start": None if name == "base" else "base", "recipe": "onward"}
            for name in sample.levels
        },
        "recipes": {"onward": {"watch": {"forgetting": {"domains": ["general"], "tolerance_bits": 0.1}}}},
        "evaluate": {"bootstrap_samples": 1000},
    }
    return {
        "title": sample.title,
        "run": run,
        "reads": reads,
        "corpus": corpus,
        "tokenizer": tokenizer,
        "tokens": tokens,
        "mixes": mixes,
        "trainings": trainings,
        "evaluations": evaluations,
        "comparison": comparison,
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    inputs: Mapping[str, Any]
    made: Made
    folder: Path

    @property
    def page(self) -> str:
        return (self.folder / "report.html").read_text(encoding="utf-8")

    @property
    def summary(self) -> dict[str, Any]:
        return json.loads((self.folder / "summary.json").read_bytes())


ReportOf = Callable[..., Report]


@pytest.fixture
def report_of(tmp_path: Path) -> ReportOf:
    """A function from the fields of a Sample to the report of a run that holds them."""

    def make(name: str = "one", **fields: Any) -> Report:
        inputs = make_inputs(tmp_path / name / "workspace", Sample(**fields))
        folder = tmp_path / name / "report"
        folder.mkdir(parents=True)
        return Report(inputs=inputs, made=build(**inputs, folder=folder), folder=folder)

    return make
