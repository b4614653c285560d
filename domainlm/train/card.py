"""The model card: from which model, on which tokens, by which recipe, and under which licences the text came."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from domainlm.specs.recipe import RecipeSpec, ScheduleSpec
from domainlm.train.config import TrainConfig

FILE_NAME = "README.md"
_KINDS = {
    "causal": "A causal language model",
    "masked": "A masked language model",
    "span_corruption": "A text-to-text model, trained to fill in spans,",
}
_TAGS = {"causal": "text-generation", "masked": "fill-mask", "span_corruption": "text2text-generation"}


def card(config: TrainConfig, *, mix: Mapping[str, Any], num_parameters: int, precision: str) -> str:
    """The README.md of a model folder, with the hub's metadata; `mix` holds the facts of its mix."""
    recipe = config.recipe
    schedule = recipe.schedule
    begun = f"continued pretraining of {config.base_name}" if config.base_name else "pretraining from scratch"
    tokens = mix["rows"] * mix["sequence_tokens"]
    num_steps = mix["rows"] // mix["batch_rows"]
    table = [
        (name, f"{source['rows'] / mix['rows']:.2%}", f"{source['tokens']:,}", config.licenses.get(name, "not stated"))
        for name, source in mix["sources"].items()
    ]
    lines = [
        *_metadata(config),
        f"# {config.name}",
        "",
        f"{_KINDS[recipe.objective]} of {num_parameters:,} parameters: {begun} on {tokens:,} tokens, by domainlm.",
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
        f"- {'8-bit ' if recipe.optimizer == 'adamw8bit' else ''}AdamW: betas {recipe.betas[0]:g} and "
        f"{recipe.betas[1]:g}, decay {recipe.weight_decay:g} on matrices, gradient norm at most {recipe.clip_norm:g}",
        f"- learning rate: {schedule.shape}, warm-up over {schedule.num_warmup_steps(num_steps) / num_steps:.1%} of "
        f"the steps to {schedule.peak:g}, then {_then(schedule)}",
        *_beside(recipe),
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
    tag = _TAGS[config.recipe.objective]
    return ["---", *base, "library_name: transformers", f"pipeline_tag: {tag}", "tags: [domainlm]", "---", ""]


def _then(schedule: ScheduleSpec) -> str:
    if schedule.shape == "constant":
        return "constant"
    by = f"by {schedule.plateau:g} " if schedule.plateau is not None else ""
    return f"{by}down to {schedule.floor:g}"


def _beside(recipe: RecipeSpec) -> list[str]:
    """What else was done: adapters, a frozen phase, an average."""
    lines = []
    if recipe.lora is not None:
        lines.append(f"- LoRA of rank {recipe.lora.rank}, alpha {recipe.lora.alpha:g}, on all linear layers; merged")
    if recipe.freeze is not None:
        lines.append("- a first phase in which only embeddings and outer layers learned")
    if recipe.average is not None:
        of = f"the last {recipe.average.last} checkpoints" if recipe.average.last else f"decay {recipe.average.ema:g}"
        lines.append(f"- weights averaged: {of}")
    return lines
