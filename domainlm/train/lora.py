"""Adapters of low rank, by `peft`: trained alone, and exported beside the model that they make (arXiv:2106.09685)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedModel

from domainlm.digest import seed_for
from domainlm.specs.recipe import LoraSpec

FOLDER = "adapter"


def _config(spec: LoraSpec, kind: str) -> LoraConfig:
    # GPT-2 keeps its matrices the other way around.
    turned = kind == "gpt2"
    alpha: Any = spec.alpha  # peft says that it is whole, and only divides it by the rank
    return LoraConfig(r=spec.rank, lora_alpha=alpha, target_modules="all-linear", fan_in_fan_out=turned)


def adapt(model: PreTrainedModel, spec: LoraSpec, seed: int) -> None:
    """Freeze the model and put an adapter beside each of its linear layers, the output's left out."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "lora"))
        inject_adapter_in_model(_config(spec, model.config.model_type), model)
    model.eval()


def merged(blueprint: PreTrainedModel, weights: Mapping[str, Any], spec: LoraSpec) -> dict[str, Tensor]:
    """The weights of the model that the adapted one's `weights` make, in fp32; `blueprint` is it without any."""
    inject_adapter_in_model(_config(spec, blueprint.config.model_type), blueprint)
    blueprint.load_state_dict({name: tensor.float() for name, tensor in weights.items()}, assign=True, strict=False)
    for module in blueprint.modules():
        if isinstance(module, BaseTunerLayer):
            module.merge()
    whole = blueprint.state_dict()
    return {name.replace(".base_layer.", "."): tensor for name, tensor in whole.items() if ".lora_" not in name}


def save(weights: Mapping[str, Any], folder: Path, *, spec: LoraSpec, kind: str, base: str) -> None:
    """Write the adapters among `weights`, of a model of that kind, into `folder`, as `peft` reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    config = _config(spec, kind)
    config.base_model_name_or_path = base
    config.inference_mode = True
    config.save_pretrained(str(folder))
    adapters = {
        f"base_model.model.{name.replace('.default.', '.')}": tensor.contiguous()
        for name, tensor in weights.items()
        if ".lora_" in name
    }
    save_file(adapters, folder / "adapter_model.safetensors", metadata={"format": "pt"})
