"""Every source of a domain can be read, every edit and filter is there, or it is said before a byte is read."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from domainlm import named
from domainlm.specs.domain import DomainSpec
from domainlm.specs.effects import check_effects
from domainlm.specs.explain import explain
from domainlm.specs.flow import brief, line, one_of, shown
from domainlm.specs.formats import READ, format_of
from domainlm.specs.ner import check_names_model
from domainlm.specs.read import Problems, Reading
from domainlm.specs.remote import wanting
from domainlm.specs.tree import Key
from domainlm.specs.uri import INSTALLED, files_of, parse, unset

PLUGINS = {"edits": "domainlm.corpus.edits", "filters": "domainlm.corpus.filters"}
"""What a domain names by field, and the package whose files the names are."""


def check_inputs(domain: Reading[DomainSpec], root: Path, problems: Problems) -> None:
    """Add what is wrong with a domain's sources, edits and filters; paths are relative to `root`."""
    if domain.spec is None:
        return
    names: dict[str, int] = {}
    for index, source in enumerate(domain.spec.sources):
        first = names.setdefault(source.name, index)
        if first != index:
            got = f"{source.name}, which is source {first + 1} already"
            fix = f"write `name: {_free(source.name, names)}`"
            problems.add(domain, ("sources", index, "name"), got=got, want="each name once in a domain", fix=fix)
        for key in ("uri", "heldout_uri"):
            value = getattr(source, key)
            if value is not None:
                _check_uri(domain, ("sources", index, key), value, root, problems)
        check_effects(domain, index, source, root, problems)
    for field, package in PLUGINS.items():
        _check_plugins(domain, field, package, problems)
    check_names_model(domain, root, problems)


def _free(name: str, taken: dict[str, int]) -> str:
    return next(free for number in range(2, len(taken) + 3) if (free := f"{name}-{number}") not in taken)


def _check_uri(domain: Reading[DomainSpec], key: Key, uri: str, root: Path, problems: Problems) -> None:
    missing = unset(uri)
    for name in missing:
        got, want = f"{uri}, but the environment has no {name}", f"{name} set, to a folder or file"
        problems.add(domain, key, got=got, want=want, fix=f"export {name}=/path/to/it")
    if missing:
        return
    parsed = parse(uri)
    if parsed.scheme == "unknown":
        want, fix = _wanted_uri(uri, parsed.target, str(key[-1]))
        problems.add(domain, key, got=brief(uri), want=want, fix=fix)
    elif parsed.scheme == "remote":
        # What is there is asked of its server when it is read: a check works without a connection.
        if command := wanting(parsed.target):
            got = f"{uri}, but the package that reads it is not installed"
            problems.add(domain, key, got=got, want="a URL that can be read here", fix=command)
    elif parsed.scheme in ("files", "dataset"):
        files = files_of(parsed, root)
        if not files:
            got, want = f"{uri}, which matches no file", "a path or glob of files, relative to the project or absolute"
            fix = f"put files there, or mend it; what there is: ls {_nearest_folder(root / parsed.target)}"
            problems.add(domain, key, got=got, want=want, fix=fix)
        elif parsed.scheme == "files" and all(format_of(path.name) == "unread" for path in files):
            got, want = f"{uri}, which matches {files[0].name}", f"files that end in {', '.join(READ)}"
            fix = 'turn it into .jsonl, a line such as `{"text": "..."}` for each document'
            problems.add(domain, key, got=got, want=want, fix=fix)


def _nearest_folder(path: Path) -> str:
    """The deepest folder on the way to `path` that is there."""
    return shown(next((folder for folder in path.parents if os.path.isdir(folder)), path))  # noqa: PTH112


def _wanted_uri(uri: str, target: str, key: str) -> tuple[str, str]:
    if uri.startswith("installed:"):
        near = difflib.get_close_matches(target, INSTALLED, 1, 0.5) or INSTALLED
        return one_of(f"installed:{name}" for name in INSTALLED), f"write `{line(key, f'installed:{near[0]}')}`"
    if uri.startswith("hf:"):
        return "hf:OWNER/DATASET, or hf:./folder", f"write `{line(key, f'hf:./{target}')}` if it is a folder here"
    want = "a path or glob, a URL such as s3://BUCKET/FOLDER, hf:OWNER/DATASET, hf:./folder or installed:NAME"
    return want, f"download it, then write `{line(key, 'data/' + uri.rstrip('/').rpartition('/')[2])}`"


def _check_plugins(domain: Reading[DomainSpec], field: str, package: str, problems: Problems) -> None:
    """Add names under `field` that no file of `package` has, and options that its file does not know."""
    known = named.names(package)
    for name in getattr(domain.spec, field):
        key = (field, name)
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            fix = f"rename it to `{near[0]}`" if near else f"delete it, or write {package.replace('.', '/')}/{name}.py"
            problems.add(domain, key, got=name, want=one_of(known), fix=fix, at_key=True)
        elif not domain.explained.touches(key):
            problems.found += explain(named.load(package, name).Options, domain.tree, key).problems
