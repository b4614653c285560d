"""The one door to `gguf`: a Llama as the single file that llama.cpp reads, F16 or Q8_0."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from domainlm.errors import StageError
from domainlm.specs.byte_level import CL100K

_GPT2 = "ByteLevel"
_CUTS: dict[tuple[str, ...], str] = {
    (_GPT2,): "gpt-2",
    ("Digits", _GPT2): "smollm",
    (CL100K % r"\p{N}{1,3}",): "smaug-bpe",
    (CL100K % r"\p{N}",): "qwen2",
}
"""What llama.cpp calls the ways to cut a text that we and the published Llamas use (its `tokenizer.ggml.pre`)."""


def write(source: Path, path: Path, *, kind: str, license_name: str) -> None:
    """Write the Llama in the folder `source` as `path`; `kind` is `f16` or `q8_0`. StageError where it can't be done.

    llama.cpp turns neighbouring numbers of a head where transformers turns its two halves: the rows of queries and keys
    are put in that order.
    """
    gguf = _library()
    config = json.loads((source / "config.json").read_bytes())
    _check(source, config, kind)
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer, config, source.name, license_name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if kind == "f16" else gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _add_tokenizer(writer, gguf, source, config)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    factors = _rope_factors(config)
    if factors is not None:
        writer.add_tensor("rope_freqs.weight", factors)
    for name, values in _tensors(source):
        if name == "lm_head.weight" and config.get("tie_word_embeddings"):
            continue
        own = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if own is None:
            raise StageError(f"{source}: GGUF has no place for {name}")
        turned = _turned(name, values, config)
        if turned.ndim == 1:
            writer.add_tensor(own, turned.astype(np.float32))
        elif kind == "f16":
            writer.add_tensor(own, turned.astype(np.float16))
        else:
            q8_0 = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(own, gguf.quants.quantize(turned, q8_0), raw_dtype=q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def load(folder: Path, name: str, like: Path) -> Any:
    """The model of a GGUF file as transformers reads it, in fp32; GGUF keeps no rope scaling: that is `like`'s."""
    _library()
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    config = AutoConfig.from_pretrained(folder, gguf_file=name, local_files_only=True)
    config.rope_parameters = AutoConfig.from_pretrained(like, local_files_only=True).rope_parameters
    options = {"config": config, "gguf_file": name, "local_files_only": True, "trust_remote_code": False}
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options).eval()


def _library() -> Any:
    try:
        import gguf
    except ImportError as error:
        raise StageError("`--dtype gguf-f16` and `gguf-q8_0` need gguf: pip install 'domainlm[gguf]'") from error
    return gguf


def _check(source: Path, config: dict[str, Any], kind: str) -> None:
    family = config.get("model_type")
    if family != "llama":
        raise StageError(f"{source} is a {family}: GGUF is written of a llama only, whose rows have a known order")
    rope = (config.get("rope_parameters") or {}).get("rope_type", "default")
    if rope not in ("default", "llama3"):
        raise StageError(f"{source} scales its rotary positions by {rope!r}, for which no GGUF is written")
    widths = {config["hidden_size"], config["intermediate_size"]}
    if kind == "q8_0" and any(width % 32 for width in widths):
        raise StageError(f"{source} has rows of {min(widths):,}: Q8_0 takes multiples of 32; export gguf-f16")


def _describe(writer: Any, config: dict[str, Any], name: str, license_name: str) -> None:
    heads = config["num_attention_heads"]
    writer.add_name(name)
    writer.add_license(license_name)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads") or heads)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(config.get("head_dim") or config["hidden_size"] // heads)
    writer.add_rope_freq_base(float((config.get("rope_parameters") or config).get("rope_theta", 10000.0)))
    writer.add_vocab_size(config["vocab_size"])


def _add_tokenizer(writer: Any, gguf: Any, source: Path, config: dict[str, Any]) -> None:
    content = json.loads((source / "tokenizer.json").read_bytes())
    model = content["model"]
    if model["type"] != "BPE":
        raise StageError(f"{source} has a {model['type']} tokenizer of bytes, which llama.cpp does not read: only BPE")
    pre = _CUTS.get(_cuts(content.get("pre_tokenizer")))
    if pre is None or (content.get("normalizer") is not None and pre != "qwen2"):
        raise StageError(f"{source}: its tokenizer cuts text in a way that llama.cpp has no name for")
    pre = "llama-bpe" if pre == "smaug-bpe" and model.get("ignore_merges") else pre
    added = {token["id"]: token for token in content["added_tokens"]}
    by_id = {number: text for text, number in model["vocab"].items()} | {n: t["content"] for n, t in added.items()}
    kinds = gguf.TokenType
    tokens, types = [], []
    for number in range(config["vocab_size"]):
        special = number in added and added[number]["special"]
        kind = kinds.CONTROL if special else kinds.USER_DEFINED if number in added else kinds.NORMAL
        tokens.append(by_id.get(number, f"[PAD{number}]"))
        types.append(kind if number in by_id else kinds.UNUSED)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]])
    for name, add in (("bos_token_id", writer.add_bos_token_id), ("eos_token_id", writer.add_eos_token_id)):
        ids = config.get(name)
        if ids is not None:
            add(ids[0] if isinstance(ids, list) else ids)
    from tokenizers import Tokenizer

    first = Tokenizer.from_file(str(source / "tokenizer.json")).encode("a").ids[0]
    writer.add_add_bos_token(first == config.get("bos_token_id"))


def _cuts(pre_tokenizer: dict[str, Any] | None) -> tuple[str, ...]:
    """The steps by which a tokenizer cuts a text, bytes apart."""
    steps = (pre_tokenizer or {}).get("pretokenizers", [pre_tokenizer] if pre_tokenizer else [])
    found = []
    for step in steps:
        if step["type"] == "ByteLevel":
            found += [_GPT2] if step.get("use_regex", True) else []
        elif step["type"] == "Split":
            found.append(step["pattern"].get("Regex", ""))
        else:
            found.append(step["type"])
    return tuple(found)


def _tensors(source: Path) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    from safetensors import safe_open

    for file in sorted(source.glob("*.safetensors")):
        with safe_open(file, "pt") as opened:
            for name in sorted(opened.keys()):
                yield name, opened.get_tensor(name).float().numpy()


def _turned(name: str, values: npt.NDArray[np.float32], config: dict[str, Any]) -> npt.NDArray[np.float32]:
    heads = config["num_attention_heads"]
    if ".k_proj." in name:
        heads = config.get("num_key_value_heads") or heads
    elif ".q_proj." not in name:
        return values
    halves = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(values.shape))


def _rope_factors(config: dict[str, Any]) -> npt.NDArray[np.float32] | None:
    """By what Llama 3.1 divides its frequencies; None where they are as they were. Source: its released code."""
    rope = config.get("rope_parameters") or {}
    if rope.get("rope_type") != "llama3":
        return None
    width = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    waves = 2 * math.pi * rope["rope_theta"] ** (np.arange(0, width, 2) / width)
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    smooth = (rope["original_max_position_embeddings"] / waves - low) / (high - low)
    smooth = np.clip(smooth, 0.0, 1.0)
    return (1 / ((1 - smooth) / rope["factor"] + smooth)).astype(np.float32)
