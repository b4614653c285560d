"""A YAML file as plain values, each with its place; what is no YAML becomes problems, never a traceback."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from domainlm.errors import Problem, SpecError
from domainlm.specs.flow import shown
from domainlm.specs.syntax import compose

Key = tuple[str | int, ...]
"""Where a value stands: `("sources", 0, "uri")`."""

_MOST_VALUES = 100_000
"""A guess, far over any spec: aliases of aliases must not eat the memory."""
_DEEPEST = 40
_TAG = "tag:yaml.org,2002:"
_TAGS = {f"{_TAG}{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")}


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A line and a column of a file, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """The values of a YAML file and where each of them stands."""

    path: Path
    values: dict[str, Any]
    """Only dict, list, str, int, float, bool and None."""
    keys: Mapping[Key, Place]
    """Place of each key; of an item of a list, the place of its value."""
    places: Mapping[Key, Place]
    """Place of each value."""

    @property
    def file(self) -> str:
        return shown(self.path)

    def problem(self, key: Key, got: str, want: str, fix: str, *, at_key: bool = False) -> Problem:
        """A problem with the value at `key` (or the key itself); where the file has no such key, with what holds it."""
        places = self.keys if at_key else self.places
        held = next(key[:size] for size in range(len(key), -1, -1) if key[:size] in places)
        place = (places if held == key else self.keys)[held]
        name = ".".join(map(str, key)) or "the file"
        return Problem(file=self.file, line=place.line, column=place.column, key=name, got=got, want=want, fix=fix)

    def at(self, key: Key) -> Any:
        """The value at `key`; KeyError where there is none."""
        value: Any = self.values
        for part in key:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                raise KeyError(key) from None
        return value


def read_tree(path: Path) -> Tree:
    """The values of the YAML file at `path`, a mapping. Raises SpecError with every fault seen."""
    root = compose(path)
    builder = _Builder(path=path)
    if not isinstance(root, MappingNode):
        got = "an empty file" if root is None else "a list" if isinstance(root, SequenceNode) else "a single value"
        line, column = (root.start_mark.line + 1, root.start_mark.column + 1) if root is not None else (1, 1)
        fix = f"begin with `name: {path.stem}`, and give each key a line"
        builder.add(line, column, "the file", got, "a mapping, one `key: value` a line", fix)
        raise SpecError(builder.problems)
    values = builder.build(root, ())
    if builder.problems:
        raise SpecError(builder.problems)
    return Tree(path=path, values=values, keys=builder.keys, places=builder.places)


@dataclass(kw_only=True, slots=True)
class _Builder:
    """Turns YAML nodes into plain values by YAML 1.2's core schema, and notes every place."""

    path: Path
    keys: dict[Key, Place] = field(default_factory=dict)
    places: dict[Key, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    open_nodes: list[int] = field(default_factory=list)

    def add(self, line: int, column: int, key: str, got: str, want: str, fix: str) -> None:
        file = shown(self.path)
        self.problems.append(Problem(file=file, line=line, column=column, key=key, got=got, want=want, fix=fix))

    def wrong(self, node: Node, key: Key, got: str, want: str, fix: str) -> None:
        place = _place(node)
        self.add(place.line, place.column, ".".join(map(str, key)) or "the file", got, want, fix)

    def build(self, node: Node, key: Key) -> Any:
        empty = isinstance(node, ScalarNode) and node.start_mark.index == node.end_mark.index
        # An empty value begins on the next line, as YAML sees it; a person looks for it behind its key.
        self.places[key] = self.keys[key] if empty and key in self.keys else _place(node)
        self.keys.setdefault(key, _place(node))
        if str(node.tag) not in _TAGS:
            tag = str(node.tag).replace(_TAG, "!!")
            self.wrong(node, key, f"the tag {tag}", "plain values; no tag is read", f"delete `{tag}`")
            return None
        if len(self.places) > _MOST_VALUES or len(key) > _DEEPEST or id(node) in self.open_nodes:
            if not self.problems:
                got = "aliases or brackets without end"
                self.wrong(node, key[:3], got, f"at most {_MOST_VALUES:,} values, {_DEEPEST} deep", "write it out")
            return None
        self.open_nodes.append(id(node))
        try:
            if isinstance(node, ScalarNode):
                return self.scalar(node, key)
            if isinstance(node, SequenceNode):
                return [self.build(item, (*key, index)) for index, item in enumerate(node.value)]
            assert isinstance(node, MappingNode)
            return self.mapping(node, key)
        finally:
            self.open_nodes.pop()

    def mapping(self, node: MappingNode, key: Key) -> dict[str, Any]:
        values: dict[str, Any] = {}
        merged: list[Node] = []
        for name, value in node.value:
            if not isinstance(name, ScalarNode):
                self.wrong(name, key, "a list or mapping as a key", "a name as a key", "write `name: value`")
            elif name.tag == f"{_TAG}merge":
                merged += value.value if isinstance(value, SequenceNode) else [value]
            elif name.value in values:
                first = self.keys[*key, name.value]
                got = f"`{name.value}` for the second time; the first is on line {first.line}"
                fix = f"delete line {_place(name).line} or line {first.line}"
                self.wrong(name, (*key, name.value), got, "each key once", fix)
            else:
                self.keys[*key, name.value] = _place(name)
                values[name.value] = self.build(value, (*key, name.value))
        for source in merged:
            if not isinstance(source, MappingNode):
                self.wrong(source, key, "no mapping behind `<<`", "a mapping", "name an anchor that holds a mapping")
                continue
            for name, value in source.value:
                if isinstance(name, ScalarNode) and name.value not in values:
                    self.keys[*key, name.value] = _place(name)
                    values[name.value] = self.build(value, (*key, name.value))
        return values

    def scalar(self, node: ScalarNode, key: Key) -> Any:
        tag, text = str(node.tag), node.value
        if not text.isprintable() and any("\ud800" <= c <= "\udfff" for c in text):
            self.wrong(node, key, "half of a surrogate pair", "whole characters", "write the character itself")
            return ""
        kind = tag.removeprefix(_TAG)
        if kind == "null":
            return None
        if kind == "bool" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        try:
            if kind == "int":
                return int(text.replace("_", ""), 0 if re.match(r"[-+]?0[box]", text) else 10)
            if kind == "float":
                return float(re.sub(r"\.(?=inf|nan)", "", text.lower().replace("_", "")))
        except ValueError:
            return text
        return text


def _place(node: Node) -> Place:
    return Place(line=node.start_mark.line + 1, column=node.start_mark.column + 1)
