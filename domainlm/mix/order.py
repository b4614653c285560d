"""Which row of which source is row i of a mix: computed from i, with no table as long as the corpus.

Two parts, both without state. The schedule of each phase says which source row i is drawn from; a permutation of each
source's rows, another one for each epoch, says which of its rows that is. Epochs run on from phase to phase.
"""

# B rows asked for, K sources

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from domainlm.digest import seed_for
from domainlm.mix.schedule import Ints, Schedule, schedule

_ROUNDS = 8
"""Feistel rounds. Four suffice with ideal round functions (Luby and Rackoff, 1988); ours are not ideal: a guess."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PhaseOrder:
    """The rows of one phase."""

    first_row: int
    schedule: Schedule
    sources: Ints
    """Index into `Order.names` of each of the schedule's sources."""
    drawn_before_K: Ints
    """Rows of each of `Order.names` that the phases before have drawn."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Order:
    """The tables behind `locate`."""

    names: tuple[str, ...]
    rows_on_disk_K: Ints
    phases: tuple[PhaseOrder, ...]
    num_rows: int
    seed: int


def order(phases: Sequence[tuple[int, Mapping[str, int]]], rows_on_disk: Mapping[str, int], *, seed: int) -> Order:
    """The order of a mix whose phases are (rows, whole parts by source); epochs are of `rows_on_disk` rows."""
    names = tuple(rows_on_disk)
    index = {name: k for k, name in enumerate(names)}
    made: list[PhaseOrder] = []
    first_row, drawn_K = 0, np.zeros(len(names), np.int64)
    for num_rows, parts in phases:
        sources = np.array([index[name] for name in parts], np.int64)
        plan = schedule(list(parts.values()), num_rows=num_rows)
        made.append(PhaseOrder(first_row=first_row, schedule=plan, sources=sources, drawn_before_K=drawn_K))
        first_row += num_rows
        drawn_K = drawn_K.copy()
        drawn_K[sources] += plan.before(num_rows)
    return Order(
        names=names,
        rows_on_disk_K=np.array([rows_on_disk[name] for name in names], np.int64),
        phases=tuple(made),
        num_rows=first_row,
        seed=seed,
    )


def locate(order: Order, row_B: Ints) -> tuple[Ints, Ints]:
    """Source (index into `order.names`) and row in that source's stream of the mix's rows `row_B`; both int64, (B,).

    Every row of a source is drawn once before any is drawn twice, and what is drawn does not depend on other sources.
    """
    source_B, drawn_B = draws(order, row_B)
    num_B = order.rows_on_disk_K[source_B]
    epoch_B, place_B = np.divmod(drawn_B, num_B)
    # One seed for each source and epoch that there is, and not for each row.
    pair_B = source_B * (int(epoch_B.max(initial=0)) + 1) + epoch_B
    _, first, pair_B = np.unique(pair_B, return_index=True, return_inverse=True)
    pairs = zip(source_B[first].tolist(), epoch_B[first].tolist(), strict=True)
    seeds = np.array([_epoch_seed(order.seed, order.names[k], epoch) for k, epoch in pairs], np.uint64)
    return source_B, permute(place_B, num_B, seeds[pair_B])


def draws(order: Order, row_B: Ints) -> tuple[Ints, Ints]:
    """Source of the mix's rows `row_B`, and how many rows of that source come before each; both int64, (B,)."""
    source_B, drawn_B = np.empty_like(row_B), np.empty_like(row_B)
    phase_B = np.searchsorted([phase.first_row for phase in order.phases], row_B, side="right") - 1
    for number in np.unique(phase_B):
        phase, at = order.phases[number], phase_B == number
        of_phase, drawn = phase.schedule.at(row_B[at] - phase.first_row)
        source_B[at] = phase.sources[of_phase]
        drawn_B[at] = drawn + phase.drawn_before_K[source_B[at]]
    return source_B, drawn_B


def rows_before(order: Order, row: int) -> Ints:
    """How many of the mix's first `row` rows are drawn from each source, (K,)."""
    phase = next(phase for phase in reversed(order.phases) if phase.first_row <= row)
    counts_K = phase.drawn_before_K.copy()
    counts_K[phase.sources] += phase.schedule.before(row - phase.first_row)
    return counts_K


@functools.lru_cache(maxsize=65536)
def _epoch_seed(seed: int, name: str, epoch: int) -> int:
    return seed_for(seed, name, f"epoch {epoch}")


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
