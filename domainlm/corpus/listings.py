"""What was cut from training text, to be read: the most frequent repeated lines, and every contaminated document."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from domainlm.corpus.passages import Cuts
from domainlm.corpus.pieces import Pieces
from domainlm.corpus.write import RowTable
from domainlm.manifest import shard_of
from domainlm.records import Shard

_REPEATED = pa.schema(
    [
        ("text", pa.large_string()),
        ("num_docs", pa.int64()),
        ("domain", pa.string()),
        ("source", pa.string()),
        ("cut_docs", pa.int64()),
    ]
)
"""A row for each line and source: training documents that it stood in, and those of the source that lost it."""
_CONTAMINATED = pa.schema(
    [(name, pa.string()) for name in ("id", "domain", "source", "action", "target_kind", "target", "item")]
    + [("num_ngrams", pa.int64()), ("target_share", pa.float64()), ("excerpt", pa.large_string())]
)
"""A row for each training document and target. `action` is `dropped` or `cut`; `target` a task, or DOMAIN/SOURCE."""


def write(folder: Path, pieces: Pieces, cuts: Cuts) -> list[Shard]:
    """Writes `repeated_lines.parquet` and `contaminated.parquet`, each empty where nothing was found or looked for."""
    tables = {"repeated_lines": _repeated(folder, pieces, cuts), "contaminated": _contaminated(folder, pieces, cuts)}
    return [shard_of(table.path, folder, kind, num_docs=table.num_rows) for kind, table in tables.items()]


def _repeated(folder: Path, pieces: Pieces, cuts: Cuts) -> RowTable:
    table = RowTable(folder / "repeated_lines.parquet", _REPEATED)
    for line in cuts.repeated:
        for label, cut_docs in zip(pieces.labels, line.cut_docs_S, strict=True):
            if cut_docs:
                domain, _, source = label.partition("/")
                where = {"text": line.text, "domain": domain, "source": source}
                table.add(where | {"num_docs": line.num_docs, "cut_docs": cut_docs}, 1)
    table.close()
    return table


def _contaminated(folder: Path, pieces: Pieces, cuts: Cuts) -> RowTable:
    table = RowTable(folder / "contaminated.parquet", _CONTAMINATED)
    found = cuts.contamination
    listed = found.listed if found is not None else ()
    if found is not None and listed:
        documents = np.array([row.document for row in listed])
        targets = np.array([row.target for row in listed])
        heldout = targets < pieces.num_docs
        id_of = _ids(pieces, np.concatenate([documents, targets[heldout]]))
        label_D = pieces.sources()
        labels = [pieces.labels[label_D[document]] for document in documents.tolist()]
        kept = cuts.decision.kept()
        names = [
            (pieces.labels[label_D[target]], id_of[target])
            if target < pieces.num_docs
            else found.benchmark_items[target - pieces.num_docs]
            for target in targets.tolist()
        ]
        columns = {
            "id": [id_of[document] for document in documents.tolist()],
            "domain": [label.partition("/")[0] for label in labels],
            "source": [label.partition("/")[2] for label in labels],
            "action": ["cut" if kept[document] else "dropped" for document in documents.tolist()],
            "target_kind": ["heldout" if is_heldout else "benchmark" for is_heldout in heldout.tolist()],
            "target": [target for target, _ in names],
            "item": [item for _, item in names],
        }
        columns |= {name: [getattr(row, name) for row in listed] for name in ("num_ngrams", "target_share", "excerpt")}
        table.add(columns, len(listed))
    table.close()
    return table


def _ids(pieces: Pieces, documents: np.ndarray) -> dict[int, str]:
    wanted_D = np.zeros(pieces.num_docs, bool)
    wanted_D[documents] = True
    return {
        number: document_id
        for numbers, table in pieces.batches(wanted_D, ["id"])
        for number, document_id in zip(numbers.tolist(), table.column("id").to_pylist(), strict=True)
    }
