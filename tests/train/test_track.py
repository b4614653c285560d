"""Trackers get every step, by their own clients; where one is not installed, that is told before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainlm.errors import StageError
from domainlm.specs.watch import TrackSpec
from domainlm.train import loop, track
from domainlm.train.parallel import Place

from .conftest import ConfigOf, hold_out


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_tracker_that_is_not_installed_is_told_with_what_installs_it(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(track, "find_spec", lambda _: None)
    asked = {"tensorboard": True} if name == "tensorboard" else {"wandb": {"project": "p"}}
    with pytest.raises(StageError, match=rf"needs {name}: pip install 'domainlm\[{name}\]'"):
        track.check(TrackSpec.model_validate(asked))


def test_without_trackers_none_is_imported():
    track.check(TrackSpec())
    assert track.trackers(TrackSpec(), Path(), name="", step=0, config={}) == []


def test_tensorboard_reads_loss_rate_and_held_out_bits(alone: Place, config_of: ConfigOf, tmp_path: Path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    config = config_of(tmp_path, track={"tensorboard": True})
    loop.train(hold_out(config, steps=[0, 5], domains={"general": [[0, 1, 2, 3]]}), alone, [])
    found = reader.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in found.Scalars("loss")] == [1, 2, 3, 4, 5]
    assert [event.step for event in found.Scalars("bits_per_byte/general")] == [0, 5]
    assert {"learning_rate", "grad_norm", "tokens_per_s", "mfu"} <= set(found.Tags()["scalars"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # its own
def test_weights_and_biases_keeps_a_run_offline(alone: Place, config_of: ConfigOf, tmp_path: Path):
    pytest.importorskip("wandb")
    config = config_of(tmp_path, track={"wandb": {"project": "domainlm", "mode": "offline"}})
    loop.train(config, alone, [])
    (kept,) = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    assert kept.stat().st_size > 1000
