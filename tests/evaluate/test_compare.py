"""Pairing sees what two intervals hide; what it won and lost, and at which rate, comes with intervals."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domainlm import manifest
from domainlm.evaluate import store
from domainlm.evaluate.bootstrap import mcnemar_p_value, rate_interval, sign_flip_p_value
from domainlm.evaluate.compare import compare
from domainlm.manifest import Manifest, Request
from domainlm.specs.run import EvaluateSpec
from tests.evaluate.scored import documents, evaluation, samples

SPEC = EvaluateSpec(bootstrap_samples=1000)


def compared(evaluations: dict[str, Manifest], folder: Path) -> Manifest:
    request = Request(stage="compare", name="test", spec=sorted(evaluations), seed=0, code="", libraries={}, inputs={})
    return manifest.make(
        request,
        folder,
        lambda f: compare(SPEC, pairs=[("base", "adapted")], evaluations=evaluations, folder=f, seed=1),
    )


def pair(workspace: Path, won: float, lost: float, **fields: Any) -> Manifest:
    """A model that is `won` bits per byte better in its domain and `lost` worse in general than its base."""
    base = [*documents("legal", 0, seed=1, **fields), *documents("general", 0, seed=2, **fields)]
    adapted = [*documents("legal", -won, seed=1, **fields), *documents("general", lost, seed=2, **fields)]
    made = {"base": evaluation(workspace, "base", base), "adapted": evaluation(workspace, "adapted", adapted)}
    return compared(made, workspace)


def rows(made: Manifest) -> dict[str, Any]:
    return {row["suite"]: row for row in store.read(made.only("comparison")) if not row["source"]}


def test_a_hundredth_of_a_bit_of_forgetting_is_seen_by_pairing_and_hidden_without_it(tmp_path: Path) -> None:
    made = pair(tmp_path, won=0.3, lost=0.01)
    general = rows(made)["general"]
    assert general["difference"] == pytest.approx(0.01, abs=0.006)
    assert 0 < general["low"] < general["high"] < 0.02
    assert general["p_holm"] < 0.01 and general["verdict"] == "forgetting"
    # What two intervals by themselves say, and the test that assumes independent samples (Welch's).
    levels = {}
    for model in ("base", "adapted"):
        (folder,) = (tmp_path / "evaluate").glob(f"{model}-*")
        done = manifest.read(folder)
        assert done is not None
        found = store.read_results(done.only("results"))
        (levels[model],) = (r for r in found if r.suite == "general" and not r.source)
    assert levels["adapted"].low < levels["base"].value < levels["adapted"].high
    width = levels["base"].high - levels["base"].low
    unpaired_z = general["difference"] / (math.sqrt(2) * width / 3.92)
    assert unpaired_z < 0.5, "an unpaired test would need z = 1.96"
    assert width > 10 * (general["high"] - general["low"])


def test_no_difference_is_called_so(tmp_path: Path) -> None:
    base = documents("general", 0, seed=2)
    noise = np.random.default_rng(3).normal(0, 0.03, len(base))
    same = [row | {"nats": row["nats"] + n * row["num_bytes"]} for row, n in zip(base, noise, strict=True)]
    made = {"base": evaluation(tmp_path, "base", base), "adapted": evaluation(tmp_path, "adapted", same)}
    assert rows(compared(made, tmp_path))["general"]["verdict"] == "not significant"


def test_what_was_won_and_lost_and_the_rate_stand_in_one_row_with_intervals(tmp_path: Path) -> None:
    made = pair(tmp_path, won=0.3, lost=0.05)
    (row,) = store.read(made.only("exchange"))
    assert (row["base"], row["adapted"], row["domain"], row["general"]) == ("base", "adapted", "legal", "general")
    assert row["gain_low"] < row["gain"] == -rows(made)["legal"]["difference"] < row["gain_high"]
    assert row["forgetting"] == rows(made)["general"]["difference"]
    assert row["gain_significant"] and row["forgetting_significant"]
    assert row["rate"] == pytest.approx(row["gain"] / row["forgetting"])
    assert 3 < row["rate_low"] < row["rate"] < row["rate_high"] < 9
    assert row["rate_low"] < 0.3 / 0.05 < row["rate_high"]


def test_the_rate_has_no_upper_end_where_the_loss_may_be_nothing(tmp_path: Path) -> None:
    (row,) = store.read(pair(tmp_path, won=0.3, lost=0.001).only("exchange"))
    assert not row["forgetting_significant"]
    assert row["rate_high"] == math.inf and 20 < row["rate_low"] <= row["rate"]


def test_a_rate_that_is_known_is_covered_as_often_as_is_said() -> None:
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        gain, loss = random.normal(0.3, 0.01), random.normal(0.05, 0.005)
        low, high = rate_interval(random.normal(gain, 0.01, 500), random.normal(loss, 0.005, 500))
        hits += low <= 6 <= high
    assert hits / 400 == pytest.approx(0.95, abs=0.033)  # three standard errors


def test_accuracies_are_tested_by_mcnemar_and_all_flips_say_the_same(tmp_path: Path) -> None:
    before, after = [1] * 30 + [0] * 70, [1] * 27 + [0] * 3 + [1] * 15 + [0] * 55
    made = {
        "base": evaluation(tmp_path, "base", documents("legal", 0, seed=1), samples("legal", before)),
        "adapted": evaluation(tmp_path, "adapted", documents("legal", -0.1, seed=1), samples("legal", after)),
    }
    (row,) = (r for r in store.read(compared(made, tmp_path).only("comparison")) if r["metric"] == "acc")
    assert row["test"] == "mcnemar"
    # 3 lost and 15 won: 2 * sum of C(18, 0..3) / 2 ** 18, by hand.
    assert row["p_value"] == pytest.approx(2 * (1 + 18 + 153 + 816) / 2**18)
    flips = sign_flip_p_value(np.array(after, dtype=float) - np.array(before), 40_000, seed=1)
    assert flips == pytest.approx(row["p_value"], abs=0.002)  # four standard errors of 40,000 draws


def test_mcnemar_stays_a_number_at_ten_thousand_items() -> None:
    assert mcnemar_p_value(5000, 5000) == 1
    assert 0 < mcnemar_p_value(4900, 5100) < 0.05
