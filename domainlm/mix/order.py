"""Which row of which source is row i of a mix: computed from i, within one row of each source's share at every i.

Two parts, both without state. A schedule of one period says which source row i is drawn from; a permutation of each
source's rows, another one for each epoch, says which of its rows that is. Memory is that of one period.
"""

# B rows asked for, K sources, P rows of a period

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np
import numpy.typing as npt

from domainlm.digest import seed_for

Ints = npt.NDArray[np.int64]

MAX_PERIOD = 1_000_000
_ROUNDS = 8
"""Feistel rounds. Four suffice with ideal round functions (Luby and Rackoff, 1988); ours are not ideal: a guess."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Order:
    """The tables behind `locate`."""

    names: tuple[str, ...]
    period_rows_K: Ints
    """Rows of each source in a period."""
    rows_on_disk_K: Ints
    source_P: npt.NDArray[np.unsignedinteger]
    """The source of each row of a period, or of the first rows of it, where fewer are ever asked for."""
    rank_P: npt.NDArray[np.int32]
    """How many rows of the same source precede it in the period."""
    seed: int

    @property
    def period(self) -> int:
        return int(self.period_rows_K.sum())


def order(period_rows: Mapping[str, int], rows_on_disk: Mapping[str, int], *, num_rows: int, seed: int) -> Order:
    """The order of a mix of `num_rows` rows in which each source has `period_rows`, at least one, of a period."""
    names = tuple(period_rows)
    shares = [period_rows[name] for name in names]
    source_P = schedule(shares, min(sum(shares), num_rows))
    # The rank of a step among its source's: a stable sort by source puts each source's steps side by side.
    by_source = np.argsort(source_P, kind="stable")
    counts_K = np.bincount(source_P, minlength=len(names))
    rank_P = np.empty(len(source_P), np.int32)
    rank_P[by_source] = np.arange(len(source_P)) - np.repeat(np.cumsum(counts_K) - counts_K, counts_K)
    return Order(
        names=names,
        period_rows_K=np.array(shares, np.int64),
        rows_on_disk_K=np.array([rows_on_disk[name] for name in names], np.int64),
        source_P=source_P,
        rank_P=rank_P,
        seed=seed,
    )


def locate(order: Order, row_B: Ints) -> tuple[Ints, Ints]:
    """Source (index into `order.names`) and row in that source's stream of the mix's rows `row_B`; both int64, (B,).

    Every row of a source is drawn once before any is drawn twice, and what is drawn does not depend on other sources.
    """
    cycle_B, step_B = np.divmod(row_B, order.period)
    source_B = order.source_P[step_B].astype(np.int64)
    drawn_B = cycle_B * order.period_rows_K[source_B] + order.rank_P[step_B]
    num_B = order.rows_on_disk_K[source_B]
    epoch_B, place_B = np.divmod(drawn_B, num_B)
    seeds = [
        _epoch_seed(order.seed, order.names[k], e) for k, e in zip(source_B.tolist(), epoch_B.tolist(), strict=True)
    ]
    return source_B, permute(place_B, num_B, np.array(seeds, np.uint64))


def rows_before(order: Order, row: int) -> Ints:
    """How many of the mix's first `row` rows are drawn from each source, (K,)."""
    cycles, step = divmod(row, order.period)
    return cycles * order.period_rows_K + np.bincount(order.source_P[:step], minlength=len(order.names))


@functools.lru_cache(maxsize=65536)
def _epoch_seed(seed: int, name: str, epoch: int) -> int:
    return seed_for(seed, name, f"epoch {epoch}")


def schedule(period_rows: Sequence[int], num_steps: int) -> npt.NDArray[np.unsignedinteger]:
    """The source of each of a period's first `num_steps` steps, (num_steps,).

    With k sources, after every step each source has had its share to within 1 - 1/(2k - 2) rows, the least that any
    schedule can promise for all shares. Source: R. Tijdeman, The chairman assignment problem, Discrete Mathematics 32
    (1980), 323-330. His rule, earliest deadline first, is done here on whole steps with a heap: 10^6 steps in 0.4 to
    0.7 CPU-seconds for up to fifty sources.

    >>> schedule([3, 1], 4).tolist()
    [0, 0, 1, 0]
    """
    num_sources, period = len(period_rows), sum(period_rows)
    assert min(period_rows) > 0 and period <= MAX_PERIOD
    dtype = np.uint8 if num_sources <= 256 else np.uint16
    if num_sources == 1:
        return np.zeros(num_steps, dtype)
    releases, keys = [], []
    spread = 2 * num_sources - 2
    for k, share in enumerate(period_rows):
        # The source's x-th row may come at the earliest when it is behind by 1/spread, that step counted, and must
        # have come before it is behind by more than 1 - 1/spread. In whole numbers: below 2**48 for 100 sources.
        x = np.arange(share, dtype=np.int64)
        release = -((-(spread * x + 1) * period) // (spread * share))
        deadline = ((spread * (x + 1) - 1) * period) // (spread * share) + 1
        seen = release <= num_steps
        releases.append(release[seen])
        keys.append(deadline[seen] * num_sources + k)
    return (_earliest_deadline_first(np.concatenate(releases), np.concatenate(keys), num_steps) % num_sources).astype(
        dtype
    )


def _earliest_deadline_first(release_J: Ints, key_J: Ints, num_steps: int) -> Ints:
    """The key of the job done at each of steps 1 to `num_steps`: of those released, the one of the least key."""
    keys = key_J[np.argsort(release_J, kind="stable")].tolist()
    released = np.cumsum(np.bincount(release_J, minlength=num_steps + 1)).tolist()
    ready: list[int] = []
    done: list[int] = []
    start = 0
    for stop in released[1 : num_steps + 1]:
        for key in keys[start:stop]:
            heappush(ready, key)
        start = stop
        done.append(heappop(ready))
    return np.array(done, np.int64)


def permute(place_B: Ints, num_B: Ints, seed_B: npt.NDArray[np.uint64]) -> Ints:
    """Where the permutation of [0, num) that `seed` names sends `place`, for each of B; O(1) memory, num up to 2**53.

    A Feistel network over the next power of four, walked along its cycles until it falls below num: J. Black and
    P. Rogaway, Ciphers with arbitrary finite domains, CT-RSA 2002.
    """
    # Half the bits of the network: the least h with 4**h >= num. frexp's exponent of a whole number is its bit length.
    half_B = np.maximum((np.frexp((num_B - 1).astype(np.float64))[1] + 1) // 2, 1).astype(np.uint64)
    moved_B = place_B.astype(np.uint64)
    walking = np.arange(len(moved_B))
    while len(walking):
        stepped = _feistel(moved_B[walking], half_B[walking], seed_B[walking])
        moved_B[walking] = stepped
        walking = walking[stepped >= num_B[walking].astype(np.uint64)]
    return moved_B.astype(np.int64)


def _feistel(
    value_B: npt.NDArray[np.uint64], half_B: npt.NDArray[np.uint64], seed_B: npt.NDArray[np.uint64]
) -> npt.NDArray[np.uint64]:
    left_B, right_B = value_B >> half_B, value_B & ((np.uint64(1) << half_B) - np.uint64(1))
    for key in range(1, _ROUNDS + 1):
        mixed_B = _mix(_mix(seed_B + np.uint64(key)) ^ right_B) >> (np.uint64(64) - half_B)
        left_B, right_B = right_B, left_B ^ mixed_B
    return (left_B << half_B) | right_B


def _mix(word_B: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64: G. Steele, D. Lea and C. Flood, Fast splittable pseudorandom number generators, OOPSLA 2014."""
    word_B = word_B + np.uint64(0x9E3779B97F4A7C15)
    word_B = (word_B ^ (word_B >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word_B = (word_B ^ (word_B >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word_B ^ (word_B >> np.uint64(31))
