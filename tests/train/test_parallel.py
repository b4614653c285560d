from __future__ import annotations

import pytest
import torch

from domainlm.train import parallel
from domainlm.train.parallel import Place


@pytest.mark.parametrize(("flags", "want"), [({"avx2"}, "fp32"), ({"avx2", "avx512_bf16"}, "bf16"), (set(), "fp32")])
def test_auto_takes_bf16_only_where_the_cpu_multiplies_in_it(flags, want, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parallel, "_cpu_flags", lambda: flags)
    assert parallel.precision_for("auto", torch.device("cpu")) == want
    assert parallel.precision_for("fp32", torch.device("cpu")) == "fp32"


def test_alone_it_is_the_only_rank(alone: Place):
    assert (alone.rank, alone.num_ranks) == (0, 1)
    assert parallel.summed([1.0, 2.5], alone) == [1.0, 2.5]
