"""Static embeddings of tokens, from how often they stand near each other: like tokens have like ones, every time.

Positive pointwise mutual information, factorised (Levy, Goldberg and Dagan, TACL 2015, sections 3 and 7): what word2vec
and fastText do by samples and threads, and so a little differently each time, in one piece.
"""

# V tokens of the vocabulary, D dimensions, T tokens of text
from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import linalg

from domainlm.manifest import Manifest
from domainlm.progress import tell

TEXT_TOKENS = 10_000_000
"""Text that is looked at, at most, in the proportions of the sources."""
DIMENSIONS = 300
"""As in FOCUS (arXiv:2305.14481, section 3.1)."""
MIN_COUNT = 10
"""A token that comes less often has none, as there."""
_WINDOW = 5
_SMOOTHING = 0.75
"""Exponent of the contexts' frequencies: word2vec's."""
_CHUNK_TOKENS = 1_000_000


def static_embeddings(tokens: Manifest) -> npt.NDArray[np.float32]:
    """(V, D): of length 1, or all 0 for a token that is too rare to have one; from the shards of a tokens stage."""
    vocab_size, end_id = int(tokens.facts["vocab_size"]), int(tokens.facts["end_token_id"])
    shards = tokens.files("tokens")
    share = min(1.0, TEXT_TOKENS / max(1, sum(shard.num_tokens for shard in shards)))
    near = sparse.csr_matrix((vocab_size, vocab_size), dtype=np.float32)
    counts_V = np.zeros(vocab_size, np.int64)
    for number, shard in enumerate(shards):
        of_shard = np.memmap(tokens.path(shard), np.dtype(tokens.facts["dtype"]), mode="r") if shard.num_tokens else []
        for begin in range(0, round(shard.num_tokens * share), _CHUNK_TOKENS):
            ids_T = np.asarray(of_shard[begin : min(begin + _CHUNK_TOKENS, round(shard.num_tokens * share))], np.int64)
            counts_V += np.bincount(ids_T, minlength=vocab_size)
            near += _near(ids_T, end_id, vocab_size)
        tell("train: static embeddings", number + 1, len(shards), "shards")
    near += near.T
    seen = np.flatnonzero((counts_V >= MIN_COUNT) & (np.arange(vocab_size) != end_id))
    found_VD = np.zeros((vocab_size, DIMENSIONS), np.float32)
    if len(seen) > 2:
        factors = _factorised(near[seen][:, seen].tocsr())
        found_VD[seen, : factors.shape[1]] = factors
    return found_VD


def _near(ids_T: npt.NDArray[np.int64], end_id: int, vocab_size: int) -> sparse.csr_matrix:
    """How often each token stands before another in one document, the nearer counting the more."""
    doc_T = np.cumsum(ids_T == end_id)
    found = sparse.csr_matrix((vocab_size, vocab_size), dtype=np.float32)
    for distance in range(1, _WINDOW + 1):
        left_T, right_T = ids_T[:-distance], ids_T[distance:]
        same = (doc_T[:-distance] == doc_T[distance:]) & (left_T != end_id)
        weight = np.full(int(same.sum()), (_WINDOW + 1 - distance) / _WINDOW, np.float32)
        found += sparse.csr_matrix((weight, (left_T[same], right_T[same])), shape=(vocab_size, vocab_size))
    return found


def _factorised(near: sparse.csr_matrix) -> npt.NDArray[np.float32]:
    """Rows of length 1 whose products are like the positive mutual information of tokens that stand near."""
    entries = near.tocoo()
    of_row = np.asarray(near.sum(axis=1)).ravel()
    of_context = of_row**_SMOOTHING
    expected = of_row[entries.row] * of_context[entries.col] / of_context.sum()
    information = np.log(entries.data / expected)
    kept = information > 0
    places = (entries.row[kept], entries.col[kept])
    positive = sparse.csr_matrix((information[kept].astype(np.float32), places), shape=near.shape)
    most = min(DIMENSIONS, near.shape[0] - 1)
    left_VD, sizes_D, _ = linalg.svds(positive, k=most, v0=np.ones(near.shape[0], np.float32), solver="arpack")
    factors_VD = left_VD * np.sqrt(sizes_D)
    lengths = np.linalg.norm(factors_VD, axis=1, keepdims=True)
    return (factors_VD / np.maximum(lengths, 1e-12)).astype(np.float32)
