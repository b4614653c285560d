"""Sources in, clean text out, and every document accounted for: read = kept + dropped by reason + quarantined."""

# D documents, B bands
from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from domainlm import progress
from domainlm.corpus import dedup, engine, part, sources
from domainlm.corpus.dedup import Decision
from domainlm.corpus.ingest import Ingest, Work
from domainlm.corpus.part import Part
from domainlm.corpus.sources import Item
from domainlm.corpus.write import Writers
from domainlm.digest import digest
from domainlm.errors import DataError, StageError
from domainlm.manifest import Made
from domainlm.specs.domain import DomainSpec
from domainlm.specs.run import CorpusSpec

_POOL_BYTES = 64 * 2**20
"""Less than this is read in one process: starting others would take longer."""
_NUM_CLUSTERS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A work item's part, and where its documents begin among all."""

    item: Item
    part: Part
    first_doc: int


def build(
    corpus: CorpusSpec,
    domains: Sequence[DomainSpec],
    folder: Path,
    *,
    root: Path,
    workers: int,
    revisions: Mapping[str, str] | None = None,
) -> Made:
    """Text shards by domain, source and split, with what was dropped and quarantined beside them.

    `domains` are those of `corpus.domains`, in that order, which is the priority among duplicates. `revisions` maps
    hub datasets to the commits that the lock file pins. The bytes depend on neither `workers` nor earlier, killed runs:
    finished parts in `folder`/work are taken over. Raises DataError where a source cannot be read or the counts do not
    add up, StageError where a worker fails.
    """
    if [domain.name for domain in domains] != list(corpus.domains):
        raise DataError(f"domains {[domain.name for domain in domains]} are not the corpus's {list(corpus.domains)}")
    work_folder = folder / "work"
    works = _works(corpus, domains, work_folder / "parts", root, revisions or {})
    pieces = _ingest(works, workers, work_folder / "logs")
    _check_readable(domains, pieces)
    decision = _decide(corpus, pieces)
    made = _write(domains, pieces, decision, folder)
    # Under another name first: a part that was half deleted would be taken for a finished one.
    deleted = folder / "deleted"
    shutil.rmtree(deleted, ignore_errors=True)
    work_folder.replace(deleted)
    shutil.rmtree(deleted)
    return made


def _works(
    corpus: CorpusSpec, domains: Sequence[DomainSpec], parts: Path, root: Path, revisions: Mapping[str, str]
) -> list[Work]:
    filters = {domain.name: domain.filters for domain in domains}
    works = []
    for number, item in enumerate(sources.items(domains, root, revisions)):
        # The stage's own folder stands for code and contents; the key guards against another spec in the same folder.
        key = digest([item, filters[item.domain], corpus.near_duplicates])
        works.append(
            Work(
                item=item,
                filters=filters[item.domain],
                near_duplicates=corpus.near_duplicates,
                folder=parts / f"{number:06d}-{key[:12]}",
                key=key,
            )
        )
    return works


def _ingest(works: Sequence[Work], workers: int, logs: Path) -> list[Piece]:
    """The parts of all work items, made where they are not there yet."""
    left = [work for work in works if part.read(work.folder, work.key) is None]
    total_bytes = sum(work.item.num_bytes for work in works)
    done_bytes = total_bytes - sum(work.item.num_bytes for work in left)

    def on_done(rank: int) -> None:
        nonlocal done_bytes
        done_bytes += left[rank].item.num_bytes
        progress.tell("corpus: read", done_bytes, total_bytes, "bytes")

    progress.tell("corpus: read", done_bytes, total_bytes, "bytes")
    if left:
        pool = workers if total_bytes >= _POOL_BYTES else 1
        engine.run(Ingest(left), [work.item.label() for work in left], pool, logs, on_done)
    pieces, first_doc = [], 0
    for work in works:
        made = part.read(work.folder, work.key)
        if made is None:
            raise StageError(f"corpus: {work.item.label()} left no finished part in {work.folder}")
        pieces.append(Piece(item=work.item, part=made, first_doc=first_doc))
        first_doc += made.num_docs
    return pieces


def _check_readable(domains: Sequence[DomainSpec], pieces: Sequence[Piece]) -> None:
    for domain in domains:
        for source in domain.sources:
            parts = [p.part for p in pieces if (p.item.domain, p.item.source.name) == (domain.name, source.name)]
            num_read, num_quarantined = sum(p.num_read for p in parts), sum(p.num_quarantined for p in parts)
            if num_read > num_quarantined:
                continue
            label = f"{domain.name}/{source.name}"
            if not num_read:
                raise DataError(f"{label}: nothing to read in {source.uri}; remove the source or correct its `uri`")
            reasons = Counter(row.reason for p in parts for row in p.quarantined_rows())
            reason, count = reasons.most_common(1)[0]
            raise DataError(f"{label}: none of {num_read} records of {source.uri} is a document; {count}: {reason}")


def _decide(corpus: CorpusSpec, pieces: Sequence[Piece]) -> Decision:
    progress.tell("corpus: duplicates", 0, 1, "pass")
    heldout_D = np.concatenate([piece.part.array("heldout") for piece in pieces])
    digests_D2 = np.concatenate([piece.part.array("digests") for piece in pieces])
    keys_BD = None
    if corpus.near_duplicates is not None:
        keys_BD = np.concatenate([piece.part.array("keys") for piece in pieces], axis=1)
    decision = dedup.decide(heldout_D, digests_D2, keys_BD, corpus)
    progress.tell("corpus: duplicates", 1, 1, "pass", kept=int(decision.kept().sum()), docs=len(heldout_D))
    return decision


def _write(domains: Sequence[DomainSpec], pieces: Sequence[Piece], decision: Decision, folder: Path) -> Made:
    clusters = dict(decision.largest_clusters(_NUM_CLUSTERS))
    kept_ids = _ids_of_kept(pieces, decision)
    writers = Writers(folder, decision, kept_ids, clusters)
    counts: dict[str, Any] = {}
    for number, piece in enumerate(pieces):
        writers.write(piece.item, piece.part, piece.first_doc)
        _count(counts.setdefault(piece.item.label(), _no_counts()), piece, decision)
        progress.tell("corpus: write", number + 1, len(pieces), "parts")
    shards = writers.close()
    for shard in shards:
        if shard.kind == "text":
            counts[f"{shard.domain}/{shard.source}"]["kept_bytes"][shard.split] += shard.text_bytes
    for label, count in counts.items():
        _check_sum(label, count, sum(s.num_docs for s in shards if f"{s.domain}/{s.source}" == label))
    facts = {
        "licenses": {f"{domain.name}/{source.name}": source.license for domain in domains for source in domain.sources},
        "largest_clusters": [
            {"kept": kept_ids[document], "num_docs": num_docs, "head": writers.heads[document]}
            for document, num_docs in clusters.items()
        ],
    }
    return Made(shards=shards, counts={"sources": counts}, facts=facts)


def _ids_of_kept(pieces: Sequence[Piece], decision: Decision) -> dict[int, str]:
    """Ids of the documents that were kept for others."""
    wanted = np.unique(decision.kept_for_D[~decision.kept()])
    ids: dict[int, str] = {}
    for piece in pieces:
        first = piece.first_doc
        for table in piece.part.batches(["id"]):
            here = wanted[(wanted >= first) & (wanted < first + table.num_rows)]
            ids |= zip(here.tolist(), table.column("id").take(here - first).to_pylist(), strict=True)
            first += table.num_rows
    return ids


def _no_counts() -> dict[str, Any]:
    both = {"train": 0, "heldout": 0}
    return {
        "read": 0,
        "read_bytes": 0,
        "kept": both.copy(),
        "kept_bytes": both.copy(),
        "dropped": {},
        "quarantined": 0,
    }


def _count(count: dict[str, Any], piece: Piece, decision: Decision) -> None:
    of_piece = slice(piece.first_doc, piece.first_doc + piece.part.num_docs)
    kept_D, heldout_D = decision.kept()[of_piece], piece.part.array("heldout")
    count["read"] += piece.part.num_read
    count["read_bytes"] += piece.part.read_bytes
    count["quarantined"] += piece.part.num_quarantined
    count["kept"]["train"] += int((kept_D & ~heldout_D).sum())
    count["kept"]["heldout"] += int((kept_D & heldout_D).sum())
    reasons = Counter(count["dropped"]) + Counter(piece.part.dropped)
    for index, num_docs in zip(*np.unique(decision.reason_D[of_piece], return_counts=True), strict=True):
        if index >= 0:
            reasons[list(dedup.STAGE_OF_REASON)[index]] += int(num_docs)
    count["dropped"] = dict(sorted(reasons.items()))


def _check_sum(label: str, count: Mapping[str, Any], num_written: int) -> None:
    num_kept, num_dropped = sum(count["kept"].values()), sum(count["dropped"].values())
    if count["read"] != num_kept + num_dropped + count["quarantined"] or num_kept != num_written:
        raise DataError(
            f"{label}: {count['read']} read, but {num_kept} kept + {num_dropped} dropped + {count['quarantined']} "
            f"quarantined, and {num_written} written"
        )
