"""Training text that stands in held-out documents or in benchmark items is cut out, and listed with what it is of.

The rule. A passage is a run of words of a training document that n-grams of targets (13 words) cover without a gap; an
n-gram in more than 10 training documents is a common phrase and covers nothing. A passage goes if it has as many words
as are asked for of one of the targets whose n-grams it has: 50 of a held-out document, 13 of a benchmark item (with 200
characters on both sides, where its answer may stand), or all words of a target that has fewer. Targets of fewer than 8
words are not looked for. A document that loses more than half of its bytes, or keeps fewer than 200 characters, goes as
a whole. Cutting, margin, and common phrases are GPT-3's: arXiv:2005.14165, appendix C.
"""

# B benchmark items, D documents, K rows of the listing, M matches, P passages, T targets (documents, then items)
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from domainlm.corpus import overlap
from domainlm.corpus.benchmark import Benchmark
from domainlm.corpus.excise import excise
from domainlm.corpus.leaders import ReadTexts
from domainlm.corpus.ngrams import Int64
from domainlm.corpus.overlap import TargetNgrams
from domainlm.corpus.texts import Texts
from domainlm.specs.corpus import Decontaminate

EXCERPT_CHARS = 300
_LISTED = 20
"""Targets that are listed of a document, those with most n-grams first."""
_BATCH_TEXTS = 1000
_BYTES_PER_NGRAM = 6
"""About; more n-grams than reckoned with take more memory, no more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A training document and a target that it has passages of."""

    document: int
    target: int
    """A held-out document, or behind the last document the number of a benchmark's item."""
    num_ngrams: int
    """Different n-grams of the target in the document's passages."""
    target_share: float
    """Of the target's n-grams."""
    excerpt: str
    """Of the longest passage that they share."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contamination:
    """What was found."""

    listed: tuple[Listed, ...]
    benchmark_items: tuple[tuple[str, str], ...]
    """(B,) Benchmark and id of each."""
    dropped: dict[str, Int64]
    """Documents that go as a whole, by reason."""
    document_P: Int64
    """The passages, cut from those that stay: document, first byte, end."""
    begin_P: Int64
    end_P: Int64
    num_bytes: dict[int, int]
    """Of each document that has passages: what is left."""

    def edit(self, documents_D: Int64, texts: pa.LargeStringArray) -> pa.LargeStringArray:
        """Texts of the training documents with these numbers, ascending, without the passages."""
        first, last = (np.searchsorted(self.document_P, documents_D, side=side) for side in ("left", "right"))
        num_D = last - first
        if not num_D.any():
            return texts
        chosen = np.repeat(first - np.cumsum(num_D) + num_D, num_D) + np.arange(num_D.sum())
        starts = np.repeat(Texts(texts).offsets[:-1], num_D)
        first_D = np.append(0, np.cumsum(num_D))
        return excise(texts, first_D, starts + self.begin_P[chosen], starts + self.end_P[chosen], line_feeds=2)


def contamination(
    wanted_D: npt.NDArray[np.bool_],
    heldout_D: npt.NDArray[np.bool_],
    benchmarks: Sequence[Benchmark],
    spec: Decontaminate,
    texts: ReadTexts,
    num_heldout_bytes: int,
    work: Path,
) -> Contamination:
    """What the wanted training documents share with the held-out ones, and with the items of `benchmarks`.

    `work` is a folder that is made for what does not fit into memory.
    """
    num_ngrams = num_heldout_bytes // _BYTES_PER_NGRAM
    ngrams = TargetNgrams(spec.ngram_words, spec.min_target_words, work, num_ngrams)
    words_D = np.zeros(len(wanted_D), np.int64)
    for documents, batch in texts(heldout_D):
        words_D[documents] = ngrams.add(documents, batch)
    items, words_B, longest_B = _add_benchmarks(ngrams, benchmarks, len(wanted_D))
    # Each target's n-grams, by its longest text; and words of a passage that are enough, by its shortest.
    ngrams_T = np.maximum(np.append(words_D, longest_B) - spec.ngram_words, 0) + 1
    need_T = np.append(np.minimum(words_D, spec.heldout_words), np.minimum(words_B, spec.benchmark_words))

    shared = ngrams.overlap(wanted_D, texts, spec.max_documents)
    first_O = np.flatnonzero(np.append(True, shared.ngram_O[1:] != shared.ngram_O[:-1])[: len(shared.ngram_O)])
    need_H = np.minimum.reduceat(need_T[shared.target_O], first_O) if len(first_O) else np.empty(0, np.int64)
    passages, of_match_M = overlap.passages(shared, need_H)
    rows = _rows(shared, passages, of_match_M, ngrams_T)
    of_benchmark_P = np.zeros(len(passages), bool)
    of_benchmark_P[rows.passage[rows.target >= len(words_D)]] = True
    return _measure(shared.documents, passages, of_benchmark_P, rows, tuple(items), len(words_D), spec, texts)


def _add_benchmarks(
    ngrams: TargetNgrams, benchmarks: Sequence[Benchmark], num_docs: int
) -> tuple[list[tuple[str, str]], Int64, Int64]:
    """Benchmark and id of each item, and the words (B,) of its shortest text that is looked for, and of its longest."""
    items: list[tuple[str, str]] = []
    found: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
    for benchmark in benchmarks:
        pairs = list(benchmark.items)
        for begin in range(0, len(pairs), _BATCH_TEXTS):
            batch = pairs[begin : begin + _BATCH_TEXTS]
            numbers = []
            for item, _ in batch:
                if not items or items[-1] != (benchmark.name, item):
                    items.append((benchmark.name, item))
                numbers.append(len(items) - 1)
            texts = pa.array([text for _, text in batch], pa.large_string())
            found.append((np.array(numbers), ngrams.add(np.array(numbers) + num_docs, texts)))
    shortest_B, longest_B = np.full(len(items), np.iinfo(np.int64).max), np.zeros(len(items), np.int64)
    for numbers, num_words in found:
        np.maximum.at(longest_B, numbers, num_words)
        looked_for = num_words >= ngrams.least_words
        np.minimum.at(shortest_B, numbers[looked_for], num_words[looked_for])
    return items, shortest_B, longest_B


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rows:
    """Pairs of document and target that share passages: (K,) each."""

    place: Int64
    target: Int64
    num_ngrams: Int64
    share: npt.NDArray[np.float64]
    passage: Int64
    """The longest that they share."""


def _rows(shared: overlap.Overlap, passages: Int64, passage_M: npt.NDArray[np.int64], ngrams_T: Int64) -> _Rows:
    """The pairs, by document, those with most n-grams in common first."""
    chosen = np.flatnonzero(passage_M >= 0)
    keys = np.stack([shared.matches[chosen, 0], shared.matches[chosen, 5]]).astype(np.int64)
    # The first of equal n-grams in a document, the one in its longest passage.
    order = np.lexsort((-passages[passage_M[chosen], 3], keys[1], keys[0]))
    again = np.append(False, (keys[:, order[1:]] == keys[:, order[:-1]]).all(axis=0))[: len(order)]
    chosen = chosen[order[~again]]
    match, target = shared.targets_of(shared.matches[chosen, 5].astype(np.int64))
    place, passage = shared.matches[chosen[match], 0].astype(np.int64), passage_M[chosen[match]]
    order = np.lexsort((-passages[passage, 3], target, place))
    place, target, passage = place[order], target[order], passage[order]
    first = np.flatnonzero(np.append(True, (place[1:] != place[:-1]) | (target[1:] != target[:-1]))[: len(place)])
    num_ngrams = np.diff(np.append(first, len(place)))
    place, target, passage = place[first], target[first], passage[first]
    order = np.lexsort((target, -num_ngrams, place))
    share = np.minimum(1, num_ngrams / ngrams_T[target])
    return _Rows(
        place=place[order],
        target=target[order],
        num_ngrams=num_ngrams[order],
        share=share[order],
        passage=passage[order],
    )


def _measure(
    documents: Int64,
    passages: Int64,
    of_benchmark_P: npt.NDArray[np.bool_],
    rows: _Rows,
    items: tuple[tuple[str, str], ...],
    num_docs: int,
    spec: Decontaminate,
    texts: ReadTexts,
) -> Contamination:
    """Looks at the documents with passages: what is left of each, whether it stays, and what the passages say."""
    found = Contamination(
        listed=(),
        benchmark_items=items,
        dropped={},
        document_P=documents[passages[:, 0]],
        begin_P=passages[:, 1].copy(),
        end_P=passages[:, 2].copy(),
        num_bytes={},
    )
    wanted_D = np.zeros(num_docs, bool)
    wanted_D[found.document_P] = True
    margin_P = np.where(of_benchmark_P, spec.margin_chars, 0)
    excerpts: dict[int, str] = {}
    short: list[npt.NDArray[np.int64]] = [np.empty(0, np.int64)]
    for numbers, batch in texts(wanted_D):
        whole = Texts(batch)
        first, last = np.searchsorted(found.document_P, [numbers[0], numbers[-1] + 1]).tolist()
        here = slice(first, last)
        document_P = np.searchsorted(numbers, found.document_P[here])
        starts, ends = whole.offsets[document_P], whole.offsets[document_P + 1]
        for passage in np.intersect1d(rows.passage, np.arange(first, last)).tolist():
            span = starts[passage - first] + np.array([found.begin_P[passage], found.end_P[passage]])
            excerpts[passage] = _excerpt(whole.data[span[0] : span[1]])
        _widen(whole.data, starts, ends, margin_P[here], found.begin_P[here], found.end_P[here])
        left = Texts(found.edit(numbers, batch))
        num_bytes, num_left = np.diff(whole.offsets), np.diff(left.offsets)
        found.num_bytes.update(zip(numbers.tolist(), num_left.tolist(), strict=True))
        too_little = (num_bytes - num_left > spec.max_cut_share * num_bytes) | (left.chars < spec.min_left_chars)
        short.append(numbers[too_little])
    dropped = np.concatenate(short)
    of_benchmark = np.isin(dropped, found.document_P[of_benchmark_P])
    reasons = {
        "contaminated by held-out": dropped[~of_benchmark],
        "contaminated by benchmark": dropped[of_benchmark],
    }
    stays_P = ~np.isin(found.document_P, dropped)
    return replace(
        found,
        listed=tuple(_listed(documents, rows, excerpts)),
        dropped={reason: which for reason, which in reasons.items() if len(which)},
        document_P=found.document_P[stays_P],
        begin_P=found.begin_P[stays_P],
        end_P=found.end_P[stays_P],
    )


def _excerpt(data: npt.NDArray[np.uint8]) -> str:
    return data[: 4 * EXCERPT_CHARS].tobytes().decode(errors="ignore")[:EXCERPT_CHARS]


def _listed(documents: Int64, rows: _Rows, excerpts: Mapping[int, str]) -> Iterator[Listed]:
    rank = np.arange(len(rows.place)) - np.searchsorted(rows.place, rows.place)
    for k in np.flatnonzero(rank < _LISTED).tolist():
        yield Listed(
            document=int(documents[rows.place[k]]),
            target=int(rows.target[k]),
            num_ngrams=int(rows.num_ngrams[k]),
            target_share=float(rows.share[k]),
            excerpt=excerpts[int(rows.passage[k])],
        )


@numba.njit(nogil=True, cache=True)
def _widen(data, starts_P, ends_P, margin_P, begin_P, end_P):
    """Moves begins back and ends on by so many characters, to the next white space; spans that meet do not overlap."""
    for p in range(begin_P.size):
        start, stop = starts_P[p], ends_P[p]
        least = end_P[p - 1] if p > 0 and starts_P[p - 1] == start else 0
        i = start + begin_P[p]
        left = margin_P[p]
        while left > 0 and i > start:
            i -= 1
            left -= (data[i] & 0xC0) != 0x80
        if margin_P[p] > 0:
            while i > start and data[i - 1] > 32:
                i -= 1
        begin_P[p] = max(least, i - start)
        i = start + end_P[p]
        left = margin_P[p]
        while left > 0 and i < stop:
            i += 1
            left -= i == stop or (data[i] & 0xC0) != 0x80
        if margin_P[p] > 0:
            while i < stop and data[i] > 32:
                i += 1
        end_P[p] = max(begin_P[p], i - start)
