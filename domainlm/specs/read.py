"""A YAML file becomes a frozen spec, or all of its mistakes, each with line, column and a fix to paste."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from domainlm.errors import Problem, SpecError
from domainlm.specs.explain import Explained, explain
from domainlm.specs.spec import Spec
from domainlm.specs.tree import Key, Tree, read_tree

S = TypeVar("S", bound=Spec)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading(Generic[S]):
    """A file that was read: its places, and its spec as far as there is one."""

    tree: Tree
    explained: Explained[S]

    @property
    def spec(self) -> S | None:
        return self.explained.spec


@dataclass(kw_only=True, slots=True)
class Problems:
    """Collects the mistakes of all the files that one command touches."""

    found: list[Problem] = field(default_factory=list)

    def read(self, path: Path, model: type[S]) -> Reading[S] | None:
        """The file at `path`, its mistakes added; None where it is no YAML at all."""
        try:
            tree = read_tree(path)
        except SpecError as error:
            self.found += error.problems
            return None
        explained = explain(model, tree, name=path.stem)
        self.found += explained.problems
        name = tree.values.get("name")
        if isinstance(name, str) and name != path.stem and not explained.touches(("name",)):
            fix = f"write `name: {path.stem}`, or rename the file to {name}.yaml"
            self.found.append(tree.problem(("name",), name, f"{path.stem}, as the file is called", fix))
        return Reading(tree=tree, explained=explained)

    def add(self, reading: Reading[S], key: Key, *, got: str, want: str, fix: str, at_key: bool = False) -> None:
        """Add what is wrong at `key` of a file, unless another mistake there was mended to get this far."""
        if not reading.explained.touches(key):
            self.found.append(reading.tree.problem(key, got, want, fix, at_key=at_key))

    def raise_any(self) -> None:
        """SpecError with all that was found, file by file and line by line; nothing where there is none."""
        if self.found:
            order = {file: number for number, file in enumerate(dict.fromkeys(p.file for p in self.found))}
            found = dict.fromkeys(self.found)
            raise SpecError(sorted(found, key=lambda p: (order[p.file], p.line, p.column)))


def read(path: Path, model: type[S]) -> S:
    """The spec in the file at `path`. Raises SpecError with every mistake in it."""
    problems = Problems()
    reading = problems.read(path, model)
    problems.raise_any()
    assert reading is not None and reading.spec is not None
    return reading.spec
