"""One model judged: bits per byte on held-out text, then lm-eval's tasks; a part that is done is never done again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from domainlm.digest import digest, file_digest, library_versions
from domainlm.errors import StageError
from domainlm.evaluate import (
    benchmarks,
    bits,
    contamination,
    harness,
    heldout_loss,
    prepare,
    results,
    store,
    subject,
)
from domainlm.evaluate.watch import turn
from domainlm.manifest import Made, Manifest, shard_of, write_atomically
from domainlm.progress import tell
from domainlm.records import Shard
from domainlm.specs import tasks
from domainlm.specs.corpus import Decontaminate
from domainlm.specs.run import EvaluateSpec
from domainlm.specs.tasks import Task


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What one model is judged by."""

    spec: EvaluateSpec
    name: str
    """The model's in the run."""
    model: Path
    corpus: Manifest
    items: Manifest
    evals: Path
    data: Path | None = None
    """The folder of the tasks' items; None where they come from a hub."""
    decontaminate: Decontaminate = field(default_factory=Decontaminate)
    """How items are looked for in training text."""
    seed: int = 0
    key: str = "model"
    """Digest of the model, the code and the libraries: what is kept of one evaluation serves another with this key."""


def evaluate(asked: Asked, folder: Path, parts: Path | None = None) -> Made:
    """`results.parquet`, `documents.parquet`, `samples.parquet` (their schemas: `store`) and `lm_eval.json`.

    What could not be run, be it a task or the model itself, is in the facts under `missing`, each with its cause.

    `parts` keeps what was found for each source and task, by all that it depends on, and many evaluations share it: a
    spec that asks for one more task runs one task. By default it is in `folder`, and goes when all is done.
    """
    own = parts is None
    parts = parts or folder / "parts"
    try:
        under_test = subject.load(asked.model)
    except StageError as error:
        return _write(asked, folder, [], harness.Outcome(missing=[_no_model(error)]), {}, {})
    documents, facts = _documents(asked, under_test, parts / asked.key)
    # Tasks are scored by likelihoods.
    is_causal = under_test.objective == "causal"
    chosen = tasks.chosen(asked.evals, asked.spec.suites, asked.spec.tasks) if is_causal else []
    outcome, checked = _tasks(asked, under_test, chosen, parts, folder / "work")
    outcome.missing.extend(_no_tasks(suite) for suite in asked.spec.suites if is_causal and not _has(suite, chosen))
    facts |= {"not_compared_with_training_text": checked[1]}
    made = _write(asked, folder, documents, outcome, checked[0], facts)
    shutil.rmtree(folder / "work", ignore_errors=True)
    if own:
        shutil.rmtree(parts, ignore_errors=True)
    return made


def _has(suite: str, chosen: Sequence[Task]) -> bool:
    return any(task.suite == suite for task in chosen)


def _no_model(error: StageError) -> harness.Missing:
    return harness.Missing(suite="", task="the model", cause=str(error).partition("\n")[0])


def _no_tasks(suite: str) -> harness.Missing:
    return harness.Missing(suite=suite, task="", cause=f"no *.yaml in evals/{suite}")


def _documents(asked: Asked, under_test: subject.Subject, parts: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of `store.DOCUMENTS`, and how they were scored."""
    spec = asked.spec
    window_tokens, stride_tokens = bits.fit_window(spec.window_tokens, spec.stride_tokens, under_test.max_position)
    limits = {"window_tokens": window_tokens, "stride_tokens": stride_tokens}
    scored = _score(under_test, asked, limits, parts)
    begin = under_test.begin_token_id
    facts = limits | {
        "objective": under_test.objective,
        "begin_token": None if begin is None else under_test.tokenizer.convert_ids_to_tokens(begin),
    }
    return [row for part in scored for row in store.read(part)], facts


def _tasks(
    asked: Asked, under_test: subject.Subject, chosen: Sequence[Task], parts: Path, work: Path
) -> tuple[harness.Outcome, tuple[dict[str, contamination.Checked], dict[str, str]]]:
    """What the tasks gave, and what of their items stands in training text."""
    found = benchmarks.sources(asked.evals, asked.data, chosen)
    copied = prepare.copy(found, asked.evals, asked.items, asked.data, work / "lm_eval")
    limit = asked.spec.max_items_per_task
    beside = {
        path.relative_to(asked.evals).as_posix(): file_digest(path)
        for path in prepare.support(sorted({task.suite for task in chosen}), asked.evals)
    }
    digests = [one.digest() for one in copied.prepared]
    keys = {one.task.name: digest([made, beside, limit]) for one, made in zip(copied.prepared, digests, strict=True)}
    outcome = harness.run(
        under_test,
        copied,
        parts=parts / asked.key / "tasks",
        keys=keys,
        limit=limit,
        label=f"evaluate: {asked.name}, tasks",
    )
    key = digest([asked.corpus.digest(), asked.decontaminate, digests])
    part = parts / f"overlap-{key[:16]}.json"
    checked, unread = contamination.kept(asked.corpus, copied.prepared, asked.decontaminate, work / "ngrams", part)
    sizes = {name: count["original"] for name, count in outcome.results.get("n-samples", {}).items()}
    contamination.mark(outcome.samples, checked, sizes)
    return outcome, (checked, unread)


def _write(
    asked: Asked,
    folder: Path,
    documents: list[dict[str, Any]],
    outcome: harness.Outcome,
    checked: Mapping[str, contamination.Checked],
    facts: Mapping[str, Any],
) -> Made:
    paths = {name: folder / f"{name}.parquet" for name in ("results", "documents", "samples")}
    paths["lm_eval"] = folder / "lm_eval.json"
    missing = [{"suite": one.suite, "task": one.task, "cause": one.cause} for one in outcome.told()]
    found = {
        "lm_eval": library_versions("lm-eval"),
        "suites": outcome.suites,
        "subtasks": outcome.subtasks,
        "missing": missing,
        **outcome.results,
    }
    store.write(paths["documents"], documents, store.DOCUMENTS)
    store.write(paths["samples"], outcome.samples, store.SAMPLES)
    write_atomically(paths["lm_eval"], json.dumps(found, indent=1, sort_keys=True).encode() + b"\n")
    num_samples = asked.spec.bootstrap_samples
    rows = [
        *results.of_documents(asked.name, documents, num_samples, asked.seed),
        *results.of_tasks(asked.name, found, outcome.samples, num_samples, asked.seed),
    ]
    store.write_results(paths["results"], rows)
    titles = {name: title for title, names in outcome.subtasks.items() for name in names}
    looked_for = {name: one for name, one in checked.items() if name in titles}
    return Made(
        shards=tuple(shard_of(path, folder, kind) for kind, path in paths.items()),
        counts={
            "documents": _counts(documents),
            "samples": len(outcome.samples),
            "training_text": contamination.counts(looked_for, titles),
        },
        facts={"suites": list(asked.spec.suites), "missing": missing, **facts},
    )


def _score(under_test: subject.Subject, asked: Asked, limits: Mapping[str, int], parts: Path) -> list[Path]:
    """Where the scores of each held-out shard's documents are; those that an earlier attempt left stand."""
    shards = asked.corpus.files("text", split="heldout")
    most = (asked.spec.max_docs_per_source, asked.spec.max_doc_chars)
    places = [parts / "documents" / f"{digest([shard, limits, most])[:24]}.parquet" for shard in shards]
    for number, (shard, part) in enumerate(zip(shards, places, strict=True)):
        if not part.is_file():
            ids, texts = _choose(asked.corpus.path(shard), shard, *most)
            teller = _teller(asked.name, shard, number, len(shards))
            if under_test.objective == "causal":
                metric, scores = store.BITS, bits.score(under_test, texts, **limits, on_batch=teller)
            else:
                window_tokens = min(limits["window_tokens"], under_test.max_position or limits["window_tokens"])
                metric = f"{under_test.objective}_loss"
                scores = heldout_loss.score(
                    under_test, asked.model, ids, texts, window_tokens=window_tokens, on_batch=teller
                )
            store.write(part, _rows(shard, ids, metric, scores), store.DOCUMENTS)
    return places


def _teller(model: str, shard: Shard, number: int, num_shards: int) -> Callable[[int, int], None]:
    """Tells of progress through the sources, of which this is the one that `number` counts."""

    def on_batch(num_done: int, num_all: int) -> None:
        source = f"{shard.domain}/{shard.source}"
        tell(f"evaluate: {model}, held-out text", number + num_done / num_all, num_shards, "sources", source=source)

    return on_batch


def _choose(path: Path, shard: Shard, max_docs: int | None, max_chars: int | None) -> tuple[list[str], list[str]]:
    """Ids and texts to score: all, or those with the least hash of their ids, in the shard's order; none is empty.

    Of each text, at most so many characters from its start.

    The run's seed is no part of it: a document that is scored in one run is scored in the next.
    """
    table = pq.read_table(path, columns=["id", "text"])
    ids = table["id"].to_pylist()
    chosen = [i for i, text in enumerate(table["text"]) if text.as_py()]
    if max_docs is not None and len(chosen) > max_docs:
        chosen.sort(key=lambda i: turn(shard, ids[i]))
        chosen = sorted(chosen[:max_docs])
    return [ids[i] for i in chosen], [table["text"][i].as_py()[:max_chars] for i in chosen]


def _rows(shard: Shard, ids: Sequence[str], metric: str, scores: Sequence[bits.Score]) -> list[dict[str, Any]]:
    return [
        {"domain": shard.domain, "source": shard.source, "id": doc_id, "metric": metric, **asdict(score)}
        for doc_id, score in zip(ids, scores, strict=True)
    ]


def _counts(documents: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for document in documents:
        of_source = counts.setdefault(
            f"{document['domain']}/{document['source']}", {"docs": 0, "bytes": 0, "tokens": 0}
        )
        of_source["docs"] += 1
        of_source["bytes"] += document["num_bytes"]
        of_source["tokens"] += document["num_tokens"]
    return counts
