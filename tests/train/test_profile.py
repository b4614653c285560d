from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from domainlm.errors import StageError
from domainlm.train import loop
from domainlm.train.parallel import Place

from .conftest import ConfigOf


def test_a_profile_is_a_trace_of_a_few_steps_and_says_what_a_cpu_cannot(
    alone: Place, config_of: ConfigOf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert not loop.train(config_of(tmp_path, num_steps=8, profile=str(tmp_path / "profile")), alone, [])
    trace = json.loads(gzip.decompress((tmp_path / "profile/trace-rank0.json.gz").read_bytes()))
    names = [event.get("name", "") for event in trace["traceEvents"]]
    assert sum(name.startswith("Optimizer.step") for name in names) == 3
    assert any(name == "aten::mm" for name in names)
    assert "aten::" in (tmp_path / "profile/operators-rank0.txt").read_text()
    said = capsys.readouterr().out
    assert "open it in https://ui.perfetto.dev" in said
    assert "no memory snapshot: torch keeps a history of allocations on CUDA only, and this is a CPU" in said
    assert not (tmp_path / "model").exists()


def test_a_mix_too_short_for_a_profile_is_told(alone: Place, config_of: ConfigOf, tmp_path: Path):
    with pytest.raises(StageError, match="a profile takes more steps than the 5 of its mix"):
        loop.train(config_of(tmp_path, num_steps=5, profile=str(tmp_path / "profile")), alone, [])
