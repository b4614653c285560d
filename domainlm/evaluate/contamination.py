"""Which items of benchmarks stand in the run's training text, item by item and source by source.

An item is `shared` where training text has one of its n-grams (13 words, or all words of an item of 8 to 12) that is in
at most so many training documents as a common phrase may be in (10): the rule of GPT-3, arXiv:2005.14165, appendix C,
which scores all items and clean items side by side. An item of fewer words is `short`: it can't be looked for. It is
the text that is left after decontamination which is searched, so that what was cut out counts no more.
"""

# D training documents, M matches
from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from domainlm.corpus.ngrams import Int64
from domainlm.corpus.overlap import TargetNgrams
from domainlm.errors import DataError
from domainlm.evaluate import benchmarks
from domainlm.evaluate.benchmarks import Source
from domainlm.evaluate.prepare import Prepared
from domainlm.manifest import Manifest, write_atomically
from domainlm.specs.corpus import Decontaminate

SHARED, CLEAN, SHORT = "shared", "clean", "short"
_BATCH_ROWS = 2048
_BYTES_PER_NGRAM = 6
"""About; more n-grams than reckoned with take more memory, no more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """The items of one task against the training text, in their order."""

    status: tuple[str, ...]
    """SHARED, CLEAN or SHORT."""
    sources: Mapping[str, int]
    """How many items share n-grams with each training source, by `domain/source`."""


def check(
    corpus: Manifest, prepared: Sequence[Prepared | Source], spec: Decontaminate, work: Path
) -> tuple[dict[str, Checked], dict[str, str]]:
    """By task: its items, of those whose items lie here; and why of others nothing can be said."""
    found: dict[str, tuple[int, int]] = {}
    unread: dict[str, str] = {}
    numbers: list[int] = []
    texts: list[str] = []
    num_items = 0
    for one in prepared:
        try:
            records = one.records()
        except (DataError, OSError) as error:
            unread[one.task.name] = f"its items cannot be read: {type(error).__name__}"
            continue
        if not records:
            unread[one.task.name] = "its items do not lie here"
            continue
        for number, record in enumerate(records):
            of_item = benchmarks.texts(one.task.config, record)
            texts += of_item
            numbers += [num_items + number] * len(of_item)
        found[one.task.name] = (num_items, num_items + len(records))
        num_items += len(records)
    if not found:
        return {}, unread
    shutil.rmtree(work, ignore_errors=True)
    ngrams = TargetNgrams(spec.ngram_words, spec.min_target_words, work, sum(map(len, texts)) // _BYTES_PER_NGRAM)
    owners = np.array(numbers, np.int64)
    num_words = ngrams.add(owners, pa.array(texts, pa.large_string()))
    longest = np.zeros(num_items, np.int64)
    np.maximum.at(longest, owners, num_words)
    item_source = _shared(corpus, ngrams, spec.max_documents)
    is_shared = np.zeros(num_items, bool)
    is_shared[item_source[:, 0]] = True
    status = np.where(is_shared, SHARED, np.where(longest < spec.min_target_words, SHORT, CLEAN))
    labels = _labels(corpus)
    checked = {}
    for name, (first, last) in found.items():
        here = item_source[(item_source[:, 0] >= first) & (item_source[:, 0] < last), 1]
        counts = {
            labels[source]: int(count) for source, count in zip(*np.unique(here, return_counts=True), strict=True)
        }
        checked[name] = Checked(status=tuple(status[first:last].tolist()), sources=counts)
    return checked, unread


def _labels(corpus: Manifest) -> list[str]:
    return sorted({f"{shard.domain}/{shard.source}" for shard in corpus.files("text", split="train")})


def _shared(corpus: Manifest, ngrams: TargetNgrams, max_documents: int) -> Int64:
    """Distinct pairs (N, 2) of an item and the number of a training source that share an n-gram."""
    shards = corpus.files("text", split="train")
    labels = {label: number for number, label in enumerate(_labels(corpus))}
    source_D = np.repeat(
        [labels[f"{shard.domain}/{shard.source}"] for shard in shards], [shard.num_docs for shard in shards]
    ).astype(np.int64)

    def texts(wanted_D: npt.NDArray[np.bool_]) -> Iterator[tuple[Int64, pa.LargeStringArray]]:
        first = 0
        for shard in shards:
            with pq.ParquetFile(corpus.path(shard)) as file:
                for batch in file.iter_batches(_BATCH_ROWS, columns=["text"]):
                    yield np.arange(first, first + len(batch)), batch.column(0).cast(pa.large_string())
                    first += len(batch)

    if not len(source_D) or not ngrams.lengths:
        return np.empty((0, 2), np.int64)
    overlap = ngrams.overlap(np.ones(len(source_D), bool), texts, max_documents)
    match_M = np.unique(np.stack([source_D[overlap.matches[:, 0]], overlap.matches[:, 5]], axis=1), axis=0)
    place, target = overlap.targets_of(match_M[:, 1].astype(np.int64))
    return np.unique(np.stack([target, match_M[place, 0]], axis=1), axis=0)


def kept(
    corpus: Manifest, prepared: Sequence[Prepared], spec: Decontaminate, work: Path, part: Path
) -> tuple[dict[str, Checked], dict[str, str]]:
    """As `check`, read from `part` where it stands there, else written to it."""
    if not part.is_file():
        checked, unread = check(corpus, prepared, spec, work)
        content = {name: {"status": one.status, "sources": one.sources} for name, one in checked.items()}
        write_atomically(part, orjson.dumps({"checked": content, "unread": unread}))
    read: Any = orjson.loads(part.read_bytes())
    checked = {
        name: Checked(status=tuple(one["status"]), sources=one["sources"]) for name, one in read["checked"].items()
    }
    return checked, read["unread"]


def mark(samples: Sequence[dict[str, Any]], checked: Mapping[str, Checked], num_items: Mapping[str, int]) -> None:
    """Writes into rows of `store.SAMPLES` what was found of their items.

    Where lm-eval sees another number of items (`num_items` by task) than were checked, nothing is known of them.
    """
    for row in samples:
        one = checked.get(row["subtask"])
        if one is not None and len(one.status) == num_items.get(row["subtask"]):
            row["training_text"] = one.status[row["place"]]


def counts(checked: Mapping[str, Checked], titles: Mapping[str, str]) -> dict[str, Any]:
    """By title: how many items share n-grams with training text, with which sources, and how many are short."""
    found: dict[str, Any] = {}
    for name, one in checked.items():
        of_title = found.setdefault(titles[name], {"items": 0, SHARED: 0, SHORT: 0, "sources": {}})
        of_title["items"] += len(one.status)
        of_title[SHARED] += one.status.count(SHARED)
        of_title[SHORT] += one.status.count(SHORT)
        for source, number in one.sources.items():
            of_title["sources"][source] = of_title["sources"].get(source, 0) + number
    return found
