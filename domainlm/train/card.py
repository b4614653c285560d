"""The model card: from which model, on which tokens, by which recipe, and under which licences the text came."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from domainlm.train.config import TrainConfig

FILE_NAME = "README.md"


def card(config: TrainConfig, *, mix: Mapping[str, Any], num_parameters: int, precision: str) -> str:
    """The README.md of a model folder, with the hub's metadata; `mix` holds the facts of its mix."""
    recipe = config.recipe
    schedule = recipe.schedule
    begun = f"continued pretraining of {config.base_name}" if config.base_name else "pretraining from scratch"
    tokens = mix["rows"] * mix["sequence_tokens"]
    table = [
        (name, f"{source['rows'] / mix['rows']:.2%}", f"{source['tokens']:,}", config.licenses.get(name, "not stated"))
        for name, source in mix["sources"].items()
    ]
    lines = [
        *_metadata(config),
        f"# {config.name}",
        "",
        f"A causal language model of {num_parameters:,} parameters: {begun} on {tokens:,} tokens, by domainlm.",
        "",
        "## Training data",
        "",
        "| source | share | tokens | licence |",
        "|---|---:|---:|---|",
        *("| " + " | ".join(row) + " |" for row in table),
        "",
        "## Recipe",
        "",
        f"- objective: {recipe.objective}; rows of {recipe.sequence_tokens:,} tokens, "
        f"{recipe.batch_tokens:,} tokens a step",
        f"- AdamW: betas {recipe.betas[0]:g} and {recipe.betas[1]:g}, decay {recipe.weight_decay:g} on matrices, "
        f"gradient norm at most {recipe.clip_norm:g}",
        f"- learning rate: {schedule.shape}, warm-up over {schedule.warmup_share:.1%} of the steps "
        f"to {schedule.peak:g}, then down to {schedule.floor:g}",
        f"- precision: {precision}, weights in fp32; seed {config.seed}",
        "",
        "## Limits",
        "",
        "The model repeats what its training text says, errors and bias included, and was not tuned to follow",
        "instructions. Judge it by the run's report, on text that it was not trained on.",
        "",
    ]
    return "\n".join(lines)


def _metadata(config: TrainConfig) -> list[str]:
    """The hub's YAML header. JSON strings are YAML strings, whatever stands in them."""
    base = [f"base_model: {json.dumps(config.base_name)}"] if config.base_name else []
    return ["---", *base, "library_name: transformers", "pipeline_tag: text-generation", "tags: [domainlm]", "---", ""]
