from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch.optim import AdamW

from domainlm.errors import StageError
from domainlm.train import checkpoint
from domainlm.train import model as models
from domainlm.train.parallel import Place, shard

from .conftest import ARCHITECTURE, VOCAB_SIZE


def learner_of(alone: Place, seed: int) -> tuple[models.Learner, AdamW]:
    made, prepare = models.from_architecture(ARCHITECTURE, vocab_size=VOCAB_SIZE, end_token_id=0, seed=seed)
    learner = models.Learner(made, lambda model, ids: model(ids, use_cache=False).logits.float().logsumexp(-1).sum())
    shard(models.parts(learner, made, prepare), place=alone, precision="fp32")
    return learner, AdamW(learner.parameters(), lr=1e-2, fused=True)


def step(learner: models.Learner, optimizer: AdamW, seed: int) -> None:
    ids = torch.randint(VOCAB_SIZE, (2, 8), generator=torch.Generator().manual_seed(seed))
    learner(ids).backward()
    optimizer.step()
    optimizer.zero_grad()


def weights(learner: models.Learner) -> list[torch.Tensor]:
    return [p.full_tensor().clone() for p in learner.parameters()]


def test_weights_and_moments_come_back_bit_for_bit(alone: Place, tmp_path: Path):
    learner, optimizer = learner_of(alone, 1)
    step(learner, optimizer, 1)
    checkpoint.save(tmp_path, step=1, row=4, config="a", model=learner, optimizer=optimizer)
    step(learner, optimizer, 2)
    resumed, its_optimizer = learner_of(alone, 2)
    saved = checkpoint.latest(tmp_path, config="a")
    assert saved is not None
    assert (saved.step, saved.row) == (1, 4)
    checkpoint.restore(saved, model=resumed, optimizer=its_optimizer)
    step(resumed, its_optimizer, 2)
    for ours, theirs in zip(weights(resumed), weights(learner), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_a_checkpoint_holds_no_pickle(alone: Place, tmp_path: Path):
    learner, optimizer = learner_of(alone, 1)
    checkpoint.save(tmp_path, step=1, row=4, config="a", model=learner, optimizer=optimizer)
    files = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"state.json", "shard-00001-model-00001-of-00001.safetensors"}


def test_the_last_two_are_kept_and_an_unfinished_one_is_not_taken(alone: Place, tmp_path: Path):
    learner, optimizer = learner_of(alone, 1)
    for number in (1, 2, 3):
        checkpoint.save(tmp_path, step=number, row=number, config="a", model=learner, optimizer=optimizer)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000000002", "step-000000003"]
    unfinished = tmp_path / ".unfinished"
    unfinished.mkdir()
    (unfinished / "state.json").write_text(json.dumps({"step": 9, "row": 9, "config": "a"}))
    saved = checkpoint.latest(tmp_path, config="a")
    assert saved is not None
    assert saved.step == 3


def test_another_training_s_checkpoint_is_refused(alone: Place, tmp_path: Path):
    learner, optimizer = learner_of(alone, 1)
    checkpoint.save(tmp_path, step=1, row=1, config="a", model=learner, optimizer=optimizer)
    with pytest.raises(StageError, match="belongs to another training"):
        checkpoint.latest(tmp_path, config="b")


def test_without_a_checkpoint_there_is_none(tmp_path: Path):
    assert checkpoint.latest(tmp_path / "nowhere", config="a") is None
