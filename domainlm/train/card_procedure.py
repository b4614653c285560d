"""The part of a model card that says how the model was trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domainlm.specs.recipe import RecipeSpec, ScheduleSpec


def lines(recipe: RecipeSpec, mix: Mapping[str, Any], precision: str, seed: int) -> list[str]:
    """The section, in Markdown; `mix` holds the facts of the mix."""
    schedule, num_steps = recipe.schedule, mix["rows"] // mix["batch_rows"]
    return [
        "### Training Procedure",
        "",
        f"- objective: {recipe.objective}; rows of {recipe.sequence_tokens:,} tokens, "
        f"{recipe.batch_tokens:,} tokens a step, {num_steps:,} steps",
        f"- {'8-bit ' if recipe.optimizer == 'adamw8bit' else ''}AdamW: betas {recipe.betas[0]:g} and "
        f"{recipe.betas[1]:g}, decay {recipe.weight_decay:g} on matrices, gradient norm at most {recipe.clip_norm:g}",
        f"- learning rate: {schedule.shape}, warm-up over {schedule.num_warmup_steps(num_steps) / num_steps:.1%} of "
        f"the steps to {schedule.peak:g}, then {_then(schedule)}",
        *_beside(recipe),
        f"- training regime: {precision}, weights in fp32; seed {seed}",
        "",
    ]


def _then(schedule: ScheduleSpec) -> str:
    if schedule.shape == "constant":
        return "constant"
    by = f"by {schedule.plateau:g} " if schedule.plateau is not None else ""
    return f"{by}down to {schedule.floor:g}"


def _beside(recipe: RecipeSpec) -> list[str]:
    """What else was done: adapters, rounding, a frozen phase, an average."""
    said = []
    if recipe.lora is not None:
        said.append(f"- LoRA of rank {recipe.lora.rank}, alpha {recipe.lora.alpha:g}, on all linear layers; merged")
    if recipe.quantize is not None:
        said.append("- quantization-aware: linear layers multiplied with weights rounded to int8")
    if recipe.freeze is not None:
        said.append("- a first phase in which only embeddings and outer layers learned")
    if recipe.average is not None:
        of = f"the last {recipe.average.last} checkpoints" if recipe.average.last else f"decay {recipe.average.ema:g}"
        said.append(f"- weights averaged: {of}")
    return said
