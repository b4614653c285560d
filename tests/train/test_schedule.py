from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.specs.recipe import ScheduleSpec
from domainlm.train.schedule import learning_rate


def test_warms_up_in_a_line_then_falls_by_the_cosine_of_the_paper():
    spec = ScheduleSpec(peak=4e-4, floor=4e-5, warmup_share=0.1)
    rates = [learning_rate(step, 100, spec) for step in range(100)]
    assert rates[:10] == pytest.approx([4e-5 * n for n in range(1, 11)])
    assert rates[10] == 4e-4
    # Half-way through the 90 steps of decay the cosine is 0: the mean of peak and floor.
    assert rates[55] == pytest.approx(2.2e-4)
    assert rates[99] == pytest.approx(4e-5 + 1.8e-4 * (1 + math.cos(math.pi * 89 / 90)))


@given(st.integers(1, 500), st.floats(0, 1), st.floats(0, 1))
def test_stays_between_nothing_and_the_peak_and_never_rises_after_the_warm_up(num_steps, warmup_share, floor):
    spec = ScheduleSpec(peak=1.0, floor=floor, warmup_share=warmup_share)
    rates = [learning_rate(step, num_steps, spec) for step in range(num_steps)]
    assert all(0 < rate <= 1.0 or rate == floor for rate in rates)
    decay = rates[round(warmup_share * num_steps) :]
    assert all(later <= earlier for earlier, later in pairwise(decay))


def rates(num_steps: int = 100, **fields: object) -> list[float]:
    spec = ScheduleSpec.model_validate({"peak": 1.0} | fields)
    return [learning_rate(step, num_steps, spec) for step in range(num_steps)]


def test_wsd_stays_at_its_peak_and_then_falls_by_one_minus_the_root_of_the_paper():
    found = rates(shape="wsd", warmup_steps=10, decay_share=0.2, floor=0.1)
    assert found[9:81] == [1.0] * 72
    # Half-way down: 1 - sqrt(1/2) of the way from the floor.
    assert found[90] == pytest.approx(0.1 + 0.9 * (1 - math.sqrt(0.5)))
    assert found[99] == pytest.approx(0.1 + 0.9 * (1 - math.sqrt(0.95)))


def test_an_infinite_schedule_cools_to_its_plateau_stays_and_anneals_exponentially():
    found = rates(shape="infinite", warmup_share=0.1, cooldown_share=0.2, decay_share=0.2, plateau=0.4, floor=0.04)
    assert found[10] == 1.0
    assert found[20] == pytest.approx(0.7)  # the cosine's middle
    assert found[30:81] == pytest.approx([0.4] * 51)
    assert found[90] == pytest.approx(0.4 * math.sqrt(0.1))


def test_an_infinite_schedule_is_the_same_until_it_decays_however_long_it_goes_on():
    steps = {"warmup_steps": 10, "shape": "infinite", "plateau": 0.4, "floor": 0.04}
    short = rates(100, cooldown_share=0.2, decay_share=0.2, **steps)
    long = rates(1000, cooldown_share=0.02, decay_share=0.2, **steps)
    assert short[:80] == pytest.approx(long[:80])


def test_a_constant_rate_is_warmed_up_and_lasts():
    assert rates(10, shape="constant", warmup_steps=2) == [0.5] + [1.0] * 9


@pytest.mark.parametrize("shape", ["cosine", "wsd", "infinite"])
@given(num_steps=st.integers(1, 300), warmup_steps=st.integers(0, 400))
def test_no_shape_leaves_the_way_from_the_floor_to_the_peak(shape, num_steps, warmup_steps):
    fields = {"plateau": 0.5} if shape == "infinite" else {}
    found = rates(num_steps, shape=shape, warmup_steps=warmup_steps, floor=0.01, **fields)
    assert all(0 < rate <= 1.0 for rate in found)
    decay = found[min(warmup_steps, num_steps) :]
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(decay))
