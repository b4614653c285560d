from __future__ import annotations

from pathlib import Path

import pytest
import torch

from domainlm.errors import StageError
from domainlm.specs.project import load_run
from domainlm.train import model as models

from .conftest import ARCHITECTURE, VOCAB_SIZE


def scratch(seed: int = 3, **changes: object):
    architecture = ARCHITECTURE.model_copy(update=changes)
    return models.from_architecture(architecture, vocab_size=VOCAB_SIZE, end_token_id=0, seed=seed)


def test_first_weights_do_not_depend_on_the_order_in_which_parts_get_them():
    whole, prepare = scratch()
    prepare(whole, "")
    by_layer, prepare = scratch()
    for name, layer in reversed(models.layers(by_layer)):
        prepare(layer, name)
    prepare(by_layer, "")
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(by_layer.state_dict()[name], tensor, rtol=0, atol=0)
    torch.testing.assert_close(by_layer.model.rotary_emb.inv_freq, whole.model.rotary_emb.inv_freq)


def test_first_weights_are_distributed_as_transformers_would():
    made, prepare = scratch(hidden_size=128, intermediate_size=256)
    prepare(made, "")
    assert made.model.layers[0].mlp.up_proj.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert made.model.norm.weight.tolist() == [1.0] * 128
    assert not torch.equal(made.model.layers[0].mlp.up_proj.weight, made.model.layers[1].mlp.up_proj.weight)


def test_parts_come_with_weights_layers_first_and_embeddings_tied():
    made, prepare = scratch()
    learner = models.Learner(made, lambda model, inputs: inputs)
    seen = []
    for part in models.parts(learner, made, prepare):
        assert not any(p.is_meta for p in part.parameters())
        seen.append(type(part).__name__)
    assert seen == ["LlamaDecoderLayer", "LlamaDecoderLayer", "Learner"]
    assert made.lm_head.weight is made.model.embed_tokens.weight


def test_a_checkpoint_in_bf16_is_trained_in_fp32(tmp_path: Path):
    made, prepare = scratch()
    prepare(made, "")
    made.bfloat16().save_pretrained(tmp_path)
    loaded, prepare = models.from_checkpoint(tmp_path, objective="causal", vocab_size=VOCAB_SIZE, sequence_tokens=16)
    assert loaded.model.norm.weight.dtype == torch.bfloat16
    prepare(loaded, "")
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    torch.testing.assert_close(loaded.model.norm.weight, made.model.norm.weight.float())
    assert loaded.config.dtype == torch.float32


def test_a_tokenizer_larger_than_the_model_is_refused(tmp_path: Path):
    made, prepare = scratch()
    prepare(made, "")
    made.save_pretrained(tmp_path)
    with pytest.raises(StageError, match="has 64 embeddings, but the run's tokenizer has 65 tokens"):
        models.from_checkpoint(tmp_path, objective="causal", vocab_size=65, sequence_tokens=16)
    with pytest.raises(StageError, match="takes 16 tokens at most: lower `sequence_tokens` 17"):
        models.from_checkpoint(tmp_path, objective="causal", vocab_size=64, sequence_tokens=17)


def test_a_model_that_the_hub_does_not_give_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    run = load_run(Path(__file__).parents[2] / "data_specs/runs/demo.yaml")
    with pytest.raises(StageError, match="hf:nobody/nothing: its revision is not locked"):
        models.download("hf:nobody/nothing", run)
    monkeypatch.setattr("domainlm.specs.lock.revision_of", lambda run, uri: "a" * 40)
    with pytest.raises(StageError, match="hf:nobody/nothing cannot be downloaded"):
        models.download("hf:nobody/nothing", run)
