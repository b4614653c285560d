"""A Unigram vocabulary learnt from counted pretokens: pieces of bytes, each with its probability.

Source: Kudo, arXiv:1804.10959, as sentencepiece does it: expectation maximisation over a vocabulary that begins too
large and loses, round by round, the pieces whose loss costs least. What differs is that pieces are of bytes, and that
the pretokens are counted first. (The trainer of `tokenizers` takes its seeds from the text as if it had no pretokens:
docs/log.md.)
"""

# W words, P pieces

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from domainlm.progress import tell
from domainlm.tokens import lattice
from domainlm.tokens.seeds import MAX_BYTES, seeds
from domainlm.tokens.words import Counted

_SEEDS_A_PIECE, _MIN_SEEDS = 8, 100_000
_KEPT_SHARE = 0.7
"""Of the pieces, in each round; sentencepiece keeps 0.75."""
_STEPS_A_ROUND = 2
_LEAST_COUNT = 0.5
"""Both as in sentencepiece."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pieces:
    """A vocabulary: substrings of a text, the 256 single bytes first."""

    text: npt.NDArray[np.uint8]
    places: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    log_probs: npt.NDArray[np.float64]
    """Nats; -inf: no longer one."""

    def of(self, kept: npt.NDArray[np.bool_]) -> Pieces:
        """Those that are kept."""
        return replace(self, places=self.places[kept], lengths=self.lengths[kept], log_probs=self.log_probs[kept])

    def items(self) -> list[tuple[bytes, float]]:
        """(bytes, log probability) of each."""
        ends = self.places + self.lengths
        spans = zip(self.places.tolist(), ends.tolist(), self.log_probs.tolist(), strict=True)
        data = self.text.tobytes()
        return [(data[begin:end], log_prob) for begin, end, log_prob in spans]


def learn(words: Counted, num_pieces: int, *, label: str) -> list[tuple[bytes, float]]:
    """At most `num_pieces` pieces with their log probabilities in nats, the 256 bytes among them; fewer if the words
    have no more that come twice. Progress goes under `label`.
    """
    pieces = _begin(words, max(_MIN_SEEDS, _SEEDS_A_PIECE * num_pieces))
    start = pieces.lengths.size
    while True:
        built = lattice.trie(pieces.text, pieces.places, pieces.lengths)
        for _ in range(_STEPS_A_ROUND):
            pieces = _step(pieces, built, words, num_pieces)
        left = int(np.isfinite(pieces.log_probs).sum())
        tell(label, np.log(start / left), np.log(max(start / num_pieces, 1 + 1e-9)), "pruning", pieces=left)
        if left <= num_pieces:
            return pieces.of(np.isfinite(pieces.log_probs)).items()
        pieces = _pruned(pieces, built, words, max(num_pieces, int(left * _KEPT_SHARE)))


def pruned(pieces: list[bytes], counts: npt.NDArray[np.float64], num_pieces: int) -> list[tuple[bytes, float]]:
    """At most `num_pieces` of the pieces with their log probabilities, without the text that they come from.

    `counts`: how often each is needed. What a piece that goes was needed for, the pieces that it is cut into now are.
    """
    single = np.array([len(piece) == 1 for piece in pieces])
    order = np.lexsort((np.arange(len(pieces)), ~single))
    held, uses = [pieces[place] for place in order], np.maximum(counts[order], _LEAST_COUNT)
    built, text, offsets = _trie(held)
    while len(held) > num_pieces:
        lost = lattice.losses(built, np.log(uses / uses.sum()), uses, text, offsets[:-1], np.diff(offsets))
        kept = np.zeros(lost.size, np.bool_)
        kept[np.lexsort((-uses, -lost))[: max(num_pieces, int(lost.size * _KEPT_SHARE))]] = True
        gone = [piece for piece, stays in zip(held, kept, strict=True) if not stays]
        gone_uses = np.rint(uses[~kept]).astype(np.int64)
        held, uses = [piece for piece, stays in zip(held, kept, strict=True) if stays], uses[kept]
        built, text, offsets = _trie(held)
        uses = uses + lattice.best(built, np.log(uses / uses.sum()), *_joined(gone), gone_uses, MAX_BYTES)
    return list(zip(held, np.log(uses / uses.sum()).tolist(), strict=True))


def _trie(pieces: list[bytes]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    text, offsets = _joined(pieces)
    return lattice.trie(text, offsets[:-1], np.diff(offsets)), text, offsets


def _joined(pieces: list[bytes]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    offsets = np.cumsum([0, *map(len, pieces)], dtype=np.int64)
    return np.frombuffer(bytearray(b"".join(pieces)), np.uint8), offsets


def _begin(words: Counted, num_seeds: int) -> Pieces:
    found = seeds(words, num_seeds)
    every_byte = np.arange(256)
    # The bytes stand behind the words' text, so that each has a place.
    text = np.concatenate([words.text, every_byte.astype(np.uint8)])
    counts = np.bincount(words.text, np.repeat(words.counts, np.diff(words.offsets)), 256)
    weights = np.concatenate([np.maximum(counts, 1), found.counts * found.lengths])
    return Pieces(
        text=text,
        places=np.concatenate([every_byte + words.text.size, found.places]),
        lengths=np.concatenate([np.ones(256, np.int64), found.lengths]),
        log_probs=np.log(weights / weights.sum()),
    )


def _step(pieces: Pieces, built: npt.NDArray[np.int64], words: Counted, num_pieces: int) -> Pieces:
    longest = int(np.diff(words.offsets).max(initial=1))
    totals = lattice.expected(built, np.exp(pieces.log_probs), *words, longest, MAX_BYTES)
    totals[:256] = np.maximum(totals[:256], _LEAST_COUNT)
    alive = totals >= _LEAST_COUNT
    if alive.sum() < num_pieces:
        # What is needed too seldom stays where there would be too few: those needed most.
        alive[np.argsort(-totals, kind="stable")[:num_pieces]] = True
        alive[:256] = True
        alive &= np.isfinite(pieces.log_probs)
    totals = np.where(alive, np.maximum(totals, _LEAST_COUNT), 0)
    # Sparse, as under a Dirichlet prior: what is seldom needed is needed less.
    log_probs = np.full(totals.size, -np.inf)
    log_probs[alive] = _digamma(totals[alive]) - _digamma(np.array([totals.sum()]))
    return replace(pieces, log_probs=log_probs)


def _pruned(pieces: Pieces, built: npt.NDArray[np.int64], words: Counted, num_kept: int) -> Pieces:
    longest = int(np.diff(words.offsets).max(initial=1))
    uses = lattice.best(built, pieces.log_probs, *words, longest)
    lost = lattice.losses(built, pieces.log_probs, uses, pieces.text, pieces.places, pieces.lengths)
    lost[~np.isfinite(pieces.log_probs)] = -1
    kept = np.zeros(lost.size, np.bool_)
    kept[np.argsort(-lost, kind="stable")[:num_kept]] = True
    return pieces.of(kept)


def _digamma(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Derivative of the logarithm of the gamma function, for x > 0: a series from 7 on, its recurrence below.

    >>> [round(float(value), 6) for value in _digamma(np.array([0.5, 1.0, 10.0]))]
    [-1.96351, -0.577216, 2.251753]
    """
    result = np.zeros_like(x)
    x = x.copy()
    for _ in range(7):
        small = x < 7
        result[small] -= 1 / x[small]
        x[small] += 1
    square = 1 / (x - 0.5) ** 2
    terms = square / 24 - 7 * square**2 / 960 + 31 * square**3 / 8064 - 127 * square**4 / 30720
    return result + np.log(x - 0.5) + terms
