from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.mix import schedule as module
from domainlm.mix.schedule import GRID, MAX_TABLE, bound, chairmen, largest_remainder, schedule, whole_shares

SHARES = st.lists(st.one_of(st.just(1), st.integers(1, 9), st.integers(1, 400)), min_size=1, max_size=50)


def worst_error_in_parts(parts: list[int], sources: np.ndarray) -> int:
    """The largest deviation of any source from its share at any prefix, in rows times the whole: whole, so exact."""
    steps = np.arange(1, len(sources) + 1)
    return max(int(np.abs(np.cumsum(sources == k) * sum(parts) - steps * part).max()) for k, part in enumerate(parts))


@settings(deadline=None)
@given(SHARES)
def test_at_every_prefix_each_source_is_within_tijdemans_bound_of_its_share(shares):
    sources = chairmen(shares, sum(shares))
    spread = max(2 * len(shares) - 2, 2)
    assert worst_error_in_parts(shares, sources) * spread <= (spread - 1) * sum(shares)
    assert np.bincount(sources, minlength=len(shares)).tolist() == shares


@settings(deadline=None)
@given(SHARES, st.data())
def test_the_beginning_of_a_schedule_does_not_depend_on_how_much_of_it_is_asked(shares, data):
    num_steps = data.draw(st.integers(1, sum(shares)))
    assert (chairmen(shares, num_steps) == chairmen(shares, sum(shares))[:num_steps]).all()


def parts_of(weights: list[float]) -> list[int]:
    """Weights as parts of a billion."""
    total = sum(map(Fraction, weights))
    whole = largest_remainder({f"{k:02}": Fraction(weight) / total for k, weight in enumerate(weights)}, GRID)
    return list(whole.values())


WEIGHTS = st.lists(st.floats(1e-4, 1, allow_subnormal=False), min_size=2, max_size=50)


@settings(deadline=None, max_examples=30)
@given(WEIGHTS, st.integers(1, 20_000))
def test_any_ratios_are_held_within_a_row_at_every_prefix_of_a_phase_that_one_table_holds(weights, num_rows):
    parts = parts_of(weights)
    rows = np.arange(num_rows)
    sources, drawn = schedule(parts, num_rows=num_rows).at(rows)
    most = bound(len(parts), GRID, num_rows)
    assert most < 1
    assert worst_error_in_parts(parts, sources) <= most * GRID * (1 + 1e-12)
    for k in range(len(parts)):
        assert (drawn[sources == k] == np.arange((sources == k).sum())).all()


@settings(deadline=None, max_examples=15)
@given(WEIGHTS, st.integers(0, GRID // 100_000 - 1))
def test_a_long_phase_of_any_ratios_stays_within_three_rows_wherever_it_is_looked_at(weights, cycle):
    parts = parts_of(weights)
    plan = schedule(parts, num_rows=10**12)
    first = cycle * 100_000 + 60_000
    sources, drawn = plan.at(np.arange(first, first + 80_000))
    before = plan.before(first)
    assert before.sum() == first
    steps = np.arange(first + 1, first + 80_001)
    for k, part in enumerate(parts):
        counts = before[k] + np.cumsum(sources == k)
        assert np.abs(counts * GRID - steps * part).max() <= bound(len(parts), GRID, 10**12) * GRID
        assert (drawn[sources == k] == before[k] + np.arange((sources == k).sum())).all()


def test_a_long_phase_does_not_drift():
    parts = parts_of([0.1234567891, 0.3, 0.5765432109])
    counts = schedule(parts, num_rows=10**12).before(10**11)
    assert np.abs(counts - np.array(parts) * (10**11 // GRID)).max() <= 3


def test_fifty_one_to_forty_nine_alternates_but_for_one_pair():
    assert "".join("ab"[source] for source in chairmen([51, 49], 100)) == "a" + "ba" * 24 + "ab" * 25 + "a"


def test_the_largest_table_of_fifty_sources_is_as_exact():
    shares = [1000] * 49 + [MAX_TABLE - 49_000]
    sources = chairmen(shares, MAX_TABLE)
    assert np.bincount(sources).tolist() == shares
    assert worst_error_in_parts(shares, sources) * 98 <= 97 * MAX_TABLE


def test_the_two_tables_together_are_as_long_as_the_grid():
    assert GRID % module._CYCLE == 0


SOURCES = st.dictionaries(
    st.sampled_from("abcd"), st.lists(st.integers(1, 10**9), min_size=1, max_size=12), min_size=1, max_size=4
)


@settings(deadline=None)
@given(SOURCES, st.data())
def test_whole_shares_give_each_domain_its_ratio_exactly(sources, data):
    # Ratios with up to nine decimals are whole parts of a billion.
    parts = data.draw(st.fixed_dictionaries({domain: st.integers(1, 10**6) for domain in sources}))
    ratio = {domain: Fraction(part, 2 * 10**9) for domain, part in parts.items()}
    first = min(ratio)
    ratio[first] = 1 - sum((share for domain, share in ratio.items() if domain != first), Fraction())
    ratio = {domain: Fraction(round(share * GRID), GRID) for domain, share in ratio.items()}
    ratio[first] = 1 - sum((share for domain, share in ratio.items() if domain != first), Fraction())
    shares = {
        domain: {f"{domain}/{i}": ratio[domain] * rows / sum(counts) for i, rows in enumerate(counts)}
        for domain, counts in sources.items()
    }
    whole = whole_shares(shares)
    total = sum(whole.values())
    assert total == GRID or total <= MAX_TABLE
    for domain, inside in shares.items():
        rows = [whole.get(name, 0) for name in inside]
        assert Fraction(sum(rows), total) == ratio[domain]
        assert all(abs(n - share * total) < 1 for n, share in zip(rows, inside.values(), strict=True))
