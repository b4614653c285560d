"""Values as the YAML that a person would type on one line: what is shown as a fix reads back as the same value."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

_PLAIN = re.compile(r"(?:[A-Za-z_/$]|\.{1,2}/)[\w ./$+@-]*(?::[\w./$@][\w ./$+@-]*)*", re.ASCII)
_AMOUNT = re.compile(r"\d[\d_]*(\.\d+)?([kKMGBT]|[KMGT]i)", re.ASCII)
_RESERVED = re.compile(r"(?i)(true|false|null|~|yes|no|on|off|[-+.]*(inf|nan))")


def flow(value: Any, *, quoted: bool = False) -> str:
    """`value` as YAML in flow style.

    >>> print(flow({"legal": 0.51, "uri": "hf:owner/set", "none": None, "list": ["a", "1", "a: b"]}))
    {legal: 0.51, uri: hf:owner/set, none: null, list: [a, "1", "a: b"]}
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(str(k))}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    if isinstance(value, str):
        plain = (
            (_PLAIN.fullmatch(value) or _AMOUNT.fullmatch(value))
            and not _RESERVED.fullmatch(value)
            and value == value.strip()
        )
        return value if plain and not quoted else _quoted(value)
    return _number(value) if isinstance(value, float) else json.dumps(value)


def _quoted(value: str) -> str:
    """In double quotes; what cannot be seen, such as U+0085, which YAML folds into a space, as its number."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)


def _number(value: float) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        return ".nan" if value != value else ".inf" if value > 0 else "-.inf"
    return repr(value)


def brief(value: Any, most: int = 60) -> str:
    """`value` as one line of at most `most` characters.

    >>> brief("x" * 10, most=5)
    'xxxx…'
    """
    text = flow(value)
    return text if len(text) <= most else text[: most - 1] + "…"


def line(key: str | int, value: Any) -> str:
    """The line that says so in a spec.

    >>> line("vocab_size", 2048), line(0, "legal")
    ('vocab_size: 2048', '- legal')
    """
    return f"- {flow(value)}" if isinstance(key, int) else f"{flow(key)}: {flow(value)}"


def shown(path: Path) -> str:
    """`path` as a person would type it: from the working directory where it lies below it."""
    try:
        return path.absolute().relative_to(Path.cwd()).as_posix()
    except (ValueError, OSError):
        return path.as_posix()


def one_of(names: Any) -> str:
    """What there is, in a sentence.

    >>> one_of(["b", "a"]), one_of([])
    ('one of a, b', 'nothing yet')
    """
    listed = sorted(map(str, names))
    return f"one of {', '.join(listed)}" if listed else "nothing yet"
