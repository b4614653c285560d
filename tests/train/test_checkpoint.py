from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch.optim import Optimizer

from domainlm.errors import StageError
from domainlm.train import checkpoint
from domainlm.train import model as models
from domainlm.train.checkpoint import Writer, tensors_of
from domainlm.train.optimizer import adamw
from domainlm.train.optimizer import step as update
from domainlm.train.parallel import Place, shard

from .conftest import ARCHITECTURE, RECIPE, VOCAB_SIZE


def learner_of(alone: Place, seed: int) -> tuple[models.Learner, Optimizer]:
    made, prepare = models.from_architecture(ARCHITECTURE, vocab_size=VOCAB_SIZE, end_token_id=0, seed=seed)
    learner = models.Learner(made, lambda model, inputs: model(inputs["ids"], use_cache=False).logits)
    shard(models.parts(learner, made, prepare), place=alone, precision="fp32", recipe=RECIPE)
    return learner, adamw(learner, RECIPE)


def step(learner: models.Learner, optimizer: Optimizer, seed: int) -> None:
    ids = torch.randint(VOCAB_SIZE, (2, 8), generator=torch.Generator().manual_seed(seed))
    learner({"ids": ids, "label_BT": ids}).backward()
    update(optimizer, 1e-2)


def save(folder: Path, number: int, learner: models.Learner, optimizer: Optimizer, config: str = "a") -> None:
    writer = Writer(folder, config=config, num_kept=2)
    writer.begin(tensors_of(learner, optimizer, {}), step=number, row=4 * number, guard={"num_skipped": number})
    writer.close()


def weights(learner: models.Learner) -> list[torch.Tensor]:
    return [p.detach().clone() for p in learner.parameters()]


def test_weights_and_moments_come_back_bit_for_bit(alone: Place, tmp_path: Path):
    learner, optimizer = learner_of(alone, 1)
    step(learner, optimizer, 1)
    save(tmp_path, 1, learner, optimizer)
    step(learner, optimizer, 2)
    resumed, its_optimizer = learner_of(alone, 2)
    saved = checkpoint.latest(tmp_path, config="a")
    assert saved is not None
    assert (saved.step, saved.row, checkpoint.guard_of(saved)) == (1, 4, {"num_skipped": 1})
    checkpoint.restore(saved, tensors_of(resumed, its_optimizer, {}))
    step(resumed, its_optimizer, 2)
    for ours, theirs in zip(weights(resumed), weights(learner), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_a_checkpoint_holds_no_pickle(alone: Place, tmp_path: Path):
    learner, optimizer = learner_of(alone, 1)
    save(tmp_path, 1, learner, optimizer)
    files = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"state.json", "shard-00001-model-00001-of-00001.safetensors"}


def test_the_last_two_are_kept_and_an_unfinished_one_is_not_taken(alone: Place, tmp_path: Path):
    learner, optimizer = learner_of(alone, 1)
    for number in (1, 2, 3):
        save(tmp_path, number, learner, optimizer)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000000002", "step-000000003"]
    unfinished = tmp_path / ".unfinished-000000009"
    unfinished.mkdir()
    (unfinished / "state.json").write_text(json.dumps({"step": 9, "row": 9, "config": "a"}))
    saved = checkpoint.latest(tmp_path, config="a")
    assert saved is not None
    assert saved.step == 3


def test_another_training_s_checkpoint_is_refused(alone: Place, tmp_path: Path):
    learner, optimizer = learner_of(alone, 1)
    save(tmp_path, 1, learner, optimizer)
    with pytest.raises(StageError, match="belongs to another training"):
        checkpoint.latest(tmp_path, config="b")


def test_without_a_checkpoint_there_is_none(tmp_path: Path):
    assert checkpoint.latest(tmp_path / "nowhere", config="a") is None


def test_a_checkpoint_is_written_while_training_goes_on(alone: Place, tmp_path: Path):
    learner, optimizer = learner_of(alone, 1)
    step(learner, optimizer, 1)
    then = weights(learner)
    writer = Writer(tmp_path, config="a", num_kept=2)
    writer.begin(tensors_of(learner, optimizer, {}), step=1, row=4, guard={})
    step(learner, optimizer, 2)
    assert checkpoint.latest(tmp_path, config="a") is None
    writer.close()
    saved = checkpoint.latest(tmp_path, config="a")
    assert saved is not None
    checkpoint.restore(saved, tensors_of(learner, optimizer, {}))
    for ours, theirs in zip(weights(learner), then, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
