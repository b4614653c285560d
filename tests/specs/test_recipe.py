"""What a recipe and an architecture cannot be, each with a fix that mends it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from domainlm.specs.architecture import ArchitectureSpec
from domainlm.specs.recipe import RecipeSpec
from domainlm.specs.run import RunSpec
from domainlm.specs.spec import Mistake, Spec

RECIPE = {"sequence_tokens": 256, "batch_tokens": 8192, "schedule": {"peak": 1e-3}}
ARCHITECTURE = {
    "family": "llama",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_layers": 2,
    "num_heads": 4,
    "max_position": 256,
}


def mistake_of(kind: type[Spec], content: dict[str, Any]) -> Mistake:
    with pytest.raises(ValidationError) as raised:
        kind.model_validate(content)
    (error,) = raised.value.errors()
    found = error["ctx"]["error"]
    assert isinstance(found, Mistake)
    return found


SCHEDULES = [
    ({"shape": "constant", "floor": 1e-4}, "floor", "nothing: a constant rate has none"),
    ({"floor": 1.0}, "floor", "at most the peak, 0.001"),
    ({"shape": "infinite", "floor": 1e-5}, "plateau", "a rate"),
    ({"shape": "infinite", "plateau": 5e-4}, "floor", "more than 0: the rate falls exponentially"),
    ({"shape": "infinite", "plateau": 5e-4, "floor": 6e-4}, "floor", "at most the plateau, 0.0005"),
    ({"shape": "infinite", "plateau": 2e-3, "floor": 1e-5}, "plateau", "at most the peak, 0.001"),
    ({"plateau": 5e-4}, "plateau", "nothing: `cosine` has none"),
    ({"warmup_share": 0.1, "warmup_steps": 5}, "warmup_steps", "a share or steps"),
    ({"shape": "wsd", "warmup_share": 0.5, "decay_share": 0.6}, "decay_share", "at most 1 for the shares together"),
]


@pytest.mark.parametrize(("changes", "key", "want"), SCHEDULES)
def test_a_schedule_that_cannot_be_is_named(changes, key, want):
    found = mistake_of(RecipeSpec, RECIPE | {"schedule": {"peak": 1e-3} | changes})
    assert (found.key, found.want) == (key, want)
    assert found.fix or found.changes


RECIPES = [
    ({"parallel": {"strategy": "single", "ranks": 2}}, "ranks", "1: `single` is one process"),
    ({"parallel": {"strategy": "hybrid"}}, "shard_ranks", "the ranks that share one model"),
    (
        {"parallel": {"strategy": "hybrid", "ranks": 6, "shard_ranks": 4}},
        "ranks",
        "a multiple of shard_ranks, 4",
    ),
    ({"parallel": {"shard_ranks": 4}}, "shard_ranks", "nothing: `fsdp` has no groups"),
    ({"parallel": {"ranks": 3}}, "batch_tokens", "a multiple of sequence_tokens x ranks, 768"),
    ({"freeze": {}}, "steps", "a share or steps"),
    ({"freeze": {"steps": 3, "share": 0.5}}, "steps", "a share or steps"),
    ({"average": {}}, "last", "`last` or `ema`"),
    (
        {"lora": {}, "freeze": {"steps": 3}},
        "freeze",
        "one of `lora` and `freeze`: with adapters all else is frozen already",
    ),
    (
        {"lora": {}, "quantize": "int8_qat"},
        "quantize",
        "one of `quantize` and `lora`: an adapter's product is in no weight that could be rounded",
    ),
    ({"quantize": "int8_qat", "precision": "fp8"}, "precision", "`bf16`: weights are rounded to int8 already"),
    ({"lora": {}, "precision": "fp8"}, "precision", "`bf16`: adapters are not multiplied in 8 bits"),
    (
        {"optimizer": "adamw8bit", "parallel": {"offload": True}},
        "optimizer",
        "`adamw`: 8-bit moments are for the GPU's memory, and offload keeps them in the host's",
    ),
]


@pytest.mark.parametrize(("changes", "key", "want"), RECIPES)
def test_a_recipe_that_cannot_be_is_named(changes, key, want):
    found = mistake_of(RecipeSpec, RECIPE | changes)
    assert (found.key, found.want) == (key, want)
    assert found.fix or found.changes


ARCHITECTURES = [
    ({"family": "gpt2", "num_kv_heads": 2}, "num_kv_heads", "4, as many as num_heads: gpt2 does not share them"),
    ({"family": "bloom"}, "intermediate_size", "256, four times hidden_size, as every bloom has it"),
    ({"family": "t5", "tie_embeddings": False}, "tie_embeddings", "true: t5 has one matrix for both"),
    ({"hidden_size": 68}, "hidden_size", "a multiple of 2 x num_heads, 8"),
    ({"family": "gpt2", "hidden_size": 66}, "hidden_size", "a multiple of num_heads, 4"),
    ({"num_kv_heads": 3, "hidden_size": 96}, "num_heads", "a multiple of num_kv_heads, 3"),
]


@pytest.mark.parametrize(("changes", "key", "want"), ARCHITECTURES)
def test_an_architecture_that_cannot_be_is_named_and_its_change_mends_it(changes, key, want):
    found = mistake_of(ArchitectureSpec, ARCHITECTURE | changes)
    assert (found.key, found.want) == (key, want)
    ArchitectureSpec.model_validate(ARCHITECTURE | changes | found.changes)


def run_of(objectives: list[str], suites: list[str]) -> dict[str, Any]:
    models = {name: {"start": f"hf:a/{name}", "mix": "m", "recipe": name} for name in objectives}
    return {
        "name": "r",
        "corpus": {"domains": ("a",)},
        "tokenizer": "t",
        "recipes": {name: RECIPE | {"objective": name} for name in objectives},
        "models": models,
        "evaluate": {"suites": tuple(suites)},
    }


def test_models_of_different_objectives_are_not_put_into_one_run():
    found = mistake_of(RunSpec, run_of(["causal", "masked"], []))
    assert (found.key, found.got) == ("recipes", "causal and masked")


def test_models_without_likelihoods_are_not_given_tasks_that_are_scored_by_them():
    found = mistake_of(RunSpec, run_of(["masked"], ["general"]))
    assert found.want == "no suites: tasks are scored by likelihoods, which masked models do not have"
    RunSpec.model_validate(run_of(["masked"], []))
