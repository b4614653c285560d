from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from domainlm.mix.pack import documents
from domainlm.records import Batch
from domainlm.train import model as models
from domainlm.train.objectives import causal

from .conftest import ARCHITECTURE, SEQUENCE_TOKENS, VOCAB_SIZE

CPU = torch.device("cpu")


def batch_of(tokens_BU: list[list[int]], begins_B: list[list[int]]) -> Batch:
    tokens = np.array(tokens_BU)
    document_BU, position_BU = documents([np.array(begins, np.int64) for begins in begins_B], tokens.shape[1])
    numbers = np.arange(len(tokens))
    return Batch(
        tokens_BU=tokens,
        document_BU=document_BU,
        position_BU=position_BU,
        source_B=numbers.astype(np.int32),
        row_B=numbers,
    )


@pytest.fixture
def model() -> torch.nn.Module:
    made, prepare = models.from_architecture(ARCHITECTURE, vocab_size=VOCAB_SIZE, end_token_id=0, seed=3)
    prepare(made, "")
    made.tie_weights()
    # First weights are so small that attention hardly matters; larger ones would show any leak between documents.
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(10 if parameter.ndim > 1 else 1)
    return made


def test_the_last_token_of_a_document_predicts_nothing_and_positions_restart():
    batch = batch_of([[5, 6, 0, 7, 8]], [[3]])
    inputs = causal.inputs(batch, CPU)
    assert inputs["input_BT"].tolist() == [[5, 6, 0, 7]]
    assert inputs["label_BT"].tolist() == [[6, 0, causal.IGNORED, 8]]
    assert inputs["position_BT"].tolist() == [[0, 1, 2, 0]]
    assert causal.num_targets(batch) == 3


def test_packed_documents_train_as_separate_ones(model):
    rng = np.random.default_rng(0)
    long = rng.integers(1, VOCAB_SIZE, (2, SEQUENCE_TOKENS + 1)).tolist()
    begins = [[3, 4, 11], []]
    packed = causal.loss_sum(model, causal.inputs(batch_of(long, begins), CPU))
    packed.backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    pieces = [row[a:b] for row, cuts in zip(long, begins, strict=True) for a, b in pairwise([0, *cuts, 17])]
    separate = sum(causal.loss_sum(model, causal.inputs(batch_of([piece], [[]]), CPU)) for piece in pieces if piece[1:])
    separate.backward()
    assert packed.item() == pytest.approx(separate.item(), rel=1e-5)
    for ours, parameter in zip(gradients, model.parameters(), strict=True):
        torch.testing.assert_close(ours, parameter.grad, rtol=1e-4, atol=1e-5 * ours.abs().max().item())


def test_a_leak_between_documents_would_show(model):
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, VOCAB_SIZE, (1, SEQUENCE_TOKENS + 1)).tolist()
    inputs = causal.inputs(batch_of(tokens, [[8]]), CPU)
    whole = inputs | {"position_BT": torch.arange(SEQUENCE_TOKENS)[None]}
    assert abs(causal.loss_sum(model, inputs).item() - causal.loss_sum(model, whole).item()) > 0.1


def test_the_loss_is_the_model_s_own(model):
    rng = np.random.default_rng(1)
    batch = batch_of(rng.integers(1, VOCAB_SIZE, (3, SEQUENCE_TOKENS + 1)).tolist(), [[], [], []])
    inputs = causal.inputs(batch, CPU)
    own = model(input_ids=torch.from_numpy(batch.tokens_BU), labels=torch.from_numpy(batch.tokens_BU)).loss
    mean = causal.loss_sum(model, inputs).item() / causal.num_targets(batch)
    assert mean == pytest.approx(own.item(), rel=1e-5)
