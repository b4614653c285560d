"""The formats that a model can be exported in, and a folder in each: safetensors or GGUF, never pickle."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.errors import StageError

GGUF_NAME = "model.gguf"
_TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "vocab.txt", "merges.txt", "*.model", "chat_template.jinja"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """How the numbers of a model are stored."""

    name: str
    """As `--dtype` has it."""
    torch_dtype: str = ""
    """Of what is not in 8 bits; empty for GGUF, which is read by other programs than torch."""
    weights: str = ""
    """`int8` or `fp8`, where linear layers are stored in 8 bits."""
    says: str = ""
    """What stands in it, for a person."""

    @property
    def is_8bit(self) -> bool:
        return bool(self.weights) or self.name == "gguf-q8_0"

    @property
    def is_gguf(self) -> bool:
        return self.name.startswith("gguf")


_REST = "embeddings, norms and the output in bf16"
FORMATS = {
    form.name: form
    for form in (
        Format(name="fp32", torch_dtype="float32", says="4 bytes a number, as trained"),
        Format(name="bf16", torch_dtype="bfloat16", says="2 bytes a number, fp32's range, 8 bits of precision"),
        Format(name="fp16", torch_dtype="float16", says="2 bytes a number, 11 bits of precision, up to 65,504"),
        Format(
            name="int8",
            torch_dtype="bfloat16",
            weights="int8",
            says=f"linear layers in int8, a scale for each row of a matrix, by torchao; {_REST}",
        ),
        Format(
            name="fp8",
            torch_dtype="bfloat16",
            weights="fp8",
            says=f"linear layers in fp8 (e4m3), a scale for each row of a matrix, by torchao; {_REST}",
        ),
        Format(name="gguf-f16", says="GGUF for llama.cpp: matrices in fp16, norms in fp32"),
        Format(
            name="gguf-q8_0", says="GGUF for llama.cpp: matrices in int8, a scale for each 32 numbers; norms in fp32"
        ),
    )
}
"""By name. Weight-only 8 bits: products are computed in the precision around them."""


def write(source: Path, into: Path, form: Format, *, license_name: str) -> None:
    """Write the model of the folder `source` into `into`, which is made anew, with its tokenizer.

    Raises StageError where the format cannot hold the model, saying why.
    """
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    if form.is_gguf:
        from domainlm.export import gguf_file

        gguf_file.write(source, into / GGUF_NAME, kind=form.name.removeprefix("gguf-"), license_name=license_name)
    else:
        _save(source, into, form)
    for pattern in _TOKENIZER_FILES:
        for file in source.glob(pattern):
            shutil.copyfile(file, into / file.name)


def _save(source: Path, into: Path, form: Format) -> None:
    import torch

    model = load(source, form)
    if form.weights:
        from domainlm.train import quantize

        if not quantize.linear_names(model):
            raise quantize.no_linear_layer(model)
    else:
        large = [name for name, p in model.named_parameters() if not bool(torch.isfinite(p).all())]
        if large:
            raise StageError(f"{source}: {large[0]} holds numbers that {form.name} cannot: export it as bf16")
    model.save_pretrained(into)
    for file in into.glob("*.safetensors"):
        _put_in_order(file)


def _put_in_order(file: Path) -> None:
    """The same bytes whatever order its metadata was hashed in: a header is its length, JSON, and blanks to 8 bytes."""
    content = file.read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:begin])
    if "__metadata__" in header:
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    written = json.dumps(header, separators=(",", ":")).encode()
    written += b" " * (-len(written) % 8)
    file.write_bytes(len(written).to_bytes(8, "little") + written + content[begin:])


def load(folder: Path, form: Format | None = None) -> Any:
    """The model in `folder`, in evaluation; as it is stored there, or turned into `form`."""
    import torch
    from transformers import AutoConfig
    from transformers.utils.logging import disable_progress_bar

    from domainlm.specs.architecture import objective_of
    from domainlm.train.model import LOADERS

    disable_progress_bar()
    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    try:
        config = AutoConfig.from_pretrained(folder, **options)
        loader = LOADERS[objective_of(config.model_type)]
        if form is not None and form.weights:
            options["quantization_config"] = _by_torchao(form)
        dtype: Any = getattr(torch, form.torch_dtype) if form is not None else "auto"
        model = loader.from_pretrained(folder, dtype=dtype, use_safetensors=True, **options)
    except (OSError, ValueError, KeyError) as error:
        raise StageError(f"no language model can be loaded from {folder}: {error}") from error
    return model.eval()


def _by_torchao(form: Format) -> Any:
    from domainlm.train import quantize

    chosen = quantize.weight_only(form.weights)
    from transformers import TorchAoConfig

    return TorchAoConfig(chosen)
