"""Documents to read by eye: a few of those that a reason took, or that stayed; the same ones each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from domainlm.errors import DataError
from domainlm.manifest import Manifest

HEAD_CHARS = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampled:
    """A document, or a record in quarantine, as a person wants to see it."""

    id: str
    """In quarantine, `FILE:OFFSET`."""
    source: str
    """`domain/source`."""
    split: str
    reason: str
    """Why it was dropped or quarantined; empty where it was kept."""
    duplicate_of: str | None
    text_head: str


def reasons(corpus: Manifest, kind: str) -> Counter[str]:
    """How often each reason stands in the table `dropped` or `quarantined` of a corpus."""
    return Counter(pq.read_table(corpus.only(kind), columns=["reason"]).column("reason").to_pylist())


def dropped(corpus: Manifest, reason: str, num_docs: int, *, source: str | None = None, seed: int = 0) -> list[Sampled]:
    """`num_docs` of the documents that were dropped for `reason`, or for any that holds these words.

    Raises DataError, with the reasons there are, where none does.
    """
    return list(map(_dropped, _sampled_rows(corpus, "dropped", reason, num_docs, source, seed)))


def of_top_reasons(corpus: Manifest, num_reasons: int, num_docs: int, *, seed: int = 0) -> list[Sampled]:
    """`num_docs` of the documents that were dropped for each of the reasons that took most, in this order."""
    path = corpus.only("dropped")
    reason_R = pq.read_table(path, columns=["reason"], read_dictionary=["reason"]).column("reason").to_numpy()
    found: list[Sampled] = []
    for reason, _ in Counter(reason_R.tolist()).most_common(num_reasons):
        rows = np.flatnonzero(reason_R == reason)
        found += map(_dropped, _take(path, rows[_choose(len(rows), num_docs, seed)].tolist()))
    return found


def _dropped(row: Mapping[str, Any]) -> Sampled:
    return Sampled(
        id=row["id"],
        source=f"{row['domain']}/{row['source']}",
        split=row["split"],
        reason=row["reason"],
        duplicate_of=row["duplicate_of"],
        text_head=row["text_head"],
    )


def quarantined(
    corpus: Manifest, reason: str, num_docs: int, *, source: str | None = None, seed: int = 0
) -> list[Sampled]:
    """`num_docs` of the records in quarantine for `reason`; as `dropped`."""
    return [
        Sampled(
            id=f"{row['file']}:{row['offset']}",
            source=f"{row['domain']}/{row['source']}",
            split="",
            reason=row["reason"],
            duplicate_of=None,
            text_head=row["excerpt"],
        )
        for row in _sampled_rows(corpus, "quarantined", reason, num_docs, source, seed)
    ]


def kept(corpus: Manifest, num_docs: int, *, source: str | None = None, seed: int = 0) -> list[Sampled]:
    """`num_docs` of the documents that stayed."""
    shards = [s for s in corpus.files("text") if source in (None, s.domain, f"{s.domain}/{s.source}")]
    ends = np.cumsum([shard.num_docs for shard in shards], dtype=np.int64)
    chosen = _choose(int(ends[-1]) if shards else 0, num_docs, seed)
    found = []
    for shard, end in zip(shards, ends.tolist(), strict=True):
        first = end - shard.num_docs
        rows = _take(corpus.path(shard), [n - first for n in chosen if first <= n < end])
        label = f"{shard.domain}/{shard.source}"
        found += [
            Sampled(
                id=row["id"],
                source=label,
                split=shard.split,
                reason="",
                duplicate_of=None,
                text_head=row["text"][:HEAD_CHARS],
            )
            for row in rows
        ]
    return found


def _sampled_rows(
    corpus: Manifest, kind: str, words: str, num_docs: int, source: str | None, seed: int
) -> list[dict[str, Any]]:
    """Rows of the table `kind` whose reason is `words`, or else holds them."""
    found = reasons(corpus, kind)
    wanted = {words} if words in found else {reason for reason in found if words.lower() in reason.lower()}
    if not wanted:
        there = "; ".join(f"{reason} ({number:,})" for reason, number in found.most_common()) or "nothing"
        raise DataError(f"nothing was {kind} for {words!r}; there is: {there}")
    path = corpus.only(kind)
    columns = ["reason", "domain", "source"]
    table = pq.read_table(path, columns=columns, read_dictionary=columns)
    mask = np.isin(table.column("reason").to_numpy(), list(wanted))
    if source is not None:
        domain, _, name = source.partition("/")
        mask &= table.column("domain").to_numpy() == domain
        mask &= (table.column("source").to_numpy() == name) | (name == "")
    rows = np.flatnonzero(mask)
    return _take(path, rows[_choose(len(rows), num_docs, seed)].tolist())


def _choose(num_rows: int, num_wanted: int, seed: int) -> list[int]:
    """Some of so many rows, in order: the same ones for the same seed."""
    chosen = np.random.default_rng(seed).choice(num_rows, min(num_rows, num_wanted), replace=False, shuffle=False)
    return sorted(chosen.tolist())


def _take(path: Path, rows: Sequence[int]) -> list[dict[str, Any]]:
    """Rows of a Parquet file by their numbers, ascending; row groups without one are not read."""
    found, first = [], 0
    with pq.ParquetFile(path) as parquet:
        for group in range(parquet.num_row_groups):
            end = first + parquet.metadata.row_group(group).num_rows
            here = [row - first for row in rows if first <= row < end]
            if here:
                found += parquet.read_row_group(group).take(here).to_pylist()
            first = end
    return found
