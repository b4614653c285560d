from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from domainlm.errors import StageError
from domainlm.specs.architecture import Family, objective_of
from domainlm.specs.recipe import ParallelSpec, RecipeSpec
from domainlm.train import device, loop, metrics, parallel
from domainlm.train.parallel import Place

from .conftest import RECIPE, ConfigOf, architecture_of, hold_out


@pytest.mark.parametrize(("flags", "want"), [({"avx2"}, "fp32"), ({"avx2", "avx512_bf16"}, "bf16"), (set(), "fp32")])
def test_auto_takes_bf16_only_where_the_cpu_multiplies_in_it(flags, want, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(device, "num_gpus", lambda: 0)
    monkeypatch.setattr(device, "_cpu_flags", lambda: flags)
    assert device.precision_for("auto") == want
    assert device.precision_for("fp32") == "fp32"


def test_fp8_is_refused_where_the_hardware_does_not_multiply_in_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(device, "num_gpus", lambda: 0)
    with pytest.raises(StageError, match=r"needs a GPU of compute capability 8\.9 or more, and this is a CPU"):
        device.precision_for("fp8")


def test_alone_it_is_the_only_rank(alone: Place):
    assert (alone.rank, alone.num_ranks) == (0, 1)
    assert parallel.summed([1.0, 2.5], alone) == [1.0, 2.5]


def test_ranks_that_do_not_divide_into_their_groups_are_refused(alone: Place):
    with pytest.raises(StageError, match="1 ranks do not divide into groups of `shard_ranks: 2`"):
        parallel.mesh_of(ParallelSpec(strategy="hybrid", shard_ranks=2), alone)


CASES: list[tuple[str, dict[str, Any]]] = [(family, {}) for family in sorted(get_args(Family))]
CASES += [("llama", how) for how in ({"checkpointing": "full"}, {"checkpointing": "selective"}, {"precision": "fp32"})]


@pytest.mark.parametrize(("family", "how"), CASES, ids=[" ".join([f, *map(str, how.values())]) for f, how in CASES])
def test_a_process_that_is_alone_learns_to_the_bit_what_fsdp_teaches_it(
    family: str, how: dict[str, Any], alone: Place, config_of: ConfigOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    changes = {"precision": "bf16", "micro_batch_rows": 4, "objective": objective_of(family)} | how
    recipe = RecipeSpec.model_validate(RECIPE.model_dump(exclude_unset=True) | changes)
    for folder, is_alone in (("alone", True), ("fsdp", False)):
        monkeypatch.setattr(parallel, "is_alone", lambda _place, is_alone=is_alone: is_alone)
        given = {"architecture": architecture_of(family), "recipe": recipe, "num_steps": 3}
        config = hold_out(config_of(tmp_path / folder, **given), steps=[0, 3], domains={"general": [list(range(40))]})
        assert loop.train(config, alone, [])
    if family == "t5":
        # A gradient of what its layers share differs by a rounding to 8 bits: sums in another order, it seems.
        ours, theirs = (metrics.read(tmp_path / folder / metrics.METRICS_NAME) for folder in ("alone", "fsdp"))
        assert [line.loss for line in ours] == pytest.approx([line.loss for line in theirs], rel=1.3e-3)
        return
    for name in (metrics.METRICS_NAME, "heldout.jsonl", "model/model.safetensors"):
        assert (tmp_path / "alone" / name).read_bytes() == (tmp_path / "fsdp" / name).read_bytes(), name
