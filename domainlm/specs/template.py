"""The text of a record out of one field or several: `{title}\\n\\n{body}` says which, and what stands between them."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A template taken apart."""

    pieces: tuple[tuple[str, str | None], ...]
    """What is written as it stands, and the field after it, if any."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that it names, each once, in order."""
        return tuple(dict.fromkeys(field for _, field in self.pieces if field is not None))

    def fill(self, record: Mapping[str, Any]) -> tuple[str, str]:
        """(text, "") of `record`, or ("", why there is none): a field is missing, or is no text or number."""
        alone = len(self.pieces) == 1
        if alone:  # nearly always one field and nothing around it
            literal, field = self.pieces[0]
            value = None if field is None else record.get(field)
            if not literal and isinstance(value, str):
                return value, ""
        parts: list[str] = []
        for literal, field in self.pieces:
            parts.append(literal)
            if field is None:
                continue
            value = record.get(field)
            if not isinstance(value, str) and (alone or isinstance(value, bool) or not isinstance(value, int | float)):
                return "", f"field {field!r} is {kind_of(value)}, not text"
            parts.append(str(value))
        return "".join(parts), ""


def parse(template: str) -> Template:
    """`template` taken apart; `{{` and `}}` stand for braces. Raises ValueError, with the reason, where it is none.

    >>> parse("{title}: {body}").fields
    ('title', 'body')
    >>> parse("{title}: {body}").fill({"title": 7, "body": "seven"})
    ('7: seven', '')
    >>> parse("{title}: {body}").fill({"title": "seven"})
    ('', "field 'body' is missing, not text")
    """
    pieces: list[tuple[str, str | None]] = []
    for literal, field, style, conversion in string.Formatter().parse(template):
        if field == "":
            raise ValueError("braces without a field's name between them")
        if style or conversion:
            raise ValueError(f"`:` or `!` after {field}, which says how to format it")
        pieces.append((literal, field))
    found = Template(pieces=tuple(pieces))
    if not found.fields:
        raise ValueError("no field")
    return found


def of_field(name: str) -> Template:
    """The template of one field and nothing else."""
    return Template(pieces=(("", name),))


def kind_of(value: Any) -> str:
    """What a value of JSON is, in words.

    >>> kind_of(None), kind_of([]), kind_of(1.5)
    ('missing', 'a list', 'a number')
    """
    names = {type(None): "missing", list: "a list", dict: "an object", str: "a string", bool: "true or false"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else f"a {type(value).__name__}")
