"""A spec and all that it names, checked together: every mistake of every file at once, before any work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from domainlm.errors import Problem, SpecError
from domainlm.specs.domain import DomainSpec
from domainlm.specs.flow import shown
from domainlm.specs.gather import Readings, find_named, folder_of, read_domain, read_run, read_tokenizer, root_of
from domainlm.specs.kinds import KINDS, Kind, kind_of
from domainlm.specs.mix import MixSpec
from domainlm.specs.mixing import check_mix, ratio_keys
from domainlm.specs.packages import check_packages
from domainlm.specs.proxies import read_sweep
from domainlm.specs.read import Problems, Reading
from domainlm.specs.run import RunSpec
from domainlm.specs.spec import Spec
from domainlm.specs.sweep import SweepSpec
from domainlm.specs.tokenizer import TokenizerSpec
from domainlm.specs.tree import read_tree

S = TypeVar("S", bound=Spec)
SWEEPS = "sweeps"
"""The folder whose specs are sweeps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run spec and the specs that it names."""

    path: Path
    root: Path
    """The project: the nearest folder above the spec that holds `data_specs`."""
    spec: RunSpec
    domains: dict[str, DomainSpec]
    """By name, in the order of the spec."""
    tokenizer: TokenizerSpec
    mixes: dict[str, MixSpec]
    """The mixes that models name, by name."""
    sweep: SweepSpec | None = None
    """Where the models are the proxies of a sweep, which `path` is."""


def load_run(path: Path) -> Run:
    """The run at `path` with all that it names, or the run that the proxies of the sweep at `path` are.

    Raises SpecError with all the mistakes of all the files it touches.
    """
    return _run(path)[0]


def _run(path: Path) -> tuple[Run, list[str]]:
    """A run and what its files made the reader wonder about."""
    problems = Problems()
    if path.absolute().parent.name == SWEEPS:
        proxies = read_sweep(path, problems)
        problems.raise_any()
        assert proxies is not None
        return _joined(path, proxies.found, proxies.spec, proxies.mixes, proxies.sweep)
    found = read_run(path, problems)
    problems.raise_any()
    assert found.run is not None and found.run.spec is not None
    mixes = {name: reading.spec for name, reading in found.mixes.items() if reading.spec}
    return _joined(path, found, found.run.spec, mixes, None)


def _joined(
    path: Path, found: Readings, spec: RunSpec, mixes: dict[str, MixSpec], sweep: SweepSpec | None
) -> tuple[Run, list[str]]:
    assert found.tokenizer is not None and found.tokenizer.spec is not None
    domains = {name: reading.spec for name, reading in found.domains.items() if reading.spec}
    tokenizer = found.tokenizer.spec
    run = Run(path=path, root=root_of(path), spec=spec, domains=domains, tokenizer=tokenizer, mixes=mixes, sweep=sweep)
    return run, found.warnings


def load_domain(path: Path) -> DomainSpec:
    """The domain at `path`, its sources seen to be there. Raises SpecError with every mistake."""
    problems = Problems()
    reading = read_domain(path, _root_or_folder(path), problems)
    return _only(reading, problems)


def load_mix(path: Path) -> MixSpec:
    """The mix at `path`, its domains seen to be there. Raises SpecError with every mistake."""
    problems = Problems()
    reading = problems.read(path, MixSpec)
    if reading is not None and reading.spec is not None:
        root = root_of(path)
        domains: dict[str, DomainSpec] = {}
        for key, ratio in ratio_keys(reading.spec):
            for name in ratio:
                if name not in domains and name not in reading.spec.sizes:
                    file = find_named(reading, (*key, name), name, folder_of(root, "domains"), problems, at_key=True)
                    # What is wrong with a domain is told where it is checked: here its sources' names are wanted.
                    domain = Problems().read(file, DomainSpec) if file else None
                    if domain is not None and domain.spec is not None:
                        domains[name] = domain.spec
        check_mix(reading, domains, problems)
    return _only(reading, problems)


def load_tokenizer(path: Path) -> TokenizerSpec:
    """The tokenizer at `path`. Raises SpecError with every mistake."""
    problems = Problems()
    return _only(read_tokenizer(path, _root_or_folder(path), problems), problems)


def kind_at(path: Path) -> Kind:
    """The kind of the spec at `path`. Raises SpecError where neither its folder nor its keys say."""
    kind = kind_of(path.absolute().parent.name, read_tree(path).values)
    if kind is None:
        names = [f"{kind.folder}/{path.name}" for kind in KINDS]
        kinds = "a domain, mix, tokenizer, run or sweep"
        want, fix = f"{kinds}: {', '.join(names)}", f"mv {path.name} data_specs/runs/{path.name}"
        problem = Problem(file=shown(path), line=1, column=1, key="the file", got="no kind", want=want, fix=fix)
        raise SpecError([problem])
    return kind


def check(path: Path) -> list[str]:
    """Reads the spec at `path`, of whatever kind, and all that it names; returns warnings.

    Raises SpecError with every mistake.
    """
    from domainlm.specs.lock import changed, not_locked

    kind = kind_at(path)
    if kind.model is MixSpec:
        load_mix(path)
        return []
    if kind.model is TokenizerSpec:
        return not_locked(_root_or_folder(path), tokenizer=load_tokenizer(path))
    if kind.model is DomainSpec:
        domain = load_domain(path)
        changed([domain], _root_or_folder(path))
        return not_locked(_root_or_folder(path), domains=[domain])
    run, warnings = _run(path)
    if run.sweep is None:
        check_packages(path)
    changed(run.domains.values(), run.root)
    unlocked = not_locked(run.root, domains=run.domains.values(), tokenizer=run.tokenizer, run=run.spec)
    return warnings + (_unused(run) if run.sweep is None else []) + unlocked


def _unused(run: Run) -> list[str]:
    used = {model.recipe for model in run.spec.models.values()}
    file = shown(run.path)
    idle = [f"{file}: recipes.{name}: no model uses it" for name in run.spec.recipes if name not in used]
    mixed = {name for mix in run.mixes.values() for name in mix.taken_from(run.domains)}
    alone = [name for name in run.domains if run.mixes and name not in mixed]
    return idle + [f"{file}: corpus.domains: no mix takes from {name}; it is only evaluated on" for name in alone]


def _root_or_folder(path: Path) -> Path:
    try:
        return root_of(path)
    except SpecError:
        return path.absolute().parent


def _only(reading: Reading[S] | None, problems: Problems) -> S:
    problems.raise_any()
    assert reading is not None and reading.spec is not None
    return reading.spec
