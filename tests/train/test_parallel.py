from __future__ import annotations

import pytest

from domainlm.errors import StageError
from domainlm.specs.recipe import ParallelSpec
from domainlm.train import device, parallel
from domainlm.train.parallel import Place


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
