from __future__ import annotations

from pathlib import Path

import pytest
import torch

from domainlm.train import footprint
from domainlm.train.parallel import Place

from .conftest import RECIPE, ConfigOf


def test_an_error_of_memory_is_told_from_others():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60)
    assert footprint.is_out_of_memory(raised.value)
    assert footprint.is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not footprint.is_out_of_memory(RuntimeError("a shape is wrong"))


def test_out_of_memory_says_what_the_plan_says_and_what_lowers_it(alone: Place, config_of: ConfigOf, tmp_path: Path):
    said = footprint.told(config_of(tmp_path), alone)
    assert "tiny ran out of memory. By the plan each of 1 ranks needs 0.00 GB (in GB: weights 0.00, " in said
    assert "`micro_batch_rows: 1`, `checkpointing: full`, `optimizer: adamw8bit`, `parallel: {offload: true}`" in said
    least = {"checkpointing": "full", "optimizer": "adamw8bit", "micro_batch_rows": 1}
    said = footprint.told(config_of(tmp_path, recipe=RECIPE.model_copy(update=least)), alone)
    assert said.endswith("What lowers it, in this order: `parallel: {offload: true}`")
