"""The learning rate of every optimizer step, from the step's number alone."""

from __future__ import annotations

import math

from domainlm.specs.recipe import ScheduleSpec


def learning_rate(step: int, num_steps: int, schedule: ScheduleSpec) -> float:
    """Learning rate at optimizer step `step`, counted from 0, of `num_steps`.

    Linear (re-)warm-up to `peak`, then by `shape`: `cosine` (arXiv:2403.08763, section 4.1) and `infinite` (section
    7.4), `wsd` with the decay of 1 - sqrt (arXiv:2405.18392, section 3), `constant`. The first step is already warmed
    by one part, for a step at rate 0 would teach nothing.

    >>> spec = ScheduleSpec(peak=1.0, floor=0.1, warmup_share=0.2)
    >>> [round(learning_rate(step, 10, spec), 3) for step in range(10)]
    [0.5, 1.0, 1.0, 0.966, 0.868, 0.722, 0.55, 0.378, 0.232, 0.134]
    >>> spec = ScheduleSpec(shape="wsd", peak=1.0, warmup_steps=2, decay_share=0.4)
    >>> [round(learning_rate(step, 10, spec), 3) for step in range(10)]
    [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.293, 0.134]
    """
    peak, floor, warmup_steps = schedule.peak, schedule.floor, schedule.num_warmup_steps(num_steps)
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    if schedule.shape == "constant":
        return peak
    if schedule.shape == "cosine":
        return _cosine((step - warmup_steps) / (num_steps - warmup_steps), peak, floor)
    decay_steps = round(schedule.decay_share * num_steps)
    decayed = (step - (num_steps - decay_steps)) / decay_steps if decay_steps else 0.0
    if schedule.shape == "wsd":
        return floor + (peak - floor) * (1 - math.sqrt(max(decayed, 0.0)))
    assert schedule.plateau is not None
    if decayed > 0:
        return schedule.plateau * (floor / schedule.plateau) ** decayed
    cooldown_steps = round(schedule.cooldown_share * num_steps)
    cooled = (step - warmup_steps) / cooldown_steps if cooldown_steps else 1.0
    return _cosine(min(cooled, 1.0), peak, schedule.plateau)


def _cosine(share: float, high: float, low: float) -> float:
    return low + (high - low) * 0.5 * (1 + math.cos(math.pi * share))
