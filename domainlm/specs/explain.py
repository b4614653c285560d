"""Every mistake that a spec's values hold, each with a fix that was tried: put in its place, it is no mistake."""

from __future__ import annotations

import copy
import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from domainlm.errors import Problem
from domainlm.specs.flow import brief, flow, line
from domainlm.specs.spec import Mistake, Spec
from domainlm.specs.tree import Key, Tree
from domainlm.specs.wanted import Schema, candidates, describe, keys_of, schema_at

S = TypeVar("S", bound=Spec)

_MISSING = object()
_NOTHING = "nothing"
_ROUNDS = 4
"""A validator of several fields runs once each of them is right: mend, look again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explained(Generic[S]):
    """A spec, or what is wrong with it."""

    spec: S | None
    """With problems: the spec as their fixes would make it, or None where a person has to decide."""
    problems: tuple[Problem, ...]
    mended: frozenset[Key] = frozenset()
    """What is not as the file says it."""

    def touches(self, key: Key) -> bool:
        """Whether `key`, or a part of it, was mended: what is said of it says nothing of the file."""
        return any(_overlap(key, other) for other in self.mended)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Finding:
    problem: Problem
    keys: tuple[Key, ...]
    """All that it speaks of."""
    changes: tuple[tuple[Key, Any], ...]
    """Values by key (`_MISSING` deletes) that mend it; empty where a person has to decide."""


def explain(model: type[S], tree: Tree, base: Key = (), name: str = "") -> Explained[S]:
    """The record at `base` of the tree as `model`, and all its mistakes; `name` is what the key `name` should hold."""
    values = copy.deepcopy(tree.at(base))
    problems: list[Problem] = []
    mended: set[Key] = set()
    spec: S | None = None
    for _ in range(_ROUNDS):
        spec, errors = _validate(model, values)
        if spec is not None:
            break
        findings = [_found(model, tree, base, values, group, name) for group in _grouped(values, errors)]
        renamed = {key for finding in findings for key, value in finding.changes[1:]}
        findings = [f for f in findings if not (f.problem.got == _NOTHING and f.keys[0] in renamed)]
        fresh = [f for f in findings if not any(_overlap(k, m) for k in f.keys for m in mended)]
        problems += [finding.problem for finding in fresh]
        if not any(finding.changes for finding in findings):
            break
        for finding in findings:
            for key, value in finding.changes:
                _set(values, key, value)
                mended.add(key)
    ordered = sorted(dict.fromkeys(problems), key=lambda p: (p.line, p.column))
    return Explained(spec=spec, problems=tuple(ordered), mended=frozenset((*base, *key) for key in mended))


def _validate(model: type[S], values: Any) -> tuple[S | None, list[ErrorDetails]]:
    try:
        # JSON's strict mode, and not Python's, takes a list for a tuple.
        return model.model_validate_json(json.dumps(values)), []
    except ValidationError as error:
        # pydantic counts only the items that are right: a list of one wrong item is no empty list.
        return None, [e for e in error.errors(include_url=False) if e["type"] != "too_short" or not e["input"]]


def _grouped(values: Any, errors: Iterable[ErrorDetails]) -> list[tuple[Key, list[ErrorDetails]]]:
    """Errors by the key that they speak of: each branch of a union has its own."""
    groups: dict[tuple[Key, bool], list[ErrorDetails]] = {}
    for error in errors:
        key: list[str | int] = []
        value, rest = values, list(error["loc"])
        while rest and _holds(value, rest[0]):
            key.append(rest.pop(0))
            value = value[key[-1]]
        if error["type"] == "missing" and len(rest) == 1 and isinstance(rest[0], str):
            key.append(rest.pop())
        groups.setdefault((tuple(key), rest == ["[key]"]), []).append(error)
    return [(key, found) for (key, _), found in groups.items()]


def _holds(value: Any, part: str | int) -> bool:
    return part in value if isinstance(value, dict) else isinstance(value, list) and part in range(len(value))


def _found(
    model: type[Spec], tree: Tree, base: Key, values: Any, group: tuple[Key, list[ErrorDetails]], name: str
) -> _Finding:
    key, errors = group
    error = errors[0]
    cause = error.get("ctx", {}).get("error")
    root = model.model_json_schema()
    full = (*base, *key)
    if isinstance(cause, Mistake):
        return _mistaken(tree, base, key, cause, values)
    if error["type"] == "extra_forbidden":
        return _unknown_key(tree, base, key, values, root)
    if error["loc"][-1] == "[key]":
        new = next((c for c in candidates(str(key[-1]), {}, root) if _allowed_key(model, values, key, c)), "a-name")
        want, fix = "a name of lower-case letters, digits, `.`, `_` and `-`, 80 at most", f"rename it to `{new}`"
        problem = tree.problem(full, flow(str(key[-1])), want, fix, at_key=True)
        return _Finding(problem=problem, keys=(key,), changes=_renamed(values, key, new))
    schema = schema_at(root, key)
    want = describe(schema, root)
    if error["type"] == "missing" and not _holds(_at(values, key[:-1]), key[-1]):
        known = key == ("name",) and name
        value = name if known else next(iter(schema.get("examples", [None])))
        fix = f"add `{line(key[-1], value)}`" if known else f"add a line such as `{line(key[-1], value)}`"
        return _Finding(problem=tree.problem(full, _NOTHING, want, fix), keys=(key,), changes=((key, value),))
    value = _at(values, key)
    for candidate in candidates(value, schema, root):
        if candidate != value or type(candidate) is not type(value):
            changed = copy.deepcopy(values)
            _set(changed, key, candidate)
            if not any(tuple(e["loc"][: len(key)]) == key for e in _validate(model, changed)[1]):
                fix = f"write `{line(key[-1], candidate)}`" if key else f"write `{flow(candidate)}`"
                problem = tree.problem(full, brief(value), want, fix)
                return _Finding(problem=problem, keys=(key,), changes=((key, candidate),))
    return _Finding(problem=tree.problem(full, brief(value), want, f"give {want}"), keys=(key,), changes=())


def _mistaken(tree: Tree, base: Key, key: Key, cause: Mistake, values: Any) -> _Finding:
    at = (*key, cause.key) if cause.key else key
    changes = tuple(((*key, name) if name else key, value) for name, value in cause.changes.items())
    fix = cause.fix or "write " + " and ".join(f"`{line(changed[-1], value)}`" for changed, value in changes)
    problem = tree.problem((*base, *at), cause.got, cause.want, fix, at_key=not cause.key)
    beside = tuple((*key, part) for part in _at(values, key)) if cause.key else ()
    return _Finding(problem=problem, keys=(at, *beside), changes=changes)


def _unknown_key(tree: Tree, base: Key, key: Key, values: Any, root: Schema) -> _Finding:
    known = keys_of(schema_at(root, key[:-1]), root)
    got = line(key[-1], _at(values, key))
    free = [name for name in known if name not in _at(values, key[:-1])]
    near = difflib.get_close_matches(str(key[-1]), free, 1)
    full = (*base, *key)
    place = tree.keys[full]
    fix = f"rename it to `{near[0]}`" if near else f"delete `{brief({key[-1]: _at(values, key)})[1:-1]}`"
    if not near and isinstance(_at(values, key), (dict, list)):
        fix = f"delete `{key[-1]}` on line {place.line} and what it holds"
    problem = tree.problem(
        full, got if len(got) <= 60 else got[:59] + "…", f"one of {', '.join(known)}", fix, at_key=True
    )
    return _Finding(problem=problem, keys=(key,), changes=_renamed(values, key, near[0] if near else None))


def _renamed(values: Any, key: Key, new: str | None) -> tuple[tuple[Key, Any], ...]:
    gone = (key, _MISSING)
    return (gone,) if new is None else (gone, ((*key[:-1], new), _at(values, key)))


def _allowed_key(model: type[Spec], values: Any, key: Key, new: Any) -> bool:
    if not isinstance(new, str) or new == key[-1] or new in _at(values, key[:-1]):
        return False
    changed = copy.deepcopy(values)
    for at, value in _renamed(values, key, new):
        _set(changed, at, value)
    at = (*key[:-1], new)
    return not any(tuple(e["loc"]) == (*at, "[key]") for e in _validate(model, changed)[1])


def _overlap(one: Key, other: Key) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _at(values: Any, key: Key) -> Any:
    for part in key:
        values = values[part]
    return values


def _set(values: Any, key: Key, value: Any) -> None:
    if not key:
        values.clear()
        values.update(value)
    elif value is _MISSING:
        _at(values, key[:-1]).pop(key[-1], None)
    else:
        _at(values, key[:-1])[key[-1]] = value
