"""A file's bytes as YAML nodes; bytes, syntax and encoding that are wrong become a problem with a line and a fix."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import Node
from ruamel.yaml.reader import ReaderError

from domainlm.errors import Problem, SpecError
from domainlm.specs.flow import flow, shown


def compose(path: Path) -> Node | None:
    """The root node of the YAML file at `path`, or None where it is empty. Raises SpecError where it is no YAML."""
    text = _text(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an anchor that is used again is no fault in YAML 1.2
        try:
            return YAML(typ="rt").compose(text)
        except (MarkedYAMLError, ReaderError, RecursionError, ValueError) as error:
            raise SpecError([_syntax(path, text, error)]) from None


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        there = sorted(p.name for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        got = "no such file" if isinstance(error, FileNotFoundError) else f"unreadable: {error.strerror}"
        want = f"one of {', '.join(there)}" if there else "a YAML file"
        raise SpecError([_about(path, 0, 0, got, want, "mend the path, or write the file")]) from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        got = f"the byte 0x{content[error.start]:02X}, which is no UTF-8"
        fix = f"iconv -f WINDOWS-1252 -t UTF-8 {path.name} > new.yaml && mv new.yaml {path.name}"
        raise SpecError([_about(path, line, column, got, "text in UTF-8", fix)]) from None


def _about(path: Path, line: int, column: int, got: str, want: str, fix: str) -> Problem:
    return Problem(file=shown(path), line=line, column=column, key="the file", got=got, want=want, fix=fix)


_SYNTAX = (
    (r"'\\t' that cannot start", "a tab", "spaces for indentation"),
    (r"mapping values are not allowed", "a colon where no key can end", "quotes around a value with `: ` in it"),
    (r"while scanning a quoted scalar", "a quote that is never closed", "a closing quote"),
    (r"while parsing a flow sequence", "a `[` that is never closed", "`[a, b]`"),
    (r"while parsing a flow mapping", "a `{` that is never closed", "`{a: 1, b: 2}`"),
    (r"could not find expected ':'", "a line before this one without a colon", "`key: value`"),
    (r"expected <block end>", "a line that is indented like no line above it", "the indentation of its neighbours"),
    (r"undefined alias", "an alias that no anchor before it defines", "an anchor, `&name`, further up"),
    (r"another document", "a second document", "one document a file"),
    (r"unknown escape", "an escape that YAML does not know", "single quotes, in which a backslash is itself"),
    (r"that cannot start any token", "a character that cannot begin a value", "quotes around the value"),
)
"""What ruamel says, what was found and what is wanted."""


def _syntax(path: Path, text: str, error: Exception) -> Problem:
    if isinstance(error, ReaderError):
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return _about(path, line, column, "a control character", "text that can be printed", "delete the character")
    if not isinstance(error, MarkedYAMLError):
        return _about(path, 1, 1, "values nested too deep", "a flat file", "take out brackets")
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    said = f"{error.context} {error.problem}"
    got, want = next(((g, w) for pattern, g, w in _SYNTAX if re.search(pattern, said)), ("no YAML", "YAML 1.2"))
    lines = text.splitlines()
    found = lines[line - 1] if line <= len(lines) else ""
    if got == "a colon where no key can end" and not re.search(r":\s.*:(\s|$)", found):
        want, fix = "the indentation of its neighbours", f"indent `{found.strip()}` like the line before it"
        return _about(path, line, column, f"{got}: {found.strip()}", want, fix)
    return _about(path, line, column, f"{got}: {found.strip()}" if found.strip() else got, want, _mended(found, got))


def _mended(line: str, got: str) -> str:
    if got == "a tab":
        return f"write `{line.expandtabs(2)}`"
    if got == "a second document":
        return "move what follows `---` to a file of its own"
    parts = re.match(r"(\s*(?:- )?[\w.-]+): (.*\S)\s*$", line)
    if parts and got in ("a colon where no key can end", "a character that cannot begin a value"):
        return f"write `{parts[1].strip()}: {flow(parts[2], quoted=True)}`"
    return f"mend the line, or the one before it: `{line.strip()}`" if line.strip() else "close what was opened above"
