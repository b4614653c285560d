"""One model judged: bits per byte on held-out text, then lm-eval's tasks; a part that is done is never done again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from domainlm.digest import library_versions, seed_for
from domainlm.evaluate import bits, harness, heldout_loss, results, store, subject
from domainlm.manifest import Made, Manifest, shard_of, write_atomically
from domainlm.progress import tell
from domainlm.records import Shard
from domainlm.specs.run import EvaluateSpec


def evaluate(
    spec: EvaluateSpec,
    *,
    name: str,
    model: Path,
    corpus: Manifest,
    items: Manifest,
    evals: Path,
    folder: Path,
    seed: int,
) -> Made:
    """`results.parquet`, `documents.parquet`, `samples.parquet` (their schemas: `store`) and `lm_eval.json`.

    Tasks that could not be run are in the facts under `missing`, each with its cause. Raises StageError where the model
    can't be loaded.
    """
    under_test = subject.load(model)
    work = folder / "work"
    documents = folder / "documents.parquet"
    samples = folder / "samples.parquet"
    lm_eval = folder / "lm_eval.json"
    window_tokens, stride_tokens = bits.fit_window(spec.window_tokens, spec.stride_tokens, under_test.max_position)
    if not documents.is_file():
        limits = {"window_tokens": window_tokens, "stride_tokens": stride_tokens}
        parts = _score(under_test, model, corpus, spec.max_docs_per_source, limits, work / "documents", name)
        store.write_table(documents, pa.concat_tables([store.DOCUMENTS.empty_table(), *map(pq.read_table, parts)]))
    if not lm_eval.is_file():
        outcome = harness.run(
            under_test,
            # Tasks are scored by likelihoods.
            spec.suites if under_test.objective == "causal" else (),
            evals=evals,
            items=items,
            work=work / "lm_eval",
            limit=spec.max_items_per_task,
            label=f"evaluate: {name}, tasks",
        )
        store.write(samples, outcome.samples, store.SAMPLES)
        write_atomically(lm_eval, _lm_eval_json(outcome))
    found = json.loads(lm_eval.read_bytes())
    table = folder / "results.parquet"
    store.write_results(
        table,
        [
            *results.of_documents(name, store.read(documents), spec.bootstrap_samples, seed),
            *results.of_tasks(name, found, store.read(samples), spec.bootstrap_samples, seed),
        ],
    )
    shutil.rmtree(work, ignore_errors=True)
    kinds = {"results": table, "documents": documents, "samples": samples, "lm_eval": lm_eval}
    return Made(
        shards=tuple(shard_of(path, folder, kind) for kind, path in kinds.items()),
        counts={"documents": _counts(store.read(documents)), "samples": pq.read_metadata(samples).num_rows},
        facts={
            "window_tokens": window_tokens,
            "stride_tokens": stride_tokens,
            "objective": under_test.objective,
            "begin_token": None
            if under_test.begin_token_id is None
            else under_test.tokenizer.convert_ids_to_tokens(under_test.begin_token_id),
            "suites": list(spec.suites),
            "missing": found["missing"],
        },
    )


def _score(
    under_test: subject.Subject,
    model: Path,
    corpus: Manifest,
    max_docs: int | None,
    limits: Mapping[str, int],
    work: Path,
    name: str,
) -> list[Path]:
    """Where the scores of each held-out shard's documents are; those that an earlier attempt left stand."""
    shards = corpus.files("text", split="heldout")
    for number, shard in enumerate(shards):
        if not (work / shard.path).is_file():
            ids, texts = _choose(corpus.path(shard), shard, max_docs)
            teller = _teller(name, shard, number, len(shards))
            if under_test.objective == "causal":
                metric, scores = store.BITS, bits.score(under_test, texts, **limits, on_batch=teller)
            else:
                window_tokens = min(limits["window_tokens"], under_test.max_position or limits["window_tokens"])
                metric = f"{under_test.objective}_loss"
                scores = heldout_loss.score(under_test, model, ids, texts, window_tokens=window_tokens, on_batch=teller)
            store.write(work / shard.path, _rows(shard, ids, metric, scores), store.DOCUMENTS)
    return [work / shard.path for shard in shards]


def _teller(model: str, shard: Shard, number: int, num_shards: int) -> Callable[[int, int], None]:
    """Tells of progress through the sources, of which this is the one that `number` counts."""

    def on_batch(num_done: int, num_all: int) -> None:
        source = f"{shard.domain}/{shard.source}"
        tell(f"evaluate: {model}, held-out text", number + num_done / num_all, num_shards, "sources", source=source)

    return on_batch


def _choose(path: Path, shard: Shard, max_docs: int | None) -> tuple[list[str], list[str]]:
    """Ids and texts to score: all, or those with the least hash of their ids, in the shard's order; none is empty.

    The run's seed is no part of it: a document that is scored in one run is scored in the next.
    """
    table = pq.read_table(path, columns=["id", "text"])
    ids = table["id"].to_pylist()
    chosen = [i for i, text in enumerate(table["text"]) if text.as_py()]
    if max_docs is not None and len(chosen) > max_docs:
        chosen.sort(key=lambda i: seed_for(0, "heldout", shard.domain, shard.source, ids[i]))
        chosen = sorted(chosen[:max_docs])
    return [ids[i] for i in chosen], [table["text"][i].as_py() for i in chosen]


def _rows(shard: Shard, ids: Sequence[str], metric: str, scores: Sequence[bits.Score]) -> list[dict[str, Any]]:
    return [
        {"domain": shard.domain, "source": shard.source, "id": doc_id, "metric": metric, **asdict(score)}
        for doc_id, score in zip(ids, scores, strict=True)
    ]


def _lm_eval_json(outcome: harness.Outcome) -> bytes:
    content = {
        "lm_eval": library_versions("lm-eval"),
        "suites": outcome.suites,
        "missing": [asdict(missing) for missing in outcome.missing],
        **outcome.results,
    }
    return json.dumps(content, indent=1, sort_keys=True).encode() + b"\n"


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
