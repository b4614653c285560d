"""The stage `read/DOMAIN`: sources in, parts out, shards of the manifest; a killed one goes on from finished parts.

Nothing here knows a threshold: whom a filter drops is decided by the stage `corpus`, from the scores that stand in the
parts.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from domainlm import progress
from domainlm.corpus import engine, part, sources
from domainlm.corpus.part import Part
from domainlm.corpus.reading import Reading, reading_of
from domainlm.corpus.work import Ingest, Work
from domainlm.digest import digest
from domainlm.errors import DataError, StageError
from domainlm.manifest import Made
from domainlm.records import Shard
from domainlm.specs.corpus import NearDuplicates
from domainlm.specs.domain import DomainSpec, SourceSpec
from domainlm.specs.redact import located

_POOL_BYTES = 64 * 2**20
"""Less than this is read in one process: starting others would take longer."""


def read(
    domain: DomainSpec,
    near_duplicates: NearDuplicates | None,
    folder: Path,
    *,
    root: Path,
    workers: int,
    revisions: Mapping[str, str] | None = None,
) -> Made:
    """The parts of `domain` in `folder`/parts, for a corpus whose near-duplicates are found as `near_duplicates` says.

    `revisions` maps hub datasets to the commits that the lock file pins. The bytes depend on neither `workers` nor
    earlier, killed attempts. Raises DataError where a source cannot be read or the counts do not add up, StageError
    where a worker fails.
    """
    reading = reading_of(domain, near_duplicates)
    works = _works(reading, sources.items([domain], root, revisions or {}), folder / "parts", root)
    _clear(folder / "parts", works)
    files = _finish(works, workers, folder / "logs")
    _clear(folder / "parts", works)
    parts = [part.read(work.folder) for work in works]
    for source in domain.sources:
        _check_readable(domain.name, source, works, parts)
    shutil.rmtree(folder / "logs", ignore_errors=True)
    shards = [
        _shard(work, name, file, folder, made)
        for work, made, of_part in zip(works, parts, files, strict=True)
        for name, file in of_part.items()
    ]
    return Made(shards=tuple(shards), counts={"sources": _counts(domain, works, parts)})


def _works(reading: Reading, items: Sequence[sources.Item], parts: Path, root: Path) -> list[Work]:
    # The key is of the spec as it was written; the work is told where its model lies.
    done = replace(reading, redact=reading.redact and located(reading.redact, root))
    return [
        # The stage's own folder stands for code and contents; the key guards against another spec in the same folder.
        Work(item=item, reading=done, folder=parts / f"{number:06d}", key=digest([item, reading]))
        for number, item in enumerate(items)
    ]


def _clear(parts: Path, works: Sequence[Work]) -> None:
    """Delete what is no part of ours: what a killed worker was writing, and what another spec made more of here."""
    own = {work.folder for work in works}
    for folder in parts.iterdir() if parts.is_dir() else ():
        if folder not in own:
            shutil.rmtree(folder)


def _finish(works: Sequence[Work], workers: int, logs: Path) -> list[dict[str, dict[str, Any]]]:
    """Files of the parts of all work items, which are made where they are not there yet."""
    label = f"corpus: read {works[0].reading.domain}"
    left = [work for work in works if part.finished(work.folder, work.key) is None]
    total_bytes = sum(work.item.num_bytes for work in works)
    done_bytes = total_bytes - sum(work.item.num_bytes for work in left)

    def on_done(rank: int) -> None:
        nonlocal done_bytes
        done_bytes += left[rank].item.num_bytes
        progress.tell(label, done_bytes, total_bytes, "bytes")

    def is_done(rank: int) -> bool:
        return part.finished(left[rank].folder, left[rank].key) is not None

    progress.tell(label, done_bytes, total_bytes, "bytes")
    if left:
        pool = 1 if engine.chosen() == "local" and total_bytes < _POOL_BYTES else workers
        names = [work.item.label() for work in left]
        engine.run(Ingest(left), names, pool, logs, on_done, is_done)
    files = []
    for work in works:
        of_part = part.finished(work.folder, work.key)
        if of_part is None:
            raise StageError(f"read: {work.item.label()} left no finished part in {work.folder}")
        files.append(of_part)
    return files


def _shard(work: Work, name: str, file: Mapping[str, Any], folder: Path, made: Part) -> Shard:
    holds_text = name == part.TEXT
    return Shard(
        path=(work.folder / name).relative_to(folder).as_posix(),
        kind="part",
        domain=work.item.domain,
        source=work.item.source.name,
        num_bytes=file["num_bytes"],
        sha256=file["sha256"],
        num_docs=made.num_docs if holds_text else 0,
        text_bytes=made.text_bytes if holds_text else 0,
    )


def _check_readable(domain: str, source: SourceSpec, works: Sequence[Work], parts: Sequence[Part]) -> None:
    """DataError where a URI of the source gave no document: each by itself, or one would hide the other's fault."""
    for key, uri in (("uri", source.uri), ("heldout_uri", source.heldout_uri)):
        if uri is None:
            continue
        own = [
            made
            for work, made in zip(works, parts, strict=True)
            if work.item.source.name == source.name and _is_heldout_uri(work.item) == (key == "heldout_uri")
        ]
        num_read, num_quarantined = sum(made.num_read for made in own), sum(made.num_quarantined for made in own)
        if num_read > num_quarantined:
            continue
        label = f"{domain}/{source.name}"
        if not num_read:
            raise DataError(f"{label}: nothing to read in {uri}; remove the source or correct its `{key}`")
        reasons = Counter(row.reason for made in own for row in made.quarantined_rows())
        reason, count = reasons.most_common(1)[0]
        raise DataError(f"{label}: none of {num_read} records of {uri} is a document; {count}: {reason}")


def _is_heldout_uri(item: sources.Item) -> bool:
    return item.source.heldout_uri is not None and item.heldout_share == 1


def _counts(domain: DomainSpec, works: Sequence[Work], parts: Sequence[Part]) -> dict[str, dict[str, int]]:
    counts = {}
    for source in domain.sources:
        own = [made for work, made in zip(works, parts, strict=True) if work.item.source.name == source.name]
        counts[f"{domain.name}/{source.name}"] = {
            "read": sum(made.num_read for made in own),
            "read_bytes": sum(made.read_bytes for made in own),
            "docs": sum(made.num_docs for made in own),
            "text_bytes": sum(made.text_bytes for made in own),
            "dropped": sum(sum(reasons.values()) for made in own for reasons in made.dropped.values()),
            "quarantined": sum(made.num_quarantined for made in own),
        }
    return counts
