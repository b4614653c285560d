"""Which source row i of a phase is drawn from: computed from i, and at every i each source has had its share.

The bound. With k sources, after every row of a phase each source has had its share to within 1 - 1/(2k - 2) rows, the
least that any schedule can promise (Tijdeman, 1980). So it is where the shares have a common denominator of at most
MAX_TABLE, as 51% and 49% have, and in any phase of at most MAX_TABLE rows. Longer phases of other shares are drawn from
two tables, and the bound is three rows, however long the phase is.
"""

# B rows asked for, K sources, P rows of a table, J jobs: one for each row of a source

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from heapq import heappop, heappush

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

MAX_TABLE = 250_000
"""Rows of the longest table: 0.1 to 0.2 CPU-seconds."""
GRID = 10**9
"""Shares without a small common denominator are told to a billionth: one row in a billion."""
_CYCLE = 100_000
"""Rows after which the first of two tables begins anew; the second holds what is left over of the shares."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Table:
    """A schedule that begins anew after its last row."""

    parts_K: Ints
    """Rows of each source in a period."""
    source_P: npt.NDArray[np.unsignedinteger]
    rank_P: npt.NDArray[np.int32]
    """How many rows of the same source precede it in the table."""
    place_P: Ints
    """k * P + p for each row p of each source k, sorted: how many precede a row is a search."""

    def at(self, row_B: Ints) -> tuple[Ints, Ints]:
        """Source of each row, and how many rows of that source come before it; (B,)."""
        cycle_B, step_B = np.divmod(row_B, len(self.source_P))
        source_B = self.source_P[step_B].astype(np.int64)
        return source_B, cycle_B * self.parts_K[source_B] + self.rank_P[step_B]

    def before(self, source_B: Ints, row_B: Ints) -> Ints:
        """How many rows of `source_B` come before `row_B`; (B,)."""
        period = len(self.source_P)
        cycle_B, step_B = np.divmod(row_B, period)
        first_B = np.searchsorted(self.place_P, source_B * period)
        return cycle_B * self.parts_K[source_B] + np.searchsorted(self.place_P, source_B * period + step_B) - first_B


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Schedule:
    """The sources of a phase's rows, in order."""

    table: Table
    rest: Table | None
    """Who has the rows that `table` gives to source K, which is no source: the shares' remainders."""
    num_sources: int

    def at(self, row_B: Ints) -> tuple[Ints, Ints]:
        """Source of each row, and how many rows of that source come before it in the phase; both int64, (B,)."""
        source_B, drawn_B = self.table.at(row_B)
        if self.rest is None:
            return source_B, drawn_B
        spare_B = source_B == self.num_sources
        own, spare = np.flatnonzero(~spare_B), np.flatnonzero(spare_B)
        spares_before = self.table.before(np.full(len(own), self.num_sources), row_B[own])
        drawn_B[own] += self.rest.before(source_B[own], spares_before)
        source_B[spare], of_rest = self.rest.at(drawn_B[spare])
        drawn_B[spare] = of_rest + self.table.before(source_B[spare], row_B[spare])
        return source_B, drawn_B

    def before(self, row: int) -> Ints:
        """How many of the first `row` rows are drawn from each source, (K,)."""
        sources_K = np.arange(self.num_sources)
        counts_K = self.table.before(sources_K, np.full(self.num_sources, row))
        if self.rest is not None:
            (spares,) = self.table.before(np.array([self.num_sources]), np.array([row]))
            counts_K += self.rest.before(sources_K, np.full(self.num_sources, spares))
        return counts_K


def schedule(parts: Sequence[int], *, num_rows: int) -> Schedule:
    """The schedule of a phase of `num_rows` rows in which source k has `parts[k]` of `sum(parts)`."""
    # A phase longer than a table is the same for any length: planned, told of and read, it is made once.
    return _schedule(tuple(parts), min(num_rows, MAX_TABLE + 1))


@functools.lru_cache(maxsize=16)
def _schedule(parts: tuple[int, ...], num_rows: int) -> Schedule:
    whole = sum(parts)
    if whole <= MAX_TABLE or num_rows <= MAX_TABLE:
        # One row more than are drawn, so that a table that is cut short never begins anew.
        return Schedule(table=_table(parts, min(whole, num_rows + 1)), rest=None, num_sources=len(parts))
    assert whole == GRID
    # In rows of a cycle: what is whole of each share, and the remainders, which make whole rows together.
    unit = GRID // _CYCLE
    remainders = [part % unit for part in parts]
    first = _table([*(part // unit for part in parts), sum(remainders) // unit], _CYCLE)
    rest = _table(remainders, sum(remainders)) if any(remainders) else None
    return Schedule(table=first, rest=rest, num_sources=len(parts))


def bound(num_sources: int, whole: int, num_rows: int) -> float:
    """The most rows by which a source can be off its share of a phase, at any of its rows.

    >>> bound(2, 100, 10**9), bound(3, 10**9, 10**9)
    (0.5, 3.0)
    """
    if num_sources == 1:
        return 0.0
    return 1 - 1 / (2 * num_sources - 2) if whole <= MAX_TABLE or num_rows <= MAX_TABLE else 3.0


def _table(parts: Sequence[int], num_steps: int) -> Table:
    source_P = chairmen(parts, num_steps)
    # The rank of a step among its source's: a stable sort by source puts each source's steps side by side.
    by_source = np.argsort(source_P, kind="stable")
    counts_K = np.bincount(source_P, minlength=len(parts))
    rank_P = np.empty(num_steps, np.int32)
    rank_P[by_source] = np.arange(num_steps) - np.repeat(np.cumsum(counts_K) - counts_K, counts_K)
    place_P = source_P[by_source].astype(np.int64) * num_steps + by_source
    return Table(parts_K=np.array(parts, np.int64), source_P=source_P, rank_P=rank_P, place_P=place_P)


def chairmen(parts: Sequence[int], num_steps: int) -> npt.NDArray[np.unsignedinteger]:
    """The source of each of a period's first `num_steps` steps, (num_steps,); source k has `parts[k]` of `sum(parts)`.

    Source: R. Tijdeman, The chairman assignment problem, Discrete Mathematics 32 (1980), 323-330. His rule, earliest
    deadline first, is done here on whole steps with a heap: 10^6 in 0.4 to 0.7 CPU-seconds for up to fifty sources.

    >>> chairmen([3, 1], 4).tolist()
    [0, 0, 1, 0]
    """
    present = [k for k, part in enumerate(parts) if part > 0]
    period = sum(parts)
    dtype = np.uint8 if len(parts) <= 256 else np.uint16
    if len(present) == 1:
        return np.full(num_steps, present[0], dtype)
    releases, keys = [], []
    spread = 2 * len(present) - 2
    for k in present:
        # The source's x-th row may come at the earliest when it is behind by 1/spread, that step counted, and must
        # have come before it is behind by more than 1 - 1/spread. In whole numbers: below 2**59 for 1,000 sources.
        x = np.arange(min(parts[k], parts[k] * num_steps // period + 2), dtype=np.int64)
        release = -((-(spread * x + 1) * period) // (spread * parts[k]))
        deadline = ((spread * (x + 1) - 1) * period) // (spread * parts[k]) + 1
        seen = release <= num_steps
        releases.append(release[seen])
        keys.append(deadline[seen] * len(parts) + k)
    done = _earliest_deadline_first(np.concatenate(releases), np.concatenate(keys), num_steps)
    return (done % len(parts)).astype(dtype)


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


def whole_shares(shares: Mapping[str, Mapping[str, Fraction]]) -> dict[str, int]:
    """Shares by domain and source, which sum to 1, as whole parts: exact where a denominator of MAX_TABLE allows it.

    If not, parts of a billion: domains exact where their ratios are (nine decimals), and largest remainder inside. A
    source whose share is below a billionth may end without one.

    >>> whole_shares({"law": {"law/a": Fraction(51, 100)}, "general": {"general/b": Fraction(49, 100)}})
    {'law/a': 51, 'general/b': 49}
    """
    flat = {name: share for sources in shares.values() for name, share in sources.items() if share}
    exact = math.lcm(*(share.denominator for share in flat.values()))
    if exact <= MAX_TABLE:
        return {name: int(share * exact) for name, share in flat.items()}
    of_domains = largest_remainder({domain: sum(of.values(), Fraction()) for domain, of in shares.items()}, GRID)
    whole: dict[str, int] = {}
    for domain, sources in shares.items():
        total = sum(sources.values(), Fraction())
        inside = {name: share / total for name, share in sources.items() if share}
        whole |= largest_remainder(inside, of_domains[domain]) if total else {}
    return {name: parts for name, parts in whole.items() if parts}


def largest_remainder(shares: Mapping[str, Fraction], total: int) -> dict[str, int]:
    """`total` in whole parts as near to `shares`, which sum to 1, as can be: no row is lost to rounding."""
    parts = {name: math.floor(share * total) for name, share in shares.items()}
    missing = total - sum(parts.values())
    for name in sorted(shares, key=lambda name: (parts[name] - shares[name] * total, name))[:missing]:
        parts[name] += 1
    return parts
