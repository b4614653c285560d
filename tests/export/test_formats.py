"""Every family in every format: read back it computes what was stored, and what cannot be stored is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from safetensors import safe_open
from transformers import AutoConfig

from domainlm.errors import StageError
from domainlm.export import formats, gguf_file
from domainlm.export.formats import FORMATS
from domainlm.specs.architecture import Family

from .conftest import VOCAB_SIZE, FolderOf

FAMILIES = sorted(get_args(Family))
TOKENS_BT = torch.randint(VOCAB_SIZE, (2, 32), generator=torch.Generator().manual_seed(1))
IN_TORCH = [name for name, form in FORMATS.items() if not form.is_gguf]


@torch.inference_mode()
def logits(model: Any) -> torch.Tensor:
    inputs = {"input_ids": TOKENS_BT}
    inputs |= {"decoder_input_ids": TOKENS_BT} if model.config.is_encoder_decoder else {}
    return model(**inputs).logits.float()


def written(source: Path, into: Path, dtype: str) -> Path:
    formats.write(source, into, FORMATS[dtype], license_name="apache-2.0")
    return into


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_in_fp32_reloads_to_the_identical_logits(family: str, folder_of: FolderOf, tmp_path: Path):
    source = folder_of(family)
    exported = written(source, tmp_path / "out", "fp32")
    assert torch.equal(logits(formats.load(exported)), logits(formats.load(source)))


@pytest.mark.parametrize("dtype", IN_TORCH[1:])
@pytest.mark.parametrize("family", ["bert", "bloom", "llama", "t5"])
def test_an_export_computes_nearly_the_same_and_holds_what_it_says(
    family: str, dtype: str, folder_of: FolderOf, tmp_path: Path
):
    source = folder_of(family)
    exported = written(source, tmp_path / "out", dtype)
    ours, theirs = logits(formats.load(source)), logits(formats.load(exported))
    assert 0 < (ours - theirs).abs().max() < 0.25 * ours.abs().max()
    files = [path for path in exported.iterdir() if path.suffix not in (".json", ".safetensors")]
    assert files == []
    with safe_open(exported / "model.safetensors", "pt") as opened:
        kinds = {str(opened.get_tensor(name).dtype).removeprefix("torch.") for name in opened.keys()}  # noqa: SIM118
    want = {"int8": {"int8", "bfloat16"}, "fp8": {"float8_e4m3fn", "bfloat16"}}
    assert kinds & {"int8", "float8_e4m3fn", "bfloat16", "float16"} == want.get(dtype, {FORMATS[dtype].torch_dtype})


@pytest.mark.parametrize("dtype", IN_TORCH)
def test_read_twice_an_export_is_the_same_to_the_bit(dtype: str, folder_of: FolderOf, tmp_path: Path):
    exported = written(folder_of("llama"), tmp_path / "out", dtype)
    again = written(folder_of("llama"), tmp_path / "again", dtype)
    assert torch.equal(logits(formats.load(exported)), logits(formats.load(exported)))
    for path in exported.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


@pytest.mark.parametrize(("tied", "heads"), [(True, 2), (False, 4)])
@pytest.mark.parametrize(("dtype", "most"), [("gguf-f16", 2e-3), ("gguf-q8_0", 5e-2)])
def test_gguf_reads_back_to_nearly_the_same_logits(
    dtype: str, most: float, tied: bool, heads: int, folder_of: FolderOf, tmp_path: Path
):
    source = folder_of("llama", tie_embeddings=tied, num_kv_heads=heads)
    exported = written(source, tmp_path / "out", dtype)
    assert sorted(path.name for path in exported.glob("model*")) == ["model.gguf"]
    ours = logits(formats.load(source))
    gap = (ours - logits(gguf_file.load(exported, "model.gguf", source))).abs().max() / ours.abs().max()
    assert 0 < gap < most


def test_gguf_carries_the_tokenizer_and_llama_3_s_positions(folder_of: FolderOf, tmp_path: Path):
    import gguf

    source = tmp_path / "scaled"
    shutil.copytree(folder_of("llama"), source)
    config = json.loads((source / "config.json").read_bytes())
    config["rope_parameters"] = {
        "rope_type": "llama3",
        "rope_theta": 10000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
    }
    (source / "config.json").write_text(json.dumps(config))
    exported = written(source, tmp_path / "out", "gguf-f16")
    reader = gguf.GGUFReader(exported / "model.gguf")
    text = {name: field.contents() for name, field in reader.fields.items() if name.startswith("tokenizer.")}
    assert (text["tokenizer.ggml.model"], text["tokenizer.ggml.pre"]) == ("gpt2", "smollm")
    assert len(text["tokenizer.ggml.tokens"]) == VOCAB_SIZE
    assert text["tokenizer.ggml.tokens"][-1] == f"[PAD{VOCAB_SIZE - 1}]"
    assert text["tokenizer.ggml.eos_token_id"] == 0
    (factors,) = [tensor.data for tensor in reader.tensors if tensor.name == "rope_freqs.weight"]
    plain = AutoConfig.from_pretrained(folder_of("llama"))
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](AutoConfig.from_pretrained(source), torch.device("cpu"))
    width = plain.hidden_size // plain.num_attention_heads
    whole = 1.0 / (10000.0 ** (torch.arange(0, width, 2) / width))
    torch.testing.assert_close(torch.tensor(factors), whole / scaled, rtol=1e-5, atol=0)
    ours = logits(formats.load(source))
    assert (ours - logits(gguf_file.load(exported, "model.gguf", source))).abs().max() < 2e-3 * ours.abs().max()


REFUSED = [
    ("qwen2", "gguf-f16", {}, "is a qwen2: GGUF is written of a llama only"),
    ("llama", "gguf-q8_0", {"hidden_size": 24}, "has rows of 24: Q8_0 takes multiples of 32"),
    ("gpt2", "int8", {}, "a gpt2 keeps its matrices in no linear layers"),
]


@pytest.mark.parametrize(("family", "dtype", "changes", "why"), REFUSED)
def test_what_a_format_cannot_hold_is_refused_with_the_reason(
    family: str, dtype: str, changes: dict[str, int], why: str, folder_of: FolderOf, tmp_path: Path
):
    with pytest.raises(StageError, match=why):
        written(folder_of(family, **changes), tmp_path / "out", dtype)


def test_a_tokenizer_that_llama_cpp_does_not_cut_by_is_refused(folder_of: FolderOf, tmp_path: Path):
    source = tmp_path / "other"
    shutil.copytree(folder_of("llama"), source)
    tokenizer = json.loads((source / "tokenizer.json").read_bytes())
    tokenizer["pre_tokenizer"]["pretokenizers"].insert(0, {"type": "Whitespace"})
    (source / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(StageError, match=r"cuts text in a way that llama\.cpp has no name for"):
        written(source, tmp_path / "out", "gguf-f16")


def test_a_number_too_large_for_fp16_is_refused(folder_of: FolderOf, tmp_path: Path):
    model = formats.load(folder_of("llama"))
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight[0, 0] = 1e5
    model.save_pretrained(tmp_path / "large")
    with pytest.raises(StageError, match=r"layers\.0\.mlp\.up_proj\.weight holds numbers that fp16 cannot"):
        written(tmp_path / "large", tmp_path / "out", "fp16")
