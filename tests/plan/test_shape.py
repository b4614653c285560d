from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM, BloomConfig, LlamaConfig, PretrainedConfig

from domainlm.plan import models
from domainlm.plan.memory import lora_parameters
from domainlm.plan.shape import bloom, flops_per_token, from_folder, llama
from domainlm.specs.run import ArchitectureSpec


def on_meta(config: PretrainedConfig) -> torch.nn.Module:
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


def num_parameters(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def llama_config(a: ArchitectureSpec, vocab_size: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=a.hidden_size,
        intermediate_size=a.intermediate_size,
        num_hidden_layers=a.num_layers,
        num_attention_heads=a.num_heads,
        num_key_value_heads=a.num_kv_heads,
        max_position_embeddings=a.max_position,
        tie_word_embeddings=a.tie_embeddings,
    )


def architecture(**changes: object) -> ArchitectureSpec:
    small = {"hidden_size": 64, "intermediate_size": 160, "num_layers": 2, "num_heads": 4, "num_kv_heads": 2}
    return ArchitectureSpec.model_validate({"family": "llama", "max_position": 128} | small | changes)


@settings(max_examples=12, deadline=None)
@given(
    layers=st.integers(1, 3),
    kv_heads=st.sampled_from([1, 2, 4]),
    wide=st.sampled_from([32, 64]),
    vocab_size=st.integers(1, 500),
    tied=st.booleans(),
)
def test_a_llamas_parameters_and_multiplying_weights_are_those_of_transformers(
    layers, kv_heads, wide, vocab_size, tied
):
    a = architecture(num_layers=layers, num_kv_heads=kv_heads, hidden_size=wide, tie_embeddings=tied)
    model = on_meta(llama_config(a, vocab_size))
    shape = llama(a, vocab_size)
    assert shape.num_parameters == num_parameters(model)
    matrices = {id(p): p.numel() for p in model.parameters() if p.ndim == 2}
    assert shape.matmul_parameters == sum(matrices.values()) - (0 if tied else vocab_size * wide)


def test_a_blooms_parameters_are_those_of_transformers():
    config = BloomConfig(vocab_size=96, hidden_size=32, n_layer=3, n_head=4)
    shape = bloom(num_layers=3, hidden_size=32, num_heads=4, vocab_size=96)
    assert shape.num_parameters == num_parameters(on_meta(config))


@pytest.mark.parametrize("entry", models.registry(Path(__file__).parents[2]), ids=lambda entry: entry.name)
def test_each_model_of_the_registry_has_the_parameters_that_its_architecture_has(entry):
    inner = {"bloom": {}, "gpt2": {"n_inner": entry.intermediate_size, "n_positions": entry.context_tokens}}
    config = AutoConfig.for_model(
        entry.family,
        num_hidden_layers=entry.num_layers,
        hidden_size=entry.hidden_size,
        num_attention_heads=entry.num_heads,
        vocab_size=entry.vocab_size,
        tie_word_embeddings=entry.tie_embeddings,
        **inner.get(
            entry.family, {"intermediate_size": entry.intermediate_size, "num_key_value_heads": entry.num_kv_heads}
        ),
    )
    model = on_meta(config)
    assert entry.num_parameters == num_parameters(model)
    gated = any("gate_proj" in name for name, _ in model.named_parameters())
    assert entry.shape().gated_mlp == gated
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    embeddings = model.get_input_embeddings().weight.numel()
    positions = entry.context_tokens * entry.hidden_size if entry.family == "gpt2" else 0
    matrices = sum(p.numel() for p in model.parameters() if p.ndim == 2) - positions - (0 if tied else embeddings)
    assert entry.shape().matmul_parameters == matrices


@pytest.mark.parametrize("tied", [True, False])
def test_a_model_in_a_folder_has_the_shape_that_its_architecture_has(tmp_path, tied):
    a = architecture(tie_embeddings=tied)
    llama_config(a, 300).save_pretrained(tmp_path)
    assert from_folder(tmp_path) == llama(a, 300)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_lora_trains_what_peft_trains():
    from peft import LoraConfig, get_peft_model

    a = architecture()
    model = get_peft_model(on_meta(llama_config(a, 300)), LoraConfig(r=4, target_modules="all-linear"))
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert lora_parameters(llama(a, 300), 4) == trained


def test_a_tokens_flops_are_six_per_multiplying_weight_and_the_attention():
    shape = llama(architecture(), 300)
    # 2 layers: 4 matrices of attention (k and v are half as wide), 3 of 64 x 160; and the output projection.
    weights = 2 * (64 * 64 * 3 + 3 * 64 * 160) + 300 * 64
    assert flops_per_token(shape, 128) == 6 * weights + 12 * 2 * 64 * 128
    assert flops_per_token(shape, 128, recompute=True) * 3 == flops_per_token(shape, 128) * 4


def test_an_encoder_decoder_s_flops_are_what_torch_counts_of_what_it_reads_and_writes(tmp_path: Path):
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import T5Config, T5ForConditionalGeneration

    sizes = {"d_model": 32, "d_ff": 64, "d_kv": 8, "num_heads": 4, "num_layers": 3, "num_decoder_layers": 2}
    config = T5Config(**sizes, vocab_size=300, feed_forward_proj="gated-gelu", decoder_start_token_id=0)
    config.save_pretrained(tmp_path)
    model = T5ForConditionalGeneration(config)
    read, written = (torch.ones(1, tokens, dtype=torch.long) for tokens in (180, 40))
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        model(input_ids=read, decoder_input_ids=written, use_cache=False)
    assert flops_per_token(from_folder(tmp_path), 200) * 200 == pytest.approx(3 * counted.get_total_flops(), rel=1e-3)
