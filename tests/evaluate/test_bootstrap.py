from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.evaluate.bootstrap import holm, interval, paired_interval, sign_flip_p_value


def test_pairing_sees_what_two_intervals_hide() -> None:
    """Documents differ by 1 bit per byte, the models by 0.01: found by pairing, lost in far wider intervals."""
    random = np.random.default_rng(0)
    num_bytes = random.uniform(500, 5000, 120)
    base = random.normal(3, 1, 120) * num_bytes
    adapted = base + random.normal(0.01, 0.02, 120) * num_bytes
    left = interval(base, num_bytes, 1000, seed=1)
    right = interval(adapted, num_bytes, 1000, seed=1)
    assert left[0] < right[0] < left[1]
    low, high = paired_interval(base, adapted, num_bytes, 1000, seed=1)
    assert 0 < low < 0.01 < high < 0.02
    assert sign_flip_p_value(adapted - base, 3000, seed=1) < 0.001


def test_a_handful_of_items_cannot_become_significant() -> None:
    """Three documents that all agree are a coincidence in one of four cases, whatever the bootstrap says."""
    assert sign_flip_p_value(np.array([1.0, 1.1, 0.9]), 10_000, seed=0) == pytest.approx(0.25, abs=0.02)


def test_p_values_of_no_difference_are_uniform() -> None:
    random = np.random.default_rng(0)
    p_values = [sign_flip_p_value(random.normal(0, 1, 30), 400, seed=i) for i in range(400)]
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.033)  # three standard errors
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.044)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(0)
    hits = 0
    for seed in range(300):
        points = random.binomial(1, 0.4, 150).astype(float)
        low, high = interval(points, np.ones(150), 300, seed)
        hits += low <= 0.4 <= high
    assert hits / 300 == pytest.approx(0.95, abs=0.04)


def test_the_same_seed_gives_the_same_figures() -> None:
    random = np.random.default_rng(0)
    values = random.normal(0, 1, 50)
    first = sign_flip_p_value(values, 100, seed=3), interval(values, np.ones(50), 100, seed=3)
    again = sign_flip_p_value(values, 100, seed=3), interval(values, np.ones(50), 100, seed=3)
    assert first == again


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_keeps_the_order_and_lies_between_the_raw_and_bonferroni(p_values: list[float]) -> None:
    corrected = holm(p_values)
    for raw, p_holm in zip(p_values, corrected, strict=True):
        assert raw <= p_holm <= 1
        assert p_holm <= max(min(1.0, other * len(p_values)) for other in p_values if other <= raw)
    order = np.argsort(p_values, kind="stable")
    assert all(corrected[a] <= corrected[b] for a, b in itertools.pairwise(order))
