from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from domainlm.errors import StageError
from domainlm.train.metrics import METRICS_NAME, MetricsLog, StepMetrics, peak_flops, read


def step_of(step: int) -> StepMetrics:
    sources = {"law/acts": step, "general/web": 3 * step}
    return StepMetrics(
        step=step, row=4 * step, tokens=64 * step, loss=1 / step, grad_norm=1.0, learning_rate=1e-3, sources=sources
    )


def log_of(folder: Path, step: int = 0) -> MetricsLog:
    return MetricsLog(folder, name="tiny", step=step, num_steps=10, flops_per_token=100, peak_flops=1e9)


def test_lines_after_the_checkpoint_are_cut_even_where_the_last_one_is_half(tmp_path: Path):
    log = log_of(tmp_path)
    for step in range(1, 6):
        log.write(step_of(step))
    path = tmp_path / METRICS_NAME
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    resumed = log_of(tmp_path, step=3)
    assert resumed.last == step_of(3)
    for step in (4, 5):
        resumed.write(step_of(step))
    assert path.read_bytes() == whole
    assert read(path) == [step_of(step) for step in range(1, 6)]


def test_metrics_that_end_before_the_checkpoint_are_refused(tmp_path: Path):
    log_of(tmp_path).write(step_of(1))
    with pytest.raises(StageError, match="ends before the checkpoint's step 2"):
        log_of(tmp_path, step=2)


def test_progress_carries_loss_shares_and_time_left(tmp_path: Path, heard):
    log_of(tmp_path).write(step_of(1))
    (told,) = heard
    assert (told.label, told.done, told.total, told.unit) == ("train: tiny", 1, 10, "steps")
    assert told.figures["loss"] == 1.0
    assert told.figures["law"] == "25.0%"
    assert told.figures["eta_s"] == pytest.approx(9 * 64 / told.figures["tokens/s"], rel=0.1)
    assert told.figures["mfu"] == pytest.approx(told.figures["tokens/s"] * 100 / 1e9)


def test_a_cpu_s_peak_is_measured():
    one = peak_flops(torch.device("cpu"), "fp32", 1)
    assert math.isfinite(one)
    assert one > 1e8
