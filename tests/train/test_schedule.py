from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.specs.run import ScheduleSpec
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
