"""What a spec names outside the project, pinned: hub revisions, digests of files, versions of what is installed.

A lock belongs to the spec that names the thing: a run's lock is its own (the models that it starts from) and those of
its tokenizer and its domains. `domainlm lock SPEC` writes them; later runs hold to them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from domainlm.digest import file_digest
from domainlm.errors import DataError, SpecError
from domainlm.specs.domain import DomainSpec
from domainlm.specs.fit import is_outside
from domainlm.specs.flow import shown
from domainlm.specs.hub import revision
from domainlm.specs.place import at_source
from domainlm.specs.remote import listed
from domainlm.specs.run import RunSpec
from domainlm.specs.sweep import SweepSpec
from domainlm.specs.tokenizer import TokenizerSpec
from domainlm.specs.tree import read_tree
from domainlm.specs.uri import files_of, parse

if TYPE_CHECKING:
    from domainlm.specs.project import Run

_FORMAT = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """What one spec is held to."""

    revisions: Mapping[str, str] = field(default_factory=dict)
    """Commit of each `hf:OWNER/NAME`."""
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of each URI of files, by path below the URI's folder: sha256, or behind a URL the mark that its server gives."""
    installed: Mapping[str, str] = field(default_factory=dict)
    """Version of each distribution that domainlm needs, where a source reads what is installed."""


def lock(path: Path) -> list[Path]:
    """Writes the locks of the domain, tokenizer or run at `path`, and of what it names; returns their paths.

    Raises SpecError where the spec is wrong, and DataError where the hub does not answer: then nothing is written.
    """
    from domainlm.specs.gather import root_of
    from domainlm.specs.project import kind_at, load_domain, load_mix, load_run, load_tokenizer

    root = root_of(path)
    model = kind_at(path).model
    locks: dict[Path, Lock] = {}
    if model in (RunSpec, SweepSpec):
        run = load_run(path)
        locks = {lock_path(root, "domain", name): _domain_lock(domain, root) for name, domain in run.domains.items()}
        locks[lock_path(root, "tokenizer", run.tokenizer.name)] = _models_lock([run.tokenizer.outside])
        own = _models_lock(_starts(run.spec))
        # A sweep shares the lock of its run, which may start from more.
        shared = load_lock(root, "run", run.spec.name).revisions if run.sweep is not None else {}
        locks[lock_path(root, "run", run.spec.name)] = Lock(revisions={**shared, **own.revisions})
    elif model is DomainSpec:
        domain = load_domain(path)
        locks[lock_path(root, "domain", domain.name)] = _domain_lock(domain, root)
    elif model is TokenizerSpec:
        tokenizer = load_tokenizer(path)
        locks[lock_path(root, "tokenizer", tokenizer.name)] = _models_lock([tokenizer.outside])
    else:
        load_mix(path)  # a mix names nothing outside the project
    written = {place: found for place, found in locks.items() if found != Lock()}
    for place, found in written.items():
        _write(place, found)
    return sorted(written)


def lock_path(root: Path, kind: Literal["domain", "tokenizer", "run"], name: str) -> Path:
    """Where the lock of a spec lies."""
    return root / "data_specs" / "locks" / f"{kind}-{name}.json"


def load_lock(root: Path, kind: Literal["domain", "tokenizer", "run"], name: str) -> Lock:
    """The lock of a spec, empty where it was never locked. Raises DataError where the file is no lock."""
    path = lock_path(root, kind, name)
    try:
        content = json.loads(path.read_bytes())
        if content.pop("format") != _FORMAT:
            raise ValueError("another format")
        return Lock(**content)
    except FileNotFoundError:
        return Lock()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{shown(path)} is no lock ({error}); delete it and run `domainlm lock` again") from error


def revisions_of(domains: Iterable[DomainSpec], root: Path) -> dict[str, str]:
    """Locked commit of each hub dataset, by `OWNER/DATASET`. DataError where two domains differ."""
    found: dict[str, str] = {}
    for domain in domains:
        for uri, commit in load_lock(root, "domain", domain.name).revisions.items():
            dataset = parse(uri).target
            if found.setdefault(dataset, commit) != commit:
                raise DataError(f"{uri} is locked to {found[dataset]} and to {commit}; run `domainlm lock` on the run")
    return found


def revision_of(run: Run, uri: str) -> str | None:
    """Locked commit of a model or tokenizer on the hub, or None where it is not locked."""
    own = load_lock(run.root, "run", run.spec.name).revisions
    return own.get(uri) or load_lock(run.root, "tokenizer", run.tokenizer.name).revisions.get(uri)


def not_locked(
    root: Path,
    *,
    domains: Iterable[DomainSpec] = (),
    tokenizer: TokenizerSpec | None = None,
    run: RunSpec | None = None,
) -> list[str]:
    """A warning for each thing on the hub that no lock pins yet."""
    named: list[tuple[Path, Literal["domain", "tokenizer", "run"], str, set[str]]] = []
    for domain in domains:
        path = root / "data_specs/domains" / f"{domain.name}.yaml"
        named.append((path, "domain", domain.name, {uri for uri in _uris(domain) if parse(uri).scheme == "hub"}))
    if tokenizer is not None and (tokenizer.outside or "").startswith("hf:"):
        path = root / "data_specs/tokenizers" / f"{tokenizer.name}.yaml"
        named.append((path, "tokenizer", tokenizer.name, {tokenizer.outside or ""}))
    if run is not None:
        path = root / "data_specs/runs" / f"{run.name}.yaml"
        named.append((path, "run", run.name, {uri for uri in _starts(run) if uri.startswith("hf:")}))
    return [
        f"{shown(path)}: {uri} is not locked to a revision; run `domainlm lock {shown(path)}`"
        for path, kind, name, uris in named
        for uri in sorted(uris - set(load_lock(root, kind, name).revisions))
    ]


def changed(domains: Iterable[DomainSpec], root: Path) -> None:
    """Raises SpecError where files, or installed distributions, are not those that a domain is locked to."""
    problems = []
    for domain in domains:
        held = load_lock(root, "domain", domain.name)
        path = root / "data_specs/domains" / f"{domain.name}.yaml"
        for index, key, uri in _named(domain):
            with at_source(domain, index, key, root):
                differs = _difference(uri, held, root)
            if differs:
                want = f"what {shown(lock_path(root, 'domain', domain.name))} says"
                fix = f"domainlm lock {shown(path)}"
                problems.append(read_tree(path).problem(("sources", index, key), f"{uri}: {differs}", want, fix))
    if problems:
        raise SpecError(problems)


def _difference(uri: str, held: Lock, root: Path) -> str:
    """The first thing that is not as locked, in words; empty where all is, or nothing was locked."""
    scheme = parse(uri).scheme
    then = held.installed if scheme == "installed" else held.files.get(uri, {})
    if not then:
        return ""
    now = _installed_versions() if scheme == "installed" else _file_digests(uri, root)
    name = next((name for name in sorted(then.keys() | now.keys()) if then.get(name) != now.get(name)), None)
    if name is None:
        return ""
    return f"{name} is {'new' if name not in then else 'gone' if name not in now else 'not the same'}"


def _named(domain: DomainSpec) -> Iterator[tuple[int, str, str]]:
    """Number of the source, key and URI of each that a domain names."""
    for index, source in enumerate(domain.sources):
        for key in ("uri", "heldout_uri"):
            uri = getattr(source, key)
            if uri:
                yield index, key, uri


def _uris(domain: DomainSpec) -> list[str]:
    return [uri for _, _, uri in _named(domain)]


def _starts(run: RunSpec) -> list[str]:
    return [m.start for m in run.models.values() if m.start and m.start not in run.models and is_outside(m.start)]


def _domain_lock(domain: DomainSpec, root: Path) -> Lock:
    revisions: dict[str, str] = {}
    files: dict[str, Mapping[str, str]] = {}
    installed: dict[str, str] = {}
    for index, key, uri in _named(domain):
        with at_source(domain, index, key, root):
            match parse(uri).scheme:
                case "hub":
                    revisions[uri] = revision(uri, "dataset")
                case "files" | "dataset" | "remote":
                    files[uri] = _file_digests(uri, root)
                case "installed":
                    installed = _installed_versions()
    return Lock(revisions=revisions, files=files, installed=installed)


def _models_lock(uris: Iterable[str | None]) -> Lock:
    return Lock(revisions={uri: revision(uri, "model") for uri in uris if uri and uri.startswith("hf:")})


def _file_digests(uri: str, root: Path) -> dict[str, str]:
    if parse(uri).scheme == "remote":
        return {file.name: file.mark for file in listed(parse(uri).target)[1]}
    files = files_of(parse(uri), root)
    # Names below the folder that all share: a lock holds wherever `${NAME}` points.
    folder = Path(os.path.commonpath([file.parent for file in files])) if files else root
    return {file.relative_to(folder).as_posix(): file_digest(file) for file in files}


def _installed_versions() -> dict[str, str]:
    """Versions of what domainlm requires, however deep: a developer's further tools are not read."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    versions: dict[str, str] = {}
    pending, seen = [("domainlm", frozenset[str]())], set()
    while pending:
        wanted = pending.pop()
        if wanted in seen:
            continue
        seen.add(wanted)
        try:
            found = metadata.distribution(wanted[0])
        except metadata.PackageNotFoundError:
            continue  # a requirement of another platform
        versions[wanted[0]] = found.version
        for requirement in map(Requirement, found.requires or ()):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in wanted[1] | {""}):
                pending.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return dict(sorted(versions.items()))


def _write(path: Path, found: Lock) -> None:
    content = {"format": _FORMAT, "revisions": found.revisions, "files": found.files, "installed": found.installed}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(path)
