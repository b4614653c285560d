"""The recipes of a run fit the models that they train, and the steps that the mixes give them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from domainlm.specs.architecture import FAMILIES, objective_of
from domainlm.specs.fit import config_of, origin_of
from domainlm.specs.mix import MixSpec
from domainlm.specs.read import Problems, Reading
from domainlm.specs.recipe import RecipeSpec
from domainlm.specs.run import RunSpec
from domainlm.specs.tree import Key


def check_families(run: Reading[RunSpec], root: Path, problems: Problems) -> None:
    """Add each recipe whose objective does not train the family of its model, or that adapts a model without weights;
    and each model in a local folder whose family was not tested on packed rows. A model on the hub is seen later."""
    spec = run.spec
    assert spec is not None
    for name, model in spec.models.items():
        origin, recipe = origin_of(spec, name), spec.recipes.get(model.recipe or "")
        if origin is None or recipe is None:
            continue
        key: Key = ("recipes", model.recipe or "")
        architecture = spec.models[origin.model].architecture
        family = architecture.family if architecture else config_of(origin.outside, root).get("model_type")
        if family is not None and family not in FAMILIES:
            want = f"a model of one of the families {', '.join(sorted(FAMILIES))}"
            fix = "start from another model: of this family, packed documents were not tested not to see each other"
            problems.add(run, ("models", origin.model, "start"), got=f"a {family}", want=want, fix=fix)
        elif family is not None and objective_of(family) != recipe.objective:
            want = f"{objective_of(family)}, which trains a {family} such as {origin.model}"
            fix = f"write `objective: {objective_of(family)}`"
            problems.add(run, (*key, "objective"), got=recipe.objective, want=want, fix=fix)
        if recipe.quantize is not None and family == "gpt2":
            want = f"nothing: torchao rounds linear layers, and a {family} such as {origin.model} has none"
            problems.add(run, (*key, "quantize"), got=recipe.quantize, want=want, fix="delete `quantize`")
        if recipe.lora is not None and model.architecture is not None:
            want = f"nothing: {name} is made from scratch, and adapters need weights that they adapt"
            problems.add(run, (*key, "lora"), got="lora", want=want, fix="delete `lora`, or give it to another recipe")


def check_steps(run: Reading[RunSpec], mixes: Mapping[str, Reading[MixSpec]], problems: Problems) -> None:
    """Add what a recipe counts in steps and has no room in the steps that a mix gives it."""
    spec = run.spec
    assert spec is not None
    told: set[Key] = set()
    for name, model in spec.models.items():
        recipe, mix = spec.recipes.get(model.recipe or ""), mixes.get(model.mix or "")
        if recipe is None or mix is None or mix.spec is None or mix.spec.total_tokens < recipe.batch_tokens:
            continue
        num_steps = mix.spec.total_tokens // recipe.batch_tokens
        for key, steps, most, field in _counted(recipe, num_steps):
            where = ("recipes", model.recipe or "", *key)
            if where in told:
                continue
            told.add(where)
            want = f"at most {most}: {model.mix} gives {name} {num_steps} steps"
            got, fix = f"{field}: {steps}", f"write `{field}: {most}`"
            problems.add(run, where, got=got, want=want, fix=fix)


def _counted(recipe: RecipeSpec, num_steps: int) -> Iterator[tuple[Key, int, int, str]]:
    """Key, value, highest value and name of what is too high for so many steps."""
    warmup, freeze, average = recipe.schedule.warmup_steps, recipe.freeze, recipe.average
    if warmup is not None and warmup > num_steps:
        yield ("schedule", "warmup_steps"), warmup, num_steps, "warmup_steps"
    if freeze is not None and freeze.steps is not None and freeze.steps > num_steps:
        yield ("freeze", "steps"), freeze.steps, num_steps, "steps"
    if average is not None and average.last is not None:
        num_checkpoints = -(-num_steps // recipe.checkpoint_steps)
        if average.last > num_checkpoints >= 2:
            yield ("average", "last"), average.last, num_checkpoints, "last"
        elif num_checkpoints < 2:
            # One checkpoint is no average.
            yield ("checkpoint_steps",), recipe.checkpoint_steps, max(1, num_steps // average.last), "checkpoint_steps"
