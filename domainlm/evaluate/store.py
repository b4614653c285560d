"""The Parquet files of an evaluation, each with its schema: a field's meaning stands in its metadata, under `doc`."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from domainlm.manifest import write_atomically
from domainlm.records import EvalResult


def schema(*fields: tuple[str, pa.DataType, str]) -> pa.Schema:
    """A schema of (name, type, meaning)."""
    return pa.schema([pa.field(name, kind, nullable=False, metadata={"doc": doc}) for name, kind, doc in fields])


def doc(of: pa.Schema, name: str) -> str:
    """The meaning of a field."""
    return (of.field(name).metadata or {}).get(b"doc", b"").decode()


TEXT, REAL, WHOLE, FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()

RESULTS = schema(
    ("model", TEXT, "name of the model in the run"),
    ("suite", TEXT, "folder of `evals`; for bits per byte, the domain of the run"),
    ("task", TEXT, "lm-eval's task, or the title that several share, or `bits_per_byte`"),
    ("source", TEXT, "held-out source of the domain; of tasks `clean items`; empty for all documents or items"),
    ("metric", TEXT, "lm-eval's metric (`acc`, `acc_norm`, ...), or `bits_per_byte`"),
    ("value", REAL, "numerator / denominator"),
    ("low", REAL, "lower end of the 95% bootstrap interval; NaN where a metric has no value for each item"),
    ("high", REAL, "upper end of the interval"),
    ("num_items", WHOLE, "documents or items"),
    ("numerator", REAL, "sum over the items: bits, or points; NaN where a metric has no value for each item"),
    ("denominator", REAL, "sum over the items: bytes, or items"),
    ("higher_is_better", FLAG, "whether more is better"),
)
"""`results.parquet`: one row for each model, task, metric and source."""

DOCUMENTS = schema(
    ("domain", TEXT, "domain of the run"),
    ("source", TEXT, "held-out source of the domain"),
    ("id", TEXT, "the document's id in the corpus"),
    ("metric", TEXT, "`bits_per_byte`; of models that are not causal, the objective's loss, such as `masked_loss`"),
    ("nats", REAL, "minus the log-likelihood of the document's tokens, or the loss of those that were hidden"),
    ("num_bytes", WHOLE, "UTF-8 bytes of the document's text"),
    ("num_tokens", WHOLE, "tokens of the document, or those that were hidden"),
)
"""`documents.parquet`: one row for each held-out document that was scored."""

SAMPLES = schema(
    ("suite", TEXT, "folder of `evals`"),
    ("task", TEXT, "lm-eval's task, or the title that several share, such as `mmlu_legal`"),
    ("subtask", TEXT, "lm-eval's task"),
    ("item", TEXT, "the item's `id` where it has one, else its place; behind the subtask, where that is not the task"),
    ("place", WHOLE, "the item's place in the subtask, from 0"),
    ("doc_hash", TEXT, "lm-eval's hash of the item"),
    ("training_text", TEXT, "whether the run's training text shares n-grams with it: shared, clean, short or unknown"),
    ("metric", TEXT, "lm-eval's metric"),
    ("value", REAL, "numerator / denominator"),
    ("numerator", REAL, "points, or bits"),
    ("denominator", REAL, "1, or bytes"),
    ("question", TEXT, "what the model was asked, cut in the middle where it is long"),
    ("target", TEXT, "the right answer"),
    ("answer", TEXT, "what the model answered: its text, or the choice that it finds likeliest"),
)
"""`samples.parquet`: one row for each item and metric of lm-eval's tasks."""

COMPARISON = schema(
    ("base", TEXT, "name of the model compared with"),
    ("adapted", TEXT, "name of the model compared"),
    ("suite", TEXT, "folder of `evals`; for bits per byte, the domain of the run"),
    ("task", TEXT, "lm-eval's task, or `bits_per_byte`"),
    ("source", TEXT, "held-out source of the domain; empty for the whole domain and for tasks"),
    ("metric", TEXT, "lm-eval's metric, or `bits_per_byte`"),
    ("base_value", REAL, "of the base, on the items that are compared"),
    ("adapted_value", REAL, "of the adapted model, on the same items"),
    ("difference", REAL, "adapted_value - base_value"),
    ("low", REAL, "lower end of the difference's 95% paired bootstrap interval"),
    ("high", REAL, "upper end of the interval"),
    ("p_value", REAL, "two-sided, by `test`"),
    ("p_holm", REAL, "p_value after Holm's correction over all rows of the pair"),
    ("significant", FLAG, "p_holm < 0.05"),
    ("test", TEXT, "`mcnemar` (exact) where items are right or wrong, else `sign_flip` of the items' differences"),
    ("num_items", WHOLE, "documents or items that are compared"),
    ("higher_is_better", FLAG, "whether more is better"),
    ("verdict", TEXT, "gain, loss (of a domain), forgetting, backward transfer (of general text), or not significant"),
)
"""`comparison.parquet`: one row for each pair of models, task, metric and source."""

EXCHANGE = schema(
    ("base", TEXT, "name of the model compared with"),
    ("adapted", TEXT, "name of the model compared"),
    ("domain", TEXT, "domain of the run that is not general"),
    ("general", TEXT, "general domain of the run"),
    ("metric", TEXT, "`bits_per_byte`, or the objective's loss"),
    ("gain", REAL, "domain won: base - adapted on the domain's held-out text, in the metric's unit"),
    ("gain_low", REAL, "lower end of its 95% paired bootstrap interval"),
    ("gain_high", REAL, "upper end"),
    ("gain_significant", FLAG, "whether the domain's difference is significant after Holm's correction"),
    ("forgetting", REAL, "general lost: adapted - base on the general domain's held-out text"),
    ("forgetting_low", REAL, "lower end of its 95% paired bootstrap interval"),
    ("forgetting_high", REAL, "upper end"),
    ("forgetting_significant", FLAG, "whether the general domain's difference is significant after Holm's correction"),
    ("rate", REAL, "gain / forgetting: bits won for each bit lost; infinite where nothing is lost"),
    ("rate_low", REAL, "lower end of its 95% bootstrap interval"),
    ("rate_high", REAL, "upper end; infinite where the loss may be nothing"),
)
"""`exchange.parquet`: one row for each pair of models, domain and general domain."""


BITS = "bits_per_byte"


def measured(document: Mapping[str, Any]) -> tuple[float, int]:
    """Numerator and denominator of a row of `DOCUMENTS`: bits over bytes, or nats over what was hidden."""
    if document["metric"] == BITS:
        return document["nats"] / math.log(2), document["num_bytes"]
    return document["nats"], document["num_tokens"]


def write(path: Path, rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> None:
    """A Parquet file of `rows`, whole or not at all. The same rows give the same bytes."""
    write_table(path, pa.Table.from_pylist([dict(row) for row in rows], schema=schema))


def write_table(path: Path, table: pa.Table) -> None:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_atomically(path, buffer.getvalue())


def write_results(path: Path, results: Iterable[EvalResult]) -> None:
    write(path, [asdict(result) for result in results], RESULTS)


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of one of the files above."""
    return pq.read_table(path).to_pylist()


def read_results(path: Path) -> list[EvalResult]:
    return [EvalResult(**row) for row in read(path)]
