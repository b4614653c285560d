from __future__ import annotations

import numpy as np
import pytest
import torch

from domainlm.train import model as models
from domainlm.train.objectives import causal
from domainlm.train.packed import IGNORED, Setting

from .conftest import ARCHITECTURE, SEQUENCE_TOKENS, VOCAB_SIZE, packed_batch

SETTING = Setting(seed=0, vocab_size=VOCAB_SIZE, end_token_id=0)


def test_the_last_token_of_a_document_predicts_nothing_and_positions_restart():
    inputs = causal.inputs(packed_batch(np.array([[5, 6, 0, 7]]), [[0, 3]], next_B=[8]), SETTING)
    assert inputs["input_BT"].tolist() == [[5, 6, 0, 7]]
    assert inputs["label_BT"].tolist() == [[6, 0, IGNORED, 8]]
    assert inputs["position_BT"].tolist() == [[0, 1, 2, 0]]


def test_padding_predicts_nothing_and_is_not_predicted():
    inputs = causal.inputs(packed_batch(np.array([[5, 6, 0, 9, 9]]), [[0]], valid_B=[3]), SETTING)
    assert inputs["label_BT"].tolist() == [[6, 0, IGNORED, IGNORED, IGNORED]]


def test_the_loss_is_the_model_s_own():
    made, prepare = models.from_architecture(ARCHITECTURE, vocab_size=VOCAB_SIZE, end_token_id=0, seed=3)
    prepare(made, "")
    whole = torch.from_numpy(np.random.default_rng(1).integers(1, VOCAB_SIZE, (3, SEQUENCE_TOKENS + 1)))
    batch = packed_batch(whole[:, :-1].numpy().copy(), [[0]] * 3, next_B=whole[:, -1].tolist())
    inputs = causal.inputs(batch, SETTING)
    mean = models.Learner(made, causal.logits)(inputs) / (inputs["label_BT"] != IGNORED).sum()
    assert mean.item() == pytest.approx(made(input_ids=whole, labels=whole).loss.item(), rel=1e-5)
