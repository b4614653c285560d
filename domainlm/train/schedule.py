"""The learning rate of every optimizer step, from the step's number alone."""

from __future__ import annotations

import math

from domainlm.specs.run import ScheduleSpec


def learning_rate(step: int, num_steps: int, schedule: ScheduleSpec) -> float:
    """Learning rate at optimizer step `step`, counted from 0, of `num_steps`.

    Linear (re-)warm-up to `peak`, then cosine to `floor`: arXiv:2403.08763, section 4.1. The first step is already
    warmed by one part, for a step at rate 0 would teach nothing.

    >>> spec = ScheduleSpec(peak=1.0, floor=0.1, warmup_share=0.2)
    >>> [round(learning_rate(step, 10, spec), 3) for step in range(10)]
    [0.5, 1.0, 1.0, 0.966, 0.868, 0.722, 0.55, 0.378, 0.232, 0.134]
    """
    warmup_steps = round(schedule.warmup_share * num_steps)
    if step < warmup_steps:
        return schedule.peak * (step + 1) / warmup_steps
    decayed = (step - warmup_steps) / (num_steps - warmup_steps)
    return schedule.floor + (schedule.peak - schedule.floor) * 0.5 * (1 + math.cos(math.pi * decayed))
