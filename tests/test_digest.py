"""Digests of code and of files: what they see, and what they are not fooled by."""

from __future__ import annotations

import ast
import importlib.metadata
import os
from collections.abc import Iterator
from pathlib import Path

import domainlm
from domainlm import digest


def _by_parser(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_imports_of_ours_are_those_that_the_parser_finds() -> None:
    paths = sorted(Path(domainlm.__file__).parent.rglob("*.py"))
    assert len(paths) > 100
    for path in paths:
        source = path.read_text(encoding="utf-8")
        found, wanted = (
            {module for module in modules if digest._source_path(module)}
            for modules in (digest._imports(source), _by_parser(source))
        )
        assert found == wanted, path


def test_imports_are_found_in_every_form() -> None:
    source = (
        "import domainlm.a, domainlm.b as other\n"
        "from domainlm import c\n"
        "from domainlm.d import (  # why\n    e,\n    f as g,\n)\n"
        "def later():\n    from domainlm.h import i\n"
        "import numpy\n"
    )
    assert set(_by_parser(source)) - {"numpy"} <= set(digest._imports(source))
    assert not any(module.startswith("numpy") for module in digest._imports(source))


def test_the_known_digest_of_a_file_that_changed_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    before = digest.known_digest(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))
    assert before != digest.known_digest(path) == digest.file_digest(path)


def test_what_is_recalled_is_not_read_again_and_only_inside_the_block(tmp_path: Path, monkeypatch) -> None:
    path, known = tmp_path / "text", tmp_path / "digests.json"
    path.write_text("as it was")
    os.utime(path, ns=(1, 1))
    monkeypatch.setattr(digest, "_SETTLED_NS", -(10**12))  # the file's change is not settled yet
    before = digest.known_digest(path)
    content = digest.remembered(known)
    assert content is not None
    known.write_bytes(content)
    assert digest.remembered(known) is None
    digest._known_digest.cache_clear()
    monkeypatch.setattr(digest, "file_digest", lambda path: "read again")
    with digest.recalled(known):
        assert digest.known_digest(path) == before
        path.write_text("as it is!")
        assert digest.known_digest(path) == "read again"
    digest._known_digest.cache_clear()
    path.write_text("as it was")
    assert digest.known_digest(path) == "read again"


def test_a_file_that_changed_just_before_it_was_read_is_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("just now")
    digest.known_digest(path)
    assert str(path) not in digest._made


def test_versions_are_those_of_the_installed_distributions() -> None:
    names = ("numpy", "pyarrow", "torch", "lm_eval", "typer")
    assert digest.library_versions(*names) == {name: importlib.metadata.version(name) for name in sorted(names)}
