"""Texts as the rows of tokens that a base makes of them, each once: what new tokens are learnt from."""

# W distinct rows, T tokens of all rows, V vocabulary

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

import numba
import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from domainlm.errors import DataError
from domainlm.specs.byte_level import letters
from domainlm.tokens import bpe, kernel, words
from domainlm.tokens.kernel import Added, Cuts
from domainlm.tokens.merges import Rows
from domainlm.tokens.pretoken import Refused, cuts
from domainlm.tokens.tokenizer import vocab_size

_NONE_ADDED = Added(
    np.empty(0, np.uint8), np.zeros(1, np.int64), np.empty(0, np.int64), np.zeros(257, np.int64)
)  # fmt: skip


def rows_of(base: Tokenizer, texts: Sequence[Iterable[list[str]]], *, across: bool) -> Rows:
    """The rows of each of some texts: words, or `across` them words with single spaces between.

    Raises DataError where these are asked for and the base cuts in a way that the kernel does not know.
    """
    try:
        known = cuts(json.loads(base.pre_tokenizer.__getstate__()))._replace(across=across)
    except Refused as refused:
        if across:
            raise DataError(f"it cannot be extended across words: it has {refused.reason}") from refused
        parts = [_by_library(base, batches) for batches in texts]
    else:
        parts = [_by_kernel(base, known, batches) for batches in texts]
    ids = [np.empty(0, np.int32), *(part.ids_T for part in parts)]
    begins = [np.empty(0, np.bool_), *(part.begins_T for part in parts)]
    ends, before = [np.empty(0, np.int64)], 0
    counts_KR = np.zeros((len(parts), sum(len(part.ends_R) for part in parts)), np.int32)
    num_rows = 0
    for number, part in enumerate(parts):
        ends.append(part.ends_R + before)
        before += len(part.ids_T)
        counts_KR[number, num_rows : num_rows + len(part.ends_R)] = part.counts_KR[0]
        num_rows += len(part.ends_R)
    return Rows(
        ids_T=np.concatenate(ids), begins_T=np.concatenate(begins), ends_R=np.concatenate(ends), counts_KR=counts_KR
    )


def _by_kernel(base: Tokenizer, known: Cuts, batches: Iterable[list[str]]) -> Rows:
    found = words.count_cuts(_normal(base, batches), known)
    pieces = bpe.merges(json.loads(base.to_str())["model"])
    ids_T = np.empty(len(found.text) + len(found.counts), np.uint32)
    lengths_W = np.empty(len(found.counts), np.int64)
    within = known._replace(across=False)
    num = kernel.encode(within, pieces, kernel.words(), _NONE_ADDED, found.offsets, found.text, 0, ids_T, lengths_W)
    firsts_W = np.cumsum(lengths_W) - lengths_W
    begins_T = np.zeros(num, np.bool_)
    if known.across:
        multiple_W = _hold_words(found.text, found.offsets, known)
        begins_T = _spaced(base)[ids_T[:num]] & np.repeat(multiple_W, lengths_W)
    begins_T[firsts_W] = True
    kept_T = np.ones(num, np.bool_)
    kept_T[firsts_W + lengths_W - 1] = False  # the end token behind each
    return Rows(
        ids_T=ids_T[:num][kept_T].astype(np.int32),
        begins_T=begins_T[kept_T],
        ends_R=np.cumsum(lengths_W - 1),
        counts_KR=found.counts.astype(np.int32)[np.newaxis],
    )


def _by_library(base: Tokenizer, batches: Iterable[list[str]]) -> Rows:
    """Of a base whose pattern the kernel does not know: some twenty times slower."""
    counted: Counter[str] = Counter()
    for batch in _normal(base, batches):
        for text in batch:
            counted.update(piece for piece, _ in base.pre_tokenizer.pre_tokenize_str(text))
    rows = [[token.id for token in base.model.tokenize(word)] for word in counted]
    ends_R = np.cumsum([len(row) for row in rows], dtype=np.int64)
    begins_T = np.zeros(int(ends_R[-1]) if rows else 0, np.bool_)
    begins_T[np.concatenate([np.zeros(1, np.int64), ends_R[:-1]])[: len(rows)]] = True
    ids = [id_ for row in rows for id_ in row]
    counts_KR = np.array([list(counted.values())], np.int32)
    return Rows(ids_T=np.array(ids, np.int32), begins_T=begins_T, ends_R=ends_R, counts_KR=counts_KR)


def _normal(base: Tokenizer, batches: Iterable[list[str]]) -> Iterable[list[str]]:
    normalizer = base.normalizer
    if normalizer is None:
        return batches
    return ([normalizer.normalize_str(text) for text in batch] for batch in batches)


def _spaced(base: Tokenizer) -> npt.NDArray[np.bool_]:
    """(V,): whether a token begins with a space."""
    spaced_V = np.zeros(vocab_size(base), np.bool_)
    space = letters()[0x20]
    spaced_V[[id_ for token, id_ in base.get_vocab().items() if token.startswith(space)]] = True
    return spaced_V


@numba.njit(nogil=True, cache=True)
def _hold_words(text, offsets, cuts):
    """Of each row whether it is of words."""
    found = np.zeros(offsets.size - 1, np.bool_)
    for w in range(found.size):
        stop = kernel._piece_end(text, offsets[w], offsets[w + 1], cuts)
        found[w] = kernel._is_word(text, offsets[w], stop, offsets[w + 1], cuts)
    return found
