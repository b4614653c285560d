"""Every family of models, from scratch: packed documents train as separate ones do."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from domainlm import named
from domainlm.records import Batch
from domainlm.specs.architecture import Family, objective_of
from domainlm.specs.recipe import LoraSpec
from domainlm.train import lora
from domainlm.train import model as models
from domainlm.train.packed import IGNORED, Inputs, Setting

from .conftest import VOCAB_SIZE, architecture_of, packed_batch

FAMILIES = sorted(get_args(Family))
NUM_TOKENS = 48
BEGINS = [[0, 11, 12, 30], [0, 20]]
SETTING = Setting(seed=5, vocab_size=VOCAB_SIZE, end_token_id=0, special_ids=tuple(range(64, 74)), start_token_id=0)


def batch_of(begins: list[list[int]] = BEGINS, num_tokens: int = NUM_TOKENS) -> Batch:
    rng = np.random.default_rng(0)
    tokens, following = rng.integers(1, VOCAB_SIZE, (len(begins), num_tokens)), rng.integers(1, VOCAB_SIZE, len(begins))
    return packed_batch(tokens, begins, next_B=following, first_row=7)


def model_of(family: str) -> PreTrainedModel:
    vocab_size = VOCAB_SIZE + (0 if objective_of(family) == "causal" else 10)
    spec = architecture_of(family, max_position=NUM_TOKENS)
    made, prepare = models.from_architecture(spec, vocab_size=vocab_size, end_token_id=0, seed=3)
    prepare(made, "")
    # First weights are so small that attention hardly matters; larger ones would show any leak between documents.
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            parameter.mul_(8 if parameter.ndim > 1 and family != "t5" else 1)
            if "relative_attention_bias" in name:
                parameter.mul_(3)
    return made


def one_by_one(inputs: Inputs) -> list[Inputs]:
    """The inputs of each document of each row, by itself and without padding."""
    of = {"input_BE": "document_BE", "document_BE": "document_BE", "decoder_BD": "document_BD"}
    alone = []
    for row in range(len(inputs["label_BT"])):
        default = "document_BD" if "document_BD" in inputs else "document_BT"
        for document in inputs[default][row].unique().tolist():
            chosen = {n: t[row][inputs[of.get(n, default)][row] == document][None] for n, t in inputs.items()}
            # What stands behind the last label is the padding of what is written, and of no document.
            if default == "document_BD":
                kept = int((chosen["label_BT"] != IGNORED).sum())
                chosen |= {name: chosen[name][:, :kept] for name in ("label_BT", "decoder_BD", "document_BD")}
            if (chosen["label_BT"] != IGNORED).any():
                alone.append(chosen)
    return alone


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_documents_train_as_separate_ones(family: str):
    model, objective = model_of(family), named.load("domainlm.train.objectives", objective_of(family))
    learner = models.Learner(model, objective.logits)
    inputs = objective.inputs(batch_of(), SETTING)
    packed = learner(inputs)
    packed.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    separate = sum(learner(alone) for alone in one_by_one(inputs))
    separate.backward()
    assert packed.item() == pytest.approx(separate.item(), rel=1e-5)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            most = 1e-5 * gradients[name].abs().max().item()
            torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-4, atol=max(most, 1e-6), msg=name)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_leak_between_documents_would_show(family: str):
    model, objective = model_of(family), named.load("domainlm.train.objectives", objective_of(family))
    learner = models.Learner(model, objective.logits)
    inputs = objective.inputs(batch_of(), SETTING)
    together = {name: torch.zeros_like(t) if name.startswith("document") else t for name, t in inputs.items()}
    if "position_BT" in together:
        together["position_BT"] = torch.arange(NUM_TOKENS).expand(2, -1)
    with torch.no_grad():
        assert abs(learner(inputs).item() - learner(together).item()) > 1e-2


@pytest.mark.parametrize("family", FAMILIES)
def test_first_weights_are_the_same_in_whatever_order_parts_get_them(family: str):
    spec = architecture_of(family, max_position=NUM_TOKENS)
    whole, prepare = models.from_architecture(spec, vocab_size=VOCAB_SIZE, end_token_id=0, seed=3)
    prepare(whole, "")
    by_layer, prepare = models.from_architecture(spec, vocab_size=VOCAB_SIZE, end_token_id=0, seed=3)
    for name, layer in reversed(models.layers(by_layer)):
        prepare(layer, name)
    prepare(by_layer, "")
    assert not any(tensor.is_meta for tensor in (*by_layer.parameters(), *by_layer.buffers()))
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(by_layer.state_dict()[name], tensor, rtol=0, atol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_s_first_loss_is_that_of_a_guess(family: str):
    spec = architecture_of(family, max_position=NUM_TOKENS)
    made, prepare = models.from_architecture(spec, vocab_size=VOCAB_SIZE + 10, end_token_id=0, seed=3)
    prepare(made, "")
    objective = named.load("domainlm.train.objectives", objective_of(family))
    inputs = objective.inputs(batch_of(), SETTING)
    with torch.no_grad():
        loss = models.Learner(made, objective.logits)(inputs) / (inputs["label_BT"] != IGNORED).sum()
    assert loss.item() == pytest.approx(np.log(VOCAB_SIZE + 10), rel=0.2)


@pytest.mark.parametrize("family", FAMILIES)
def test_adapters_begin_as_nothing_and_their_merged_model_computes_the_same(family: str):
    model, objective = model_of(family), named.load("domainlm.train.objectives", objective_of(family))
    learner = models.Learner(model, objective.logits)
    inputs = objective.inputs(batch_of(), SETTING)
    with torch.no_grad():
        before = learner(inputs)
        lora.adapt(model, LoraSpec(rank=2), seed=1)
        assert learner(inputs).item() == before.item()
        trained = [name for name, p in model.named_parameters() if p.requires_grad]
        assert trained
        assert all(".lora_" in name for name in trained)
        for name, parameter in model.named_parameters():
            if ".lora_" in name:
                parameter.normal_(std=0.1)
        adapted = learner(inputs)
        whole = lora.merged(models.without_weights(model.config), model.state_dict(), LoraSpec(rank=2))
        merged = model_of(family)
        missing = merged.load_state_dict(whole, strict=False)
        assert not missing.unexpected_keys
    assert abs(adapted.item() - before.item()) > 1e-3
    assert models.Learner(merged, objective.logits)(inputs).item() == pytest.approx(adapted.item(), rel=1e-4)
