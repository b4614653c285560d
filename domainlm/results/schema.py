"""The tables of the store, each with its schema: a field's meaning stands in its metadata, under `doc`.

`docs/results.md` is made from these.
"""

from __future__ import annotations

import pyarrow as pa

from domainlm.evaluate import store
from domainlm.evaluate.store import REAL, TEXT, WHOLE, schema

WHEN = pa.timestamp("us", tz="UTC")
RECORD = ("record", TEXT, "which finished run: 16 hexadecimal digits of the digest of what it measured")
WHO = (
    ("run", TEXT, "name of the run spec"),
    ("recorded_at", WHEN, "when the record was written, UTC"),
)


def _with(fields: pa.Schema, *first: tuple[str, pa.DataType, str]) -> pa.Schema:
    return pa.schema([*schema(RECORD, *first), *fields])


MODELS = schema(
    RECORD,
    *WHO,
    ("title", TEXT, "headline of the run"),
    ("model", TEXT, "name of the model in the run"),
    ("place", WHOLE, "its place among the models of the run, from 0"),
    ("base", TEXT, "the model of the run that it continues, and is compared with; empty where there is none"),
    ("start", TEXT, "where its weights come from: a model of the run, `hf:OWNER/MODEL`, a folder; empty from scratch"),
    ("mix", TEXT, "what it was trained on; empty where it was not trained in the run"),
    ("recipe", TEXT, "how"),
    ("token_ratio", TEXT, "share of each domain that was asked, JSON by domain"),
    ("realised_ratio", TEXT, "share of each domain that was trained on, JSON by domain"),
    ("num_parameters", WHOLE, "parameters; 0 where it was not trained in the run"),
    ("num_tokens", WHOLE, "tokens trained on"),
    ("corpus", TEXT, "the text of the run, JSON by source: documents read, kept for training, held out"),
    ("gate", TEXT, "`passed`, `not passed`, or empty where the run has no gate for the model"),
    ("tolerance", REAL, "bits per byte of general text that the gate lets go; NaN where there is none"),
    ("failed", TEXT, "tasks that gave no result, JSON: cause by task"),
    ("lineage", TEXT, "stages that it is made by, JSON: for each its key, what it made, code, and inputs by digest"),
    ("model_digest", TEXT, "sha256 of what its training made; of a model from outside, of its files or revision"),
    ("data_digest", TEXT, "sha256 of what the stage `corpus` made"),
    ("tokenizer_digest", TEXT, "sha256 of what the stage `tokenizer` made"),
    ("spec_digest", TEXT, "sha256 of the run spec"),
    ("code_digest", TEXT, "sha256 of the evaluation's source"),
)
"""One row for each model of a record."""

RESULTS = schema(
    RECORD,
    *WHO,
    *((name, store.RESULTS.field(name).type, store.doc(store.RESULTS, name)) for name in store.RESULTS.names),
    ("items_digest", TEXT, "sha256 of the names of the documents or items, sorted: equal for the same item set"),
    *((name, MODELS.field(name).type, store.doc(MODELS, name)) for name in MODELS.names if name.endswith("_digest")),
)
"""One row for each model, task, metric and item set. Sums over rows: numerators over denominators, of any metric."""

COMPARISONS = _with(store.COMPARISON, *WHO)
"""One row for each pair of models, task, metric and source, on the same items."""

EXCHANGES = _with(store.EXCHANGE, *WHO)
"""One row for each pair of models, domain and general domain: what was won, what was lost, and the rate."""

ITEMS = _with(
    schema(
        ("model", TEXT, "name of the model in the run"),
        *((name, store.SAMPLES.field(name).type, store.doc(store.SAMPLES, name)) for name in store.SAMPLES.names),
    )
)
"""One row for each item and metric of lm-eval's tasks, with the texts."""

TABLES = {
    "items": ITEMS,
    "results": RESULTS,
    "comparisons": COMPARISONS,
    "exchanges": EXCHANGES,
    "models": MODELS,
}
"""In the order in which a record is written: it is there when its models are."""


def markdown() -> str:
    """The tables as `docs/results.md` has them."""
    parts = []
    for table in ("models", "results", "comparisons", "exchanges", "items"):
        lines = [f"| `{f.name}` | {f.type} | {store.doc(TABLES[table], f.name)} |" for f in TABLES[table]]
        about = {
            "models": "One row for each model of a record.",
            "results": "One row for each model, task, metric and item set. Numerators over denominators, summed over "
            "any rows of one metric, give that metric of all of them: accuracy and bits per byte alike.",
            "comparisons": "One row for each pair of models, task, metric and source, on the same items.",
            "exchanges": "One row for each pair of models, domain and general domain.",
            "items": "One row for each item and metric of lm-eval's tasks.",
        }[table]
        parts.append("\n".join([f"## {table}", "", about, "", "| column | type | meaning |", "|---|---|---|", *lines]))
    return "\n\n".join(parts) + "\n"
