"""What a key may hold, in words, read off the JSON Schema that the editor shows as well."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator
from typing import Any

from domainlm.specs.flow import flow
from domainlm.specs.tree import Key
from domainlm.specs.units import amount

Schema = dict[str, Any]

_SCALES = {"thousand": "k", "million": "M", "mn": "M", "billion": "B", "bn": "B", "trillion": "T"}
_SPELLED = re.compile(rf"\s*\b({'|'.join(_SCALES)})\b", re.IGNORECASE)


def schema_at(root: Schema, key: Key) -> Schema:
    """The part of the schema that speaks of `key`, its references resolved; empty where any value goes."""
    here = _resolved(root, root)
    for part in key:
        branches = [_resolved(branch, root) for branch in here.get("anyOf", [here])]
        here = next((found for branch in branches if (found := _step(branch, part, root))), {})
    return here


def _step(schema: Schema, part: str | int, root: Schema) -> Schema:
    if isinstance(part, int):
        positions = schema.get("prefixItems", [])
        return _resolved(positions[part] if part < len(positions) else schema.get("items", {}), root)
    return _resolved(schema.get("properties", {}).get(part) or _any_key(schema), root)


def _any_key(schema: Schema) -> Schema:
    """What a mapping from names holds under each of them."""
    named = next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties"))
    return named if isinstance(named, dict) else {}


def _resolved(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")] | beside
    return schema


def keys_of(schema: Schema, root: Schema) -> list[str]:
    """The keys that a record may have, in the order of its class."""
    for branch in schema.get("anyOf", [schema]):
        if properties := _resolved(branch, root).get("properties"):
            return list(properties)
    return []


def describe(schema: Schema, root: Schema) -> str:
    """What goes there, such as `a whole number of at least 1 or null`."""
    schema = _resolved(schema, root)
    if "anyOf" in schema:
        branches = [_resolved(branch, root) for branch in schema["anyOf"]]
        if any("tokens|bytes" in branch.get("pattern", "") for branch in branches):
            null = " or null" if any(b.get("type") == "null" or "anyOf" in b for b in branches) else ""
            return f"a whole number of at least 1, such as 300k or 2.5B{null}"
        return " or ".join(dict.fromkeys(describe(branch, root) for branch in branches))
    if "const" in schema:
        return flow(schema["const"])
    if "enum" in schema:
        return f"one of {', '.join(map(flow, schema['enum']))}"
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return _number(schema, "a whole number" if kind == "integer" else "a number")
    if kind == "string":
        pattern = "a name of lower-case letters, digits, `.`, `_` and `-`, 80 at most"
        return pattern if "pattern" in schema else "text that is not empty" if schema.get("minLength") else "text"
    if kind == "array":
        if "prefixItems" in schema:
            return f"a list of {len(schema['prefixItems'])}, each {describe(schema['prefixItems'][0], root)}"
        least = "at least one item" if schema.get("minItems") else "items"
        return f"a list of {least}, each {describe(schema.get('items', {}), root)}"
    if kind == "object":
        if "properties" in schema:
            return f"a mapping with keys of {', '.join(schema['properties'])}"
        inner = _any_key(schema)
        least = "at least one name" if schema.get("minProperties") else "names"
        return f"a mapping of {least}, each to {describe(inner, root)}" if inner else "a mapping"
    return {"boolean": "true or false", "null": "null"}.get(str(kind), "a value")


def _number(schema: Schema, noun: str) -> str:
    low, high, over = schema.get("minimum"), schema.get("maximum"), schema.get("exclusiveMinimum")
    if low is not None and high is not None:
        return f"{noun} from {low:g} to {high:g}"
    if low is not None:
        return f"{noun} of at least {low:g}"
    return f"{noun} over {over:g}" if over is not None else noun


def candidates(value: Any, schema: Schema, root: Schema) -> Iterator[Any]:
    """Values that the person may have meant by `value`, the likeliest first; not all of them are allowed."""
    schema = _resolved(schema, root)
    if isinstance(value, str):
        yield from _read_again(value)
    if isinstance(value, bool):
        yield str(value).lower()
    elif isinstance(value, (int, float)):
        yield from _near_number(value, schema)
    if isinstance(value, list) and len(value) == 1:
        yield value[0]
    words = _words(schema, root)
    yield from difflib.get_close_matches(str(value).lower(), words, 1)
    if value is not None and not isinstance(value, (dict, list)):
        yield [value]
    if "default" in schema:
        yield schema["default"]
    yield from schema.get("examples", ())
    yield from words[:1]
    for key in ("minimum", "maximum"):
        if key in schema:
            yield schema[key]
    if schema.get("type") == "object":
        yield {}


def _read_again(text: str) -> Iterator[Any]:
    stripped = text.strip()
    yield {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}.get(stripped.lower(), text)
    if (number := amount(stripped)) != stripped:
        yield number
    spelled = _SPELLED.sub(lambda found: _SCALES[found[1].lower()], stripped).removesuffix("tokens").strip()
    if spelled != stripped and amount(spelled) != spelled:
        yield spelled
    try:
        number = float(stripped.rstrip("%"))
        yield round(number / 100, 10) if stripped.endswith("%") else number
    except ValueError:
        pass
    yield re.sub(r"[^a-z0-9._-]+", "-", stripped.lower()).strip("-._")[:80]


def _near_number(value: int | float, schema: Schema) -> Iterator[Any]:
    if not math.isfinite(value):
        return
    if value == int(value):
        yield int(value)
    if value < 0:
        yield -value
    yield flow(value)
    if 1 < value <= 100:
        yield round(value / 100, 10)
    for key, pick in (("minimum", max), ("maximum", min)):
        if key in schema:
            yield pick(schema[key], value)


def _words(schema: Schema, root: Schema) -> list[str]:
    """The words among which a key's value is chosen."""
    words: list[str] = []
    for branch in schema.get("anyOf", [schema]):
        resolved = _resolved(branch, root)
        found = resolved.get("enum", [resolved["const"]] if "const" in resolved else [])
        words += [word for word in found if isinstance(word, str)]
    return words
