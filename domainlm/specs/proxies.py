"""A sweep as a run whose models are its proxies: each is made, kept and judged by the very stages of any run."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.specs.explain import Explained
from domainlm.specs.fit import check_budgets, check_lengths, check_starts
from domainlm.specs.fit_recipe import check_families, check_steps
from domainlm.specs.fit_vocabulary import check_vocabulary
from domainlm.specs.flow import line, one_of
from domainlm.specs.gather import Readings, find_named, folder_of, read_run, root_of
from domainlm.specs.mix import MixSpec
from domainlm.specs.mixing import check_mix
from domainlm.specs.read import Problems, Reading
from domainlm.specs.recipe import RecipeSpec
from domainlm.specs.run import ModelSpec, RunSpec
from domainlm.specs.spec import Spec
from domainlm.specs.sweep import SweepSpec
from domainlm.specs.tree import Key


@dataclass(frozen=True, kw_only=True, slots=True)
class Proxies:
    """What becomes of a sweep."""

    sweep: SweepSpec
    found: Readings
    """Of the run that it names."""
    spec: RunSpec
    """The run of the proxies; it has the name of the run that the sweep names, whose stages are shared."""
    mixes: dict[str, MixSpec]


def read_sweep(path: Path, problems: Problems) -> Proxies | None:
    """The sweep at `path` with all that it names; None where mistakes, which are added, leave nothing to be run."""
    reading = problems.read(path, SweepSpec)
    sweep = reading.spec if reading is not None else None
    if reading is None or sweep is None:
        return None
    root = root_of(path)
    file = find_named(reading, ("run",), sweep.run, folder_of(root, "runs"), problems)
    found = read_run(file, problems) if file else None
    run = found.run if found is not None else None
    template = _template(reading, root, found, problems)
    if found is None or run is None or run.spec is None or template is None or template.spec is None:
        return None
    if not _check_names(reading, run.spec, problems):
        return None
    _check_shares(reading, template, problems)
    _check_budgets(reading, _recipes(sweep, run.spec)[sweep.recipe], problems)
    mixes = _mixes(sweep, template.spec)
    spec = _run_of(sweep, run.spec)
    if spec is None:
        objectives = sorted({recipe.objective for recipe in _recipes(sweep, run.spec).values()})
        want = "one objective for the proxies and what they start from: their losses are compared"
        problems.add(reading, ("recipe",), got=" and ".join(objectives), want=want, fix="name another recipe")
        return None
    bases = _base_mixes(reading, spec, root, found, problems)
    made = {name: _seen(reading, mix) for name, mix in mixes.items()}
    _check_together(reading, spec, {**bases, **made}, root, found, problems)
    of_bases = {name: mix.spec for name, mix in bases.items() if mix.spec is not None}
    return Proxies(sweep=sweep, found=found, spec=spec, mixes={**of_bases, **mixes})


def _recipes(sweep: SweepSpec, run: RunSpec) -> dict[str, RecipeSpec]:
    return {**run.recipes, **sweep.recipes}


def _models(sweep: SweepSpec, run: RunSpec) -> dict[str, ModelSpec]:
    return {**run.models, **sweep.models}


def _mix(
    sweep: Reading[SweepSpec], key: Key, name: str, root: Path, found: Readings | None, problems: Problems
) -> Reading[MixSpec] | None:
    """The mix that `key` of the sweep names: as its run has it, else read, and checked where the run could be read."""
    if found is not None and name in found.mixes:
        return found.mixes[name]
    file = find_named(sweep, key, name, folder_of(root, "mixes"), problems)
    mix = problems.read(file, MixSpec) if file else None
    if mix is not None and found is not None:
        check_mix(mix, {name: of.spec for name, of in found.domains.items() if of.spec is not None}, problems)
    return mix


def _template(
    sweep: Reading[SweepSpec], root: Path, found: Readings | None, problems: Problems
) -> Reading[MixSpec] | None:
    """The mix that the sweep names, if its shares can be varied."""
    spec = sweep.spec
    assert spec is not None
    mix = _mix(sweep, ("mix",), spec.mix, root, found, problems)
    if mix is None or mix.spec is None:
        return None
    ratio = mix.spec.token_ratio
    if not ratio:
        got = "phases" if mix.spec.phases else "shares by size"
        want = "a mix with one `token_ratio`, in which the share of the domain is varied"
        problems.add(sweep, ("mix",), got=f"{spec.mix}, which has {got}", want=want, fix="name another mix")
        return None
    known = [*found.domains] if found is not None else []
    strange = [name for name in ratio if known and name not in known]
    if strange:
        want = f"{one_of(known)}, the domains of the run {spec.run}"
        problems.add(
            sweep, ("mix",), got=f"{spec.mix}, which takes from {strange[0]}", want=want, fix="name another mix"
        )
        return None
    others = [name for name, share in ratio.items() if name != spec.domain and share > 0]
    if spec.domain not in ratio or not others:
        near = difflib.get_close_matches(spec.domain, ratio, 1) or list(ratio)
        fix = f"write `domain: {near[0]}`" if spec.domain not in ratio else "name a mix with general text in it"
        want = f"{one_of(ratio)}, the domains of the mix {spec.mix}, beside another one with a share"
        problems.add(sweep, ("domain",), got=spec.domain, want=want, fix=fix)
        return None
    return mix


def _check_names(sweep: Reading[SweepSpec], run: RunSpec, problems: Problems) -> bool:
    """Whether recipe and starts are there; a name that means two things is added, too."""
    spec = sweep.spec
    assert spec is not None
    before = len(problems.found)
    for key, own, theirs in (("recipes", spec.recipes, run.recipes), ("models", spec.models, run.models)):
        for name in own:
            if name in theirs or (key == "models" and name in spec.grid):
                want = f"a name that {key} of the run {spec.run} and the proxies do not have"
                problems.add(sweep, (key, name), got=name, want=want, fix=f"rename it to `{name}-proxy`", at_key=True)
    recipes, models = _recipes(spec, run), _models(spec, run)
    named: list[tuple[Key, str, Iterable[str]]] = [(("recipe",), spec.recipe, recipes)]
    named += [(("proxies", index), name, models) for index, name in enumerate(spec.proxies)]
    for name, model in spec.models.items():
        named += [(("models", name, "recipe"), model.recipe, recipes)] if model.recipe is not None else []
    for key, name, known in named:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            fix = f"write `{line(key[-1], near[0])}`" if near else f"add `{name}` to `{key[0]}`"
            problems.add(sweep, key, got=name, want=one_of(known), fix=fix)
    return len(problems.found) == before


def _check_shares(sweep: Reading[SweepSpec], template: Reading[MixSpec], problems: Problems) -> None:
    """Add each share that leaves less of a domain than the mix's floor."""
    spec, mix = sweep.spec, template.spec
    assert spec is not None and mix is not None
    for index, share in enumerate(spec.domain_shares):
        ratio = _ratio(mix, spec.domain, share)
        for domain, floor in mix.min_replay.items():
            if ratio.get(domain, 0.0) < floor:
                got = f"{share:g}, which leaves {domain} {ratio.get(domain, 0.0):g}"
                want = f"at least {floor:g} of {domain}: `min_replay` of the mix {mix.name}"
                problems.add(sweep, ("domain_shares", index), got=got, want=want, fix=f"delete `{share:g}`")


def _check_budgets(sweep: Reading[SweepSpec], recipe: RecipeSpec, problems: Problems) -> None:
    """Add each budget that is smaller than a batch."""
    spec = sweep.spec
    assert spec is not None
    for index, tokens in enumerate(spec.budget_tokens):
        if tokens < recipe.batch_tokens:
            want = f"at least one batch of {spec.recipe}: {recipe.batch_tokens} tokens"
            fix = f"write `- {recipe.batch_tokens}`"
            problems.add(sweep, ("budget_tokens", index), got=str(tokens), want=want, fix=fix)


def _ratio(mix: MixSpec, domain: str, share: float) -> dict[str, float]:
    """The mix's ratio with another share of the domain; the others keep their proportions, to nine decimals."""
    rest = sum(part for name, part in mix.token_ratio.items() if name != domain)
    scaled = {n: round(part * (1 - share) / rest, 9) for n, part in mix.token_ratio.items() if n != domain}
    return {name: share if name == domain else scaled[name] for name in mix.token_ratio}


def _mixes(sweep: SweepSpec, template: MixSpec) -> dict[str, MixSpec]:
    made = {}
    for share in sweep.domain_shares:
        ratio = _ratio(template, sweep.domain, share)
        # A rule for the sources of a domain that has no share here is none of this mix's.
        inside = {name: rule for name, rule in template.inside.items() if ratio.get(name)}
        for tokens in sweep.budget_tokens:
            changes: dict[str, Any] = {"token_ratio": ratio, "inside": inside, "budget_tokens": tokens}
            name = sweep.mix_name(share, tokens)
            made[name] = template.model_copy(update=changes | {"name": name, "description": ""})
    return made


def _run_of(sweep: SweepSpec, run: RunSpec) -> RunSpec | None:
    """The run of the proxies and of what they start from; None where their objectives differ."""
    recipes, models = _recipes(sweep, run), _models(sweep, run)
    needed: dict[str, ModelSpec] = {}
    for proxy in sweep.proxies:
        name: str | None = proxy
        while name in models and name not in needed:
            needed[name] = models[name]
            name = models[name].start
    adapted = {
        name: ModelSpec(start=start, mix=sweep.mix_name(share, tokens), recipe=sweep.recipe)
        for name, (start, share, tokens) in sweep.grid.items()
    }
    of_all = {**needed, **adapted}
    used = {model.recipe: recipes[model.recipe] for model in of_all.values() if model.recipe is not None}
    if len({recipe.objective for recipe in used.values()}) > 1:
        return None
    judged = run.evaluate.model_copy(update={"suites": (), "tasks": ()})
    changes = {"title": "", "recipes": used, "models": of_all, "evaluate": judged, "gate": None}
    return run.model_copy(update=changes)


def _base_mixes(
    sweep: Reading[SweepSpec], spec: RunSpec, root: Path, found: Readings, problems: Problems
) -> dict[str, Reading[MixSpec]]:
    """What the models are trained on that proxies start from."""
    assert sweep.spec is not None
    bases: dict[str, Reading[MixSpec]] = {}
    for name, model in spec.models.items():
        if name in sweep.spec.grid or model.mix is None or model.mix in bases:
            continue
        mix = _mix(sweep, ("models", name, "mix"), model.mix, root, found, problems)
        if mix is not None:
            bases[model.mix] = mix
    return bases


def _check_together(
    sweep: Reading[SweepSpec],
    spec: RunSpec,
    mixes: dict[str, Reading[MixSpec]],
    root: Path,
    found: Readings,
    problems: Problems,
) -> None:
    """What is checked of any run, of this one: in the sweep's file where that says it, else in the run's."""
    run = found.run
    assert run is not None
    made, routed = _seen(sweep, spec), _Routed(sweep=sweep, run=run)
    check_starts(made, root, routed)
    check_lengths(made, root, routed)
    check_families(made, root, routed)
    check_budgets(made, {name: mix for name, mix in mixes.items() if mix.tree is not sweep.tree}, problems)
    check_steps(made, mixes, routed)
    if found.tokenizer is not None and found.tokenizer.spec is not None:
        found.warnings += check_vocabulary(made, found.tokenizer, root, routed)
    problems.found += routed.found


@dataclass(kw_only=True, slots=True)
class _Routed(Problems):
    """Mistakes in a run that was made here, each in the file that says what is wrong."""

    sweep: Reading[SweepSpec]
    run: Reading[RunSpec]

    def add(self, reading: Reading[Any], key: Key, *, got: str, want: str, fix: str, at_key: bool = False) -> None:
        try:
            self.sweep.tree.at(key[:2])
            told: Reading[Any] = self.sweep
        except KeyError:
            told = self.run
        Problems.add(self, told, key, got=got, want=want, fix=fix, at_key=at_key)


def _seen(sweep: Reading[SweepSpec], spec: Spec) -> Reading[Any]:
    """A spec that was made here, as if the sweep's file said it."""
    return Reading(tree=sweep.tree, explained=Explained(spec=spec, problems=()))
