"""The ways to cut words into pieces: expected counts of all of them, and the best one. All that numba compiles of them.

Pieces are walked along a trie over bytes. Every single byte is a piece, so that there is always a way.
"""

# P pieces, W words, N bytes of a word

from __future__ import annotations

import numba
import numpy as np

from domainlm.tokens.kernel import slot_of

_BY_CHANCE = 4.0
"""Uses of a piece that are not counted for it: other text has fewer of what stands in this one a few times. It is worth
1 to 3% of bytes per token on held-out text: docs/log.md."""
_SMALL, _LARGE = 1e-100, 1e100
"""Where a sum of products of probabilities falls below the first, it is multiplied by the second."""


@numba.njit(nogil=True, cache=True)
def trie(text, places, lengths):
    """The trie of the pieces that stand in `text`: (slots, 2), open addressing.

    Of each edge: its node and byte, and the node behind and the piece that ends there (plus 1; 0: none).
    """
    total = np.int64(0)
    for p in range(places.size):
        total += lengths[p]
    slots = np.int64(256)
    while slots < total + total // 2:
        slots *= 2
    edges = np.full((slots, 2), -1, np.int64)
    mask = np.uint64(slots - 1)
    num_nodes = 1
    for p in range(places.size):
        node = np.int64(0)
        slot = np.uint64(0)
        for i in range(places[p], places[p] + lengths[p]):
            key = node << 8 | np.int64(text[i])
            slot = slot_of(key, mask)
            while edges[slot, 0] != -1 and edges[slot, 0] != key:
                slot = (slot + np.uint64(1)) & mask
            if edges[slot, 0] == -1:
                edges[slot, 0], edges[slot, 1] = key, np.int64(num_nodes) << 32
                num_nodes += 1
            node = edges[slot, 1] >> 32
        edges[slot, 1] |= p + 1
    return edges


@numba.njit(nogil=True, cache=True)
def _edge(edges, node, byte):
    """The node behind `node` by `byte` and the piece that ends there, as `trie` has them; -1: there is none."""
    key = node << 8 | np.int64(byte)
    mask = np.uint64(edges.shape[0] - 1)
    slot = slot_of(key, mask)
    while edges[slot, 0] != key:
        if edges[slot, 0] == -1:
            return np.int64(-1)
        slot = (slot + np.uint64(1)) & mask
    return edges[slot, 1]


@numba.njit(nogil=True, cache=True)
def expected(edges, probs, text, offsets, counts, longest_word, longest_piece):
    """Expected counts of the pieces over all cuts of all words; a piece of probability 0 is none."""
    totals = np.zeros(probs.size)
    # alpha: probability of all cuts up to a byte, times _LARGE to the power of scale.
    alpha, gamma = np.empty(longest_word + 1), np.empty(longest_word + 1)
    scale = np.empty(longest_word + 1, np.int64)
    ways = np.empty((longest_word, longest_piece), np.int32)
    widths = np.empty((longest_word, longest_piece), np.int32)
    num_ways = np.empty(longest_word, np.int64)
    for w in range(counts.size):
        begin, size = offsets[w], offsets[w + 1] - offsets[w]
        alpha[1 : size + 1] = 0.0
        gamma[:size] = 0.0
        alpha[0], gamma[size] = 1.0, counts[w]
        power = 0
        for i in range(size):
            if alpha[i] < _SMALL:
                power += 1
                alpha[i : min(size, i + longest_piece) + 1] *= _LARGE
            scale[i] = power
            num = 0
            node, j = np.int64(0), i
            while j < size:
                edge = _edge(edges, node, text[begin + j])
                if edge < 0:
                    break
                j += 1
                node = edge >> 32
                piece = (edge & 0xFFFFFFFF) - 1
                if piece >= 0 and probs[piece] > 0:
                    ways[i, num], widths[i, num] = piece, j - i
                    num += 1
                    alpha[j] += alpha[i] * probs[piece]
            num_ways[i] = num
        scale[size] = power
        # gamma: how often, of counts[w], a cut is at each byte; it is handed back along the ways that lead there.
        for back in range(size):
            i = size - 1 - back
            for k in range(num_ways[i]):
                j = i + widths[i, k]
                share = gamma[j] * (alpha[i] * probs[ways[i, k]] / alpha[j])
                if scale[i] != scale[j]:
                    share *= _LARGE ** (scale[j] - scale[i])
                totals[ways[i, k]] += share
                gamma[i] += share
    return totals


@numba.njit(nogil=True, cache=True)
def best(edges, log_probs, text, offsets, counts, longest_word):
    """How often each piece stands in the best cuts of all words; a piece of log probability -inf is none."""
    totals = np.zeros(log_probs.size, np.int64)
    score = np.empty(longest_word + 1)
    from_, last = np.empty(longest_word + 1, np.int64), np.empty(longest_word + 1, np.int64)
    for w in range(counts.size):
        size = offsets[w + 1] - offsets[w]
        _best(edges, log_probs, text, offsets[w], size, -1, score, from_, last)
        j = size
        while j > 0:
            totals[last[j]] += counts[w]
            j = from_[j]
    return totals


@numba.njit(nogil=True, cache=True)
def _best(edges, log_probs, text, begin, size, without, score, from_, last):
    """Fill `from_` and `last` with the best cut of a word into pieces other than `without`."""
    score[: size + 1] = -np.inf
    score[0] = 0.0
    for i in range(size):
        node, j = np.int64(0), i
        while j < size:
            edge = _edge(edges, node, text[begin + j])
            if edge < 0:
                break
            j += 1
            node = edge >> 32
            piece = (edge & 0xFFFFFFFF) - 1
            if piece >= 0 and piece != without and score[i] + log_probs[piece] > score[j]:
                score[j], from_[j], last[j] = score[i] + log_probs[piece], i, piece


@numba.njit(nogil=True, cache=True)
def losses(edges, log_probs, uses, text, places, lengths):
    """Nats that the best cuts lose when a piece goes and the best of the others stand in: for each piece.

    `uses`: how often each stands in the best cuts. inf: a single byte, which never goes. Source: Kudo,
    arXiv:1804.10959, section 3.2, as sentencepiece computes it (the probabilities are those of `uses`, and the others'
    rise), but for the uses that may be chance.
    """
    lost = np.full(places.size, np.inf)
    total = 0.0
    for p in range(uses.size):
        total += uses[p]
    longest = lengths.max()
    score, from_, last = np.empty(longest + 1), np.empty(longest + 1, np.int64), np.empty(longest + 1, np.int64)
    for p in range(places.size):
        size = lengths[p]
        if size == 1:
            continue
        lost[p] = 0.0
        if uses[p] == 0:
            continue
        _best(edges, log_probs, text, places[p], size, p, score, from_, last)
        if score[size] >= log_probs[p]:
            continue
        num, j = 0, size
        while j > 0:
            num, j = num + 1, from_[j]
        instead, j = 0.0, size
        while j > 0:
            instead += np.log(uses[last[j]] + uses[p]) - np.log(total + uses[p] * (num - 1))
            j = from_[j]
        lost[p] = max(uses[p] - _BY_CHANCE, 0.0) * (np.log(uses[p]) - np.log(total) - instead)
    return lost
