"""A sample of a corpus in given proportions, chosen by hash: the same documents on every machine."""

# D documents of a domain

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from domainlm.errors import DataError
from domainlm.manifest import Manifest
from domainlm.records import Split

_BATCH_DOCS = 256


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DomainSample:
    """Which documents of a domain are in the sample."""

    files: tuple[Path, ...]
    kept_bytes_D: npt.NDArray[np.int64]
    """UTF-8 bytes taken of each document, in the order of the files: all, none, or of one document a part."""


def byte_targets(
    available_bytes: Mapping[str, int], byte_ratio: Mapping[str, float], sample_bytes: int
) -> dict[str, int]:
    """Bytes to take of each domain: at most `sample_bytes`, in the ratio asked (empty: as available), which is kept to.

    Where a domain has too little text for its share, the whole sample shrinks.

    >>> byte_targets({"law": 100, "general": 900}, {"law": 0.5, "general": 0.5}, 500)
    {'law': 100, 'general': 100}
    """
    total = sum(available_bytes.values())
    ratio = {domain: share for domain, share in byte_ratio.items() if share > 0} or {
        domain: count / total for domain, count in available_bytes.items() if count
    }
    missing = sorted(domain for domain in ratio if not available_bytes.get(domain))
    if missing:
        raise DataError(f"byte_ratio: the corpus has no training text of {', '.join(missing)}")
    if not ratio:
        raise DataError("the corpus has no training text to take a sample of: everything read was dropped")
    bounded = min(sample_bytes, *(available_bytes[domain] / share for domain, share in ratio.items()))
    # A hair over, so that a share that is a whole number of bytes is not rounded below it.
    return {domain: math.floor(bounded * share + 1e-6) for domain, share in ratio.items()}


def available_bytes(corpus: Manifest, split: Split) -> dict[str, int]:
    """UTF-8 bytes of text by domain."""
    found: dict[str, int] = {}
    for shard in corpus.files("text", split=split):
        found[shard.domain] = found.get(shard.domain, 0) + shard.text_bytes
    return found


def choose(corpus: Manifest, split: Split, domain: str, target_bytes: int, seed: int) -> DomainSample:
    """The documents whose ids have the least hashes, up to `target_bytes` of text; of the last one, its beginning."""
    files = tuple(corpus.path(shard) for shard in corpus.files("text", split=split, domain=domain))
    hashes: list[int] = []
    sizes: list[npt.NDArray[np.int64]] = [np.empty(0, np.int64)]
    for file in files:
        for batch in pq.ParquetFile(file).iter_batches(_BATCH_DOCS, columns=["id", "text"]):
            hashes.extend(xxhash.xxh3_64_intdigest(id_, seed) for id_ in batch.column("id").to_pylist())
            num_bytes = pc.call_function("binary_length", [batch.column("text")])
            sizes.append(num_bytes.to_numpy().astype(np.int64))
    bytes_D = np.concatenate(sizes)
    order_D = np.argsort(np.array(hashes, np.uint64), kind="stable")
    before_D = np.cumsum(bytes_D[order_D]) - bytes_D[order_D]
    kept_D = np.zeros_like(bytes_D)
    kept_D[order_D] = np.clip(target_bytes - before_D, 0, bytes_D[order_D])
    return DomainSample(files=files, kept_bytes_D=kept_D)


def texts(sample: DomainSample) -> Iterator[list[str]]:
    """The sample's texts, some at a time, in the order of the files."""
    place = 0
    for file in sample.files:
        for batch in pq.ParquetFile(file).iter_batches(_BATCH_DOCS, columns=["text"]):
            kept = sample.kept_bytes_D[place : place + len(batch)]
            place += len(batch)
            wanted = np.flatnonzero(kept)
            chosen = batch.column("text").take(wanted).to_pylist()
            yield [_head(text, size) for text, size in zip(chosen, kept[wanted].tolist(), strict=True)]


def _head(text: str, num_bytes: int) -> str:
    # A character cut in two is dropped.
    return text.encode()[:num_bytes].decode(errors="ignore")
