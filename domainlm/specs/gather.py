"""A run and the files that it names, read and checked together into one list of problems."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domainlm.errors import Problem, SpecError
from domainlm.specs.domain import DomainSpec
from domainlm.specs.fit import check_budgets, check_lengths, check_starts
from domainlm.specs.fit_recipe import check_families, check_steps
from domainlm.specs.fit_vocabulary import check_pretrained, check_vocabulary
from domainlm.specs.flow import line, one_of, shown
from domainlm.specs.gating import check_gate
from domainlm.specs.inputs import check_inputs
from domainlm.specs.judged import check_tasks
from domainlm.specs.mix import MixSpec
from domainlm.specs.mixing import check_mix
from domainlm.specs.read import Problems, Reading
from domainlm.specs.run import RunSpec
from domainlm.specs.tokenizer import TokenizerSpec
from domainlm.specs.tree import Key


@dataclass(kw_only=True, slots=True)
class Readings:
    """What was read of a run: files that are no YAML are absent."""

    run: Reading[RunSpec] | None = None
    domains: dict[str, Reading[DomainSpec]] = field(default_factory=dict)
    tokenizer: Reading[TokenizerSpec] | None = None
    mixes: dict[str, Reading[MixSpec]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def root_of(path: Path) -> Path:
    """The nearest folder above `path` that holds `data_specs`. Raises SpecError where there is none."""
    for folder in path.absolute().parents:
        if (folder / "data_specs").is_dir():
            return folder
    want, fix = "a spec below a folder that holds data_specs", f"mkdir -p data_specs/runs && mv {path} data_specs/runs/"
    problem = Problem(file=shown(path), line=0, column=0, key="the file", got="no project", want=want, fix=fix)
    raise SpecError([problem])


def folder_of(root: Path, name: str) -> Path:
    return root / "data_specs" / name


def read_domain(path: Path, root: Path, problems: Problems) -> Reading[DomainSpec] | None:
    reading = problems.read(path, DomainSpec)
    if reading is not None:
        check_inputs(reading, root, problems)
    return reading


def read_tokenizer(path: Path, root: Path, problems: Problems) -> Reading[TokenizerSpec] | None:
    reading = problems.read(path, TokenizerSpec)
    if reading is not None:
        check_pretrained(reading, root, problems)
    return reading


def read_run(path: Path, problems: Problems) -> Readings:
    found = Readings(run=problems.read(path, RunSpec))
    if found.run is None:
        return found
    root = root_of(path)
    # By what the file says, not by the spec: where one key of it is wrong, the files behind the others are read too.
    for key in _names(found.run, ("corpus", "domains")):
        name = found.run.tree.at(key)
        if name in found.domains:
            problems.add(found.run, key, got=f"{name} again", want="each domain once", fix=f"delete `{name}`")
            continue
        file = find_named(found.run, key, name, folder_of(root, "domains"), problems)
        domain = read_domain(file, root, problems) if file else None
        if domain is not None:
            found.domains[name] = domain
    for key in _names(found.run, ("tokenizer",)):
        if file := find_named(found.run, key, found.run.tree.at(key), folder_of(root, "tokenizers"), problems):
            found.tokenizer = read_tokenizer(file, root, problems)
    models = found.run.tree.values.get("models")
    for model in models if isinstance(models, dict) else ():
        for key in _names(found.run, ("models", model, "mix")):
            name = found.run.tree.at(key)
            file = find_named(found.run, key, name, folder_of(root, "mixes"), problems)
            mix = problems.read(file, MixSpec) if file and name not in found.mixes else None
            if mix is not None:
                found.mixes[name] = mix
    _check_domains(found, root, problems)
    if found.run.spec is not None:
        _check_together(found, root, problems)
    return found


def _names(reading: Reading[Any], key: Key) -> Iterable[Key]:
    """Keys of the names at `key`: it holds one, or a list of them; what is no name is told of elsewhere."""
    try:
        value = reading.tree.at(key)
    except KeyError:
        return []
    if isinstance(value, list):
        return [(*key, index) for index, item in enumerate(value) if _is_name(item)]
    return [key] if _is_name(value) else []


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 80 and re.fullmatch(r"[a-z0-9][a-z0-9._-]*", value) is not None


def find_named(
    reading: Reading[Any], key: Key, name: str, folder: Path, problems: Problems, *, at_key: bool = False
) -> Path | None:
    """The file that `name` names, or None, its absence added."""
    path = folder / f"{name}.yaml"
    if path.is_file():
        return path
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    near = difflib.get_close_matches(name, known, 1)
    fix = f"write {shown(path)}"
    if near:
        fix = f"rename it to `{near[0]}`" if at_key else f"write `{line(key[-1], near[0])}`"
    problems.add(reading, key, got=name, want=one_of(known), fix=fix, at_key=at_key)
    return None


def _check_domains(found: Readings, root: Path, problems: Problems) -> None:
    """Mixes and the tokenizer take from the domains of the run, and from no other."""
    run = found.run
    assert run is not None
    known = [run.tree.at(key) for key in _names(run, ("corpus", "domains"))]
    # Where the run names a domain wrongly, it is told once, and not again at each mix that names it rightly.
    unsure = run.explained.touches(("corpus", "domains")) or any(name not in found.domains for name in known)
    takers: list[tuple[Reading[Any], Key]] = [(m, key) for m in found.mixes.values() for key in _ratio_keys(m)]
    if found.tokenizer is not None:
        takers += [(found.tokenizer, (key,)) for key in ("byte_ratio", "max_change")]
    for reading, key in takers:
        try:
            ratio = reading.tree.at(key)
        except KeyError:
            continue
        ratio = ratio if known and isinstance(ratio, dict) else {}
        for name in ratio:
            if name not in known and not (unsure and (root / "data_specs/domains" / f"{name}.yaml").is_file()):
                near = difflib.get_close_matches(name, [other for other in known if other not in ratio], 1)
                add = f"add `{name}` to corpus.domains of {run.tree.file}"
                fix = f"rename it to `{near[0]}`, or {add}" if near else add
                want = f"{one_of(known)}, the domains of the run {run.tree.path.stem}"
                problems.add(reading, (*key, name), got=name, want=want, fix=fix, at_key=True)


def _ratio_keys(mix: Reading[MixSpec]) -> list[Key]:
    """Where the ratios of a mix stand, by what the file says."""
    phases = mix.tree.values.get("phases")
    of_phases: list[Key] = [("phases", i, "token_ratio") for i in range(len(phases) if isinstance(phases, list) else 0)]
    return [("token_ratio",), *of_phases]


def _check_together(found: Readings, root: Path, problems: Problems) -> None:
    run = found.run
    assert run is not None and run.spec is not None
    for name, model in run.spec.models.items():
        if model.recipe is not None and model.recipe not in run.spec.recipes:
            near = difflib.get_close_matches(model.recipe, run.spec.recipes, 1)
            fix = f"write `recipe: {near[0]}`" if near else f"add `{model.recipe}` to recipes"
            key = ("models", name, "recipe")
            problems.add(run, key, got=model.recipe, want=one_of(run.spec.recipes), fix=fix)
    found.warnings += check_tasks(run, root, problems)
    domains = {name: reading.spec for name, reading in found.domains.items() if reading.spec is not None}
    for mix in found.mixes.values():
        check_mix(mix, domains, problems)
    check_starts(run, root, problems)
    check_lengths(run, root, problems)
    check_budgets(run, found.mixes, problems)
    check_families(run, root, problems)
    check_steps(run, found.mixes, problems)
    check_gate(run, problems)
    if found.tokenizer is not None and found.tokenizer.spec is not None:
        found.warnings += check_vocabulary(run, found.tokenizer, root, problems)
