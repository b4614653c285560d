from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.digest import seed_for
from domainlm.mix.order import locate, order, permute, rows_before, schedule

SHARES = st.lists(st.one_of(st.just(1), st.integers(1, 9), st.integers(1, 400)), min_size=1, max_size=50)


def worst_error_in_parts(shares: list[int], sources: np.ndarray) -> int:
    """The largest deviation of any source from its share at any prefix, in rows times the period: whole, so exact."""
    steps = np.arange(1, len(sources) + 1)
    return max(
        int(np.abs(np.cumsum(sources == k) * sum(shares) - steps * share).max()) for k, share in enumerate(shares)
    )


@settings(deadline=None)
@given(SHARES)
def test_at_every_prefix_each_source_is_within_tijdemans_bound_of_its_share(shares):
    sources = schedule(shares, sum(shares))
    spread = max(2 * len(shares) - 2, 2)
    assert worst_error_in_parts(shares, sources) * spread <= (spread - 1) * sum(shares)
    assert np.bincount(sources, minlength=len(shares)).tolist() == shares


@settings(deadline=None)
@given(SHARES, st.data())
def test_the_beginning_of_a_schedule_does_not_depend_on_how_much_of_it_is_asked(shares, data):
    num_steps = data.draw(st.integers(1, sum(shares)))
    assert (schedule(shares, num_steps) == schedule(shares, sum(shares))[:num_steps]).all()


def test_fifty_one_to_forty_nine_alternates_but_for_one_pair():
    assert "".join("ab"[source] for source in schedule([51, 49], 100)) == "a" + "ba" * 24 + "ab" * 25 + "a"


def test_a_period_of_a_million_rows_of_fifty_sources_is_as_exact():
    shares = [1000] * 49 + [951_000]
    sources = schedule(shares, 1_000_000)
    assert np.bincount(sources).tolist() == shares
    assert worst_error_in_parts(shares, sources) * 98 <= 97 * 1_000_000


@settings(deadline=None)
@given(st.integers(1, 3000), st.integers(0, 2**63 - 1))
def test_a_permutation_has_each_row_once(num_rows, seed):
    rows = np.arange(num_rows)
    moved = permute(rows, np.full(num_rows, num_rows), np.full(num_rows, seed, np.uint64))
    assert (np.sort(moved) == rows).all()


@settings(deadline=None)
@given(st.integers(1, 10**12), st.integers(0, 2**63 - 1), st.data())
def test_a_permutation_of_any_size_stays_in_range_and_sends_no_two_to_one(num_rows, seed, data):
    places = np.array(data.draw(st.lists(st.integers(0, num_rows - 1), unique=True, max_size=50)), np.int64)
    moved = permute(places, np.full(len(places), num_rows), np.full(len(places), seed, np.uint64))
    assert ((moved >= 0) & (moved < num_rows)).all()
    assert len(set(moved.tolist())) == len(places)


def test_a_permutation_shuffles():
    # Of 100,000 rows, about one stays in place; neighbours land apart; each tenth is spread over all tenths.
    moved = permute(np.arange(100_000), np.full(100_000, 100_000), np.full(100_000, 7, np.uint64))
    assert (moved == np.arange(100_000)).sum() < 10
    assert (np.abs(np.diff(moved)) < 100).mean() < 0.01
    tenths = np.histogram2d(np.arange(100_000), moved, bins=10)[0]
    # 1,000 expected in each; five standard deviations of a fair shuffle are about 150.
    assert np.abs(tenths - 1000).max() < 150


PARTS = st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.integers(1, 20), st.integers(1, 30)), min_size=1)


@settings(deadline=None)
@given(PARTS, st.integers(0, 2**31))
def test_every_row_of_an_epoch_is_drawn_once_before_any_twice(parts, seed):
    num_rows = 200
    drawn = order(
        {name: share for name, (share, _) in parts.items()},
        {name: count for name, (_, count) in parts.items()},
        num_rows=num_rows,
        seed=seed,
    )
    source, place = locate(drawn, np.arange(num_rows))
    for k, name in enumerate(drawn.names):
        mine = place[source == k]
        for start in range(0, len(mine), parts[name][1]):
            epoch = mine[start : start + parts[name][1]]
            assert len(set(epoch.tolist())) == len(epoch)
            assert (epoch < parts[name][1]).all()


@settings(deadline=None)
@given(PARTS, st.integers(0, 500))
def test_any_row_is_found_alone_as_in_a_run_of_all(parts, row):
    drawn = order(
        {name: share for name, (share, _) in parts.items()},
        {name: count for name, (_, count) in parts.items()},
        num_rows=501,
        seed=1,
    )
    source, place = locate(drawn, np.arange(501))
    alone = locate(drawn, np.array([row]))
    assert (int(alone[0][0]), int(alone[1][0])) == (source[row], place[row])
    assert rows_before(drawn, row).tolist() == np.bincount(source[:row], minlength=len(parts)).tolist()


def test_adding_a_source_does_not_reshuffle_the_others():
    def rows_of_law(shares):
        drawn = order(shares, {name: 40 for name in shares}, num_rows=1000, seed=3)
        source, place = locate(drawn, np.arange(1000))
        return place[source == drawn.names.index("law")][:100].tolist()

    assert rows_of_law({"law": 1, "web": 1}) == rows_of_law({"books": 2, "law": 1, "web": 3})


def test_epochs_are_shuffled_each_in_its_own_way():
    drawn = order({"law": 1}, {"law": 50}, num_rows=100, seed=3)
    _, place = locate(drawn, np.arange(100))
    assert place[:50].tolist() != place[50:].tolist()
    wanted = permute(np.arange(50), np.full(50, 50), np.full(50, seed_for(3, "law", "epoch 1"), np.uint64))
    assert place[50:].tolist() == wanted.tolist()


def test_a_row_in_the_trillions_is_found_as_any_other():
    drawn = order({"law": 51, "web": 49}, {"law": 10**9, "web": 10**12}, num_rows=10**13, seed=0)
    source, place = locate(drawn, np.arange(10**12, 10**12 + 100))
    assert np.bincount(source).tolist() == [51, 49]
    assert (place < np.array([10**9, 10**12])[source]).all()
