"""Steps that are not taken, and what becomes of a training that cannot take them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from domainlm.errors import StageError
from domainlm.specs.recipe import GuardSpec
from domainlm.train import guard as guards
from domainlm.train import loop, metrics
from domainlm.train.guard import Guard
from domainlm.train.parallel import Place

from .conftest import BATCH_ROWS, RECIPE, ConfigOf
from .poison import poison


def usual(spec: GuardSpec, steps: int = 64) -> Guard:
    guard, rng = Guard(spec, {}), np.random.default_rng(0)
    for _ in range(steps):
        assert guard.refuses(3 + 0.1 * rng.standard_normal(), math.exp(0.1 * rng.standard_normal())) == ""
    return guard


def test_what_is_not_finite_is_refused_and_not_remembered():
    guard = usual(GuardSpec(max_skips=2))
    before = guard.state
    assert guard.refuses(math.nan, 1.0) == "the loss is nan"
    assert not guard.goes_back
    assert guard.refuses(3.0, math.inf) == "the gradient's norm is inf"
    assert guard.goes_back
    assert guard.state == before | {"num_skipped": 2}


def test_a_loss_or_a_gradient_far_over_the_usual_is_refused_and_a_low_one_is_not():
    guard = usual(GuardSpec(sigmas=8.0))
    assert "standard deviations over the last" in guard.refuses(5.0, 1.0)
    assert "logarithm of the gradient's norm" in guard.refuses(3.0, 20.0)
    assert guard.refuses(1.0, 0.05) == ""


def test_without_sigmas_or_before_anything_is_usual_all_that_is_finite_is_taken():
    assert usual(GuardSpec(sigmas=None)).refuses(1e6, 1e6) == ""
    assert usual(GuardSpec(), steps=8).refuses(1e6, 1e6) == ""


def test_a_guard_goes_on_from_its_history():
    guard = usual(GuardSpec())
    again = Guard(GuardSpec(), guard.state)
    assert again.refuses(5.0, 1.0) == guard.refuses(5.0, 1.0) != ""


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch):
    """A function that makes some rows end in a loss that is not finite."""
    return lambda rows: poison(rows, monkeypatch.setattr)


def lines(folder: Path) -> list[metrics.StepMetrics]:
    return metrics.read(folder / metrics.METRICS_NAME)


def test_a_bad_batch_is_skipped_by_name_and_training_goes_on(poisoned, alone: Place, config_of: ConfigOf, tmp_path):
    poisoned(range(3 * BATCH_ROWS + 4, 3 * BATCH_ROWS + 5))
    assert loop.train(config_of(tmp_path, num_steps=8), alone, [])
    found = lines(tmp_path)
    assert [line.step for line in found if line.skipped] == [4]
    assert found[3].skipped == "the loss is nan, on rows 28 to 29"
    assert found[3].loss is None
    assert all(math.isfinite(line.loss) for line in found if not line.skipped)
    assert [line.row for line in found] == [8 * n for n in range(1, 9)]


def test_after_three_bad_batches_it_goes_back_to_the_checkpoint_and_passes_the_rows_by(
    poisoned, alone: Place, config_of: ConfigOf, tmp_path
):
    poisoned(range(6 * BATCH_ROWS, 9 * BATCH_ROWS))
    recipe = RECIPE.model_copy(update={"checkpoint_steps": 4})
    config = config_of(tmp_path / "bad", num_steps=12, recipe=recipe)
    assert loop.train(config, alone, [])
    found = lines(tmp_path / "bad")
    assert [line.step for line in found] == list(range(1, 13))
    assert [line.step for line in found if line.skipped] == [7, 8, 9]
    # The checkpoint that would have been due in between was not taken.
    assert guards.passed(tmp_path / "bad/work") == {4: 9}


def test_it_goes_on_after_the_rows_also_where_it_was_stopped_in_between(
    poisoned, alone: Place, config_of: ConfigOf, tmp_path
):
    from domainlm import progress

    poisoned(range(6 * BATCH_ROWS, 9 * BATCH_ROWS))
    recipe = RECIPE.model_copy(update={"checkpoint_steps": 5})
    assert loop.train(config_of(tmp_path / "whole", num_steps=12, recipe=recipe), alone, [])
    assert guards.passed(tmp_path / "whole/work") == {5: 9}
    told: list[int] = []
    # The ninth step is told of once, before training goes back; the tenth after it.
    progress.listen(lambda heard: told.append(15) if heard.done == 10 else None)
    try:
        assert not loop.train(config_of(tmp_path / "cut", num_steps=12, recipe=recipe), alone, told)
    finally:
        progress.listen(lambda _: None)
    assert loop.train(config_of(tmp_path / "cut", num_steps=12, recipe=recipe), alone, [])
    for name in (metrics.METRICS_NAME, "model/model.safetensors"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_weights_that_can_take_no_step_end_the_training(poisoned, alone: Place, config_of: ConfigOf, tmp_path):
    poisoned(range(5 * BATCH_ROWS, 100 * BATCH_ROWS))
    recipe = RECIPE.model_copy(update={"checkpoint_steps": 2})
    with pytest.raises(StageError, match=r"tiny: step 11: the loss is nan, on rows 80 to 87"):
        loop.train(config_of(tmp_path, num_steps=20, recipe=recipe), alone, [])
