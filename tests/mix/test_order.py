from __future__ import annotations

import tracemalloc

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.digest import seed_for
from domainlm.mix.order import locate, order, permute, rows_before


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
PHASES = st.lists(st.tuples(st.integers(1, 120), PARTS), min_size=1, max_size=3)


def order_of(phases, on_disk=30, seed=1):
    """An order whose phases are (rows, {source: (part, _)})."""
    names = sorted({name for _, parts in phases for name in parts})
    return order(
        [(rows, {name: part for name, (part, _) in parts.items()}) for rows, parts in phases],
        {name: on_disk if isinstance(on_disk, int) else on_disk[name] for name in names},
        seed=seed,
    )


@settings(deadline=None)
@given(PHASES, st.integers(0, 2**31))
def test_every_row_of_an_epoch_is_drawn_once_before_any_twice_also_across_phases(phases, seed):
    on_disk = {name: count for _, parts in phases for name, (_, count) in parts.items()}
    drawn = order_of(phases, on_disk, seed)
    source, place = locate(drawn, np.arange(drawn.num_rows))
    for k, name in enumerate(drawn.names):
        mine = place[source == k]
        for start in range(0, len(mine), on_disk[name]):
            epoch = mine[start : start + on_disk[name]]
            assert len(set(epoch.tolist())) == len(epoch)
            assert (epoch < on_disk[name]).all()


@settings(deadline=None)
@given(PHASES, st.data())
def test_any_row_is_found_alone_as_in_a_run_of_all(phases, data):
    drawn = order_of(phases)
    row = data.draw(st.integers(0, drawn.num_rows - 1))
    source, place = locate(drawn, np.arange(drawn.num_rows))
    alone = locate(drawn, np.array([row]))
    assert (int(alone[0][0]), int(alone[1][0])) == (source[row], place[row])
    assert rows_before(drawn, row).tolist() == np.bincount(source[:row], minlength=len(drawn.names)).tolist()


@settings(deadline=None)
@given(PHASES)
def test_each_phase_has_its_own_shares(phases):
    drawn = order_of(phases)
    first = 0
    for rows, parts in phases:
        source, _ = locate(drawn, np.arange(first, first + rows))
        whole = sum(part for part, _ in parts.values())
        for k, name in enumerate(drawn.names):
            assert abs((source == k).sum() - rows * parts.get(name, (0, 0))[0] / whole) < 1
        first += rows


def test_adding_a_source_does_not_reshuffle_the_others():
    def rows_of_law(shares):
        drawn = order([(1000, shares)], {name: 40 for name in shares}, seed=3)
        source, place = locate(drawn, np.arange(1000))
        return place[source == drawn.names.index("law")][:100].tolist()

    assert rows_of_law({"law": 1, "web": 1}) == rows_of_law({"books": 2, "law": 1, "web": 3})


def test_epochs_are_shuffled_each_in_its_own_way():
    drawn = order([(100, {"law": 1})], {"law": 50}, seed=3)
    _, place = locate(drawn, np.arange(100))
    assert place[:50].tolist() != place[50:].tolist()
    wanted = permute(np.arange(50), np.full(50, 50), np.full(50, seed_for(3, "law", "epoch 1"), np.uint64))
    assert place[50:].tolist() == wanted.tolist()


def test_a_row_in_the_trillions_is_found_as_any_other_and_needs_no_more_memory():
    tracemalloc.start()
    drawn = order([(10**13, {"law": 51, "web": 49})], {"law": 10**9, "web": 10**12}, seed=0)
    source, place = locate(drawn, np.arange(10**12, 10**12 + 100))
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    assert np.bincount(source).tolist() == [51, 49]
    assert (place < np.array([10**9, 10**12])[source]).all()
