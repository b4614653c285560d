"""Held-out text that is watched while a model trains: the documents that are scored first when it is evaluated."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow.parquet as pq

from domainlm.digest import seed_for
from domainlm.manifest import Manifest
from domainlm.records import Shard

LEAST_DOCS = 8
"""A document is cut to this part of what is asked for, so that there are more than one. A guess."""


def turn(shard: Shard, doc_id: str) -> int:
    """The place of a held-out document among those of its source, wherever only some are taken: the least come first.

    The run's seed is no part of it: a document that is scored in one run is scored in the next.
    """
    return seed_for(0, "heldout", shard.domain, shard.source, doc_id)


def texts(corpus: Manifest, num_bytes: int) -> Mapping[str, list[str]]:
    """Held-out text of each domain of a corpus, `num_bytes` of each at most in UTF-8; domains that have none are left
    out.

    Documents are those with the least hash of their ids, as where an evaluation takes only some, of all sources alike.
    """
    found: dict[str, list[tuple[int, str]]] = {}
    for shard in corpus.files("text", split="heldout"):
        table = pq.read_table(corpus.path(shard), columns=["id", "text"])
        of_domain = found.setdefault(shard.domain, [])
        for doc_id, text in zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True):
            if text:
                of_domain.append((turn(shard, doc_id), text))
    return {domain: _fit(sorted(documents), num_bytes) for domain, documents in found.items() if documents}


def _fit(documents: list[tuple[int, str]], num_bytes: int) -> list[str]:
    """As many of the documents as fit, each cut to a part of it; at least one."""
    most, left, kept = max(num_bytes // LEAST_DOCS, 1), num_bytes, list[str]()
    for _, text in documents:
        cut = text.encode()[:most].decode(errors="ignore")
        if cut and (len(cut.encode()) <= left or not kept):
            kept.append(cut)
            left -= len(cut.encode())
    return kept
