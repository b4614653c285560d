"""Training in this process, as a single rank: no torchrun, the same code."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.distributed.fsdp import FSDPModule
from transformers import AutoModelForCausalLM, AutoTokenizer

from domainlm import progress
from domainlm.errors import StageError
from domainlm.train import export, loop, metrics
from domainlm.train import model as models
from domainlm.train.parallel import Place
from domainlm.train.training import begin

from .conftest import RECIPE, VOCAB_SIZE, ConfigOf


def result(folder: Path) -> tuple[bytes, bytes]:
    return (folder / metrics.METRICS_NAME).read_bytes(), (folder / "model/model.safetensors").read_bytes()


def losses(folder: Path) -> list[float]:
    return [line.loss for line in metrics.read(folder / metrics.METRICS_NAME)]


def test_the_same_config_gives_the_same_bytes_and_the_loss_falls(alone: Place, config_of: ConfigOf, tmp_path: Path):
    for name in ("one", "two"):
        assert loop.train(config_of(tmp_path / name, num_steps=15), alone, [])
    assert result(tmp_path / "one") == result(tmp_path / "two")
    assert losses(tmp_path / "one")[-1] < losses(tmp_path / "one")[0] - 0.3


def test_the_exported_model_reloads_to_the_identical_logits(alone: Place, config_of: ConfigOf, tmp_path: Path):
    config = config_of(tmp_path, num_steps=2)
    training = begin(config, alone)
    ids = torch.arange(1, 11)[None]
    with torch.no_grad():
        training.model.lm_head.weight.mul_(3)
    export.finish(training)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    training.model.set_attn_implementation(loaded.config._attn_implementation)
    with torch.no_grad():
        for part in training.learner.modules():
            if isinstance(part, FSDPModule):
                part.unshard()
        torch.testing.assert_close(loaded(ids).logits, training.model(ids).logits, rtol=0, atol=0)
    assert loaded.config.dtype == torch.float32
    assert loaded.generation_config.eos_token_id == 0
    assert AutoTokenizer.from_pretrained(tmp_path / "model").eos_token_id == 0


def test_micro_batches_do_not_change_the_loss(alone: Place, config_of: ConfigOf, tmp_path: Path):
    for rows in (3, 8):
        recipe = RECIPE.model_copy(update={"micro_batch_rows": rows})
        loop.train(config_of(tmp_path / str(rows), recipe=recipe), alone, [])
    assert losses(tmp_path / "3") == pytest.approx(losses(tmp_path / "8"), rel=1e-5)


def test_told_to_stop_it_checkpoints_and_goes_on_to_the_same_bytes(alone: Place, config_of: ConfigOf, tmp_path: Path):
    assert loop.train(config_of(tmp_path / "whole"), alone, [])
    told: list[int] = []
    progress.listen(lambda heard: told.append(15) if heard.done == 3 else None)
    try:
        assert not loop.train(config_of(tmp_path / "cut"), alone, told)
    finally:
        progress.listen(lambda _: None)
    assert not (tmp_path / "cut/model").exists()
    assert [path.name for path in (tmp_path / "cut/work/checkpoints").glob("step-*3")] == ["step-000000003"]
    assert loop.train(config_of(tmp_path / "cut"), alone, [])
    assert result(tmp_path / "cut") == result(tmp_path / "whole")


def test_a_loss_that_is_not_finite_stops_training_and_names_the_rows(alone: Place, config_of: ConfigOf, tmp_path: Path):
    broken, prepare = models.from_architecture(
        config_of(tmp_path).architecture, vocab_size=VOCAB_SIZE, end_token_id=0, seed=1
    )
    prepare(broken, "")
    broken.tie_weights()
    with torch.no_grad():
        broken.model.norm.weight.fill_(float("nan"))
    broken.save_pretrained(tmp_path / "broken")
    config = config_of(tmp_path / "out", architecture=None, start=str(tmp_path / "broken"), base_name="broken")
    with pytest.raises(StageError, match="step 3: the loss is nan, on rows 16 to 23"):
        loop.train(config, alone, [])


def test_continued_pretraining_begins_where_its_base_ended(alone: Place, config_of: ConfigOf, tmp_path: Path):
    loop.train(config_of(tmp_path / "base", num_steps=20), alone, [])
    start = str(tmp_path / "base/model")
    loop.train(config_of(tmp_path / "on", architecture=None, start=start, base_name="tiny"), alone, [])
    assert losses(tmp_path / "on")[0] == pytest.approx(losses(tmp_path / "base")[-1], abs=0.3)
    card = (tmp_path / "on/model/README.md").read_text()
    assert "base_model:" not in card  # the hub takes names of its own models only
    assert "continued pretraining of tiny on 640 tokens" in card


def test_every_objective_has_what_the_loop_calls():
    from domainlm import named

    for name in named.names("domainlm.train.objectives"):
        module = named.load("domainlm.train.objectives", name)
        assert all(callable(getattr(module, part)) for part in ("special_tokens", "inputs", "logits"))


def test_told_to_stop_before_the_first_step_it_goes_on_to_the_same_bytes(
    alone: Place, config_of: ConfigOf, tmp_path: Path
):
    assert loop.train(config_of(tmp_path / "whole"), alone, [])
    assert not loop.train(config_of(tmp_path / "cut"), alone, [15])
    assert loop.train(config_of(tmp_path / "cut"), alone, [])
    assert result(tmp_path / "cut") == result(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("checkpointing", ["none", "selective"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")  # dynamo's
def test_compiled_layer_by_layer_it_loses_the_same(checkpointing, alone: Place, config_of: ConfigOf, tmp_path: Path):
    recipe = RECIPE.model_copy(update={"compile": True, "checkpointing": checkpointing})
    loop.train(config_of(tmp_path / "compiled", recipe=recipe), alone, [])
    loop.train(config_of(tmp_path / "plain"), alone, [])
    assert losses(tmp_path / "compiled") == pytest.approx(losses(tmp_path / "plain"), rel=1e-5)
    names = [set(load_file(tmp_path / name / "model/model.safetensors")) for name in ("compiled", "plain")]
    assert names[0] == names[1]
