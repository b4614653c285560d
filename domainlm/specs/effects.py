"""Every field of a source does something: what has no effect on what its `uri` names is a mistake, and told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from domainlm.specs.domain import SourceSpec
from domainlm.specs.flow import line
from domainlm.specs.formats import ENCODED, FIELDS, SUFFIXES, Format, format_of
from domainlm.specs.read import Problems, Reading
from domainlm.specs.uri import files_of, parse, unset

_DATASET = ("config", "split")
_RECORDS = ("text_field", "text", "id_field")


def check_effects(domain: Reading[Any], index: int, source: SourceSpec, root: Path, problems: Problems) -> None:
    """Add each field of source number `index` that does nothing there."""
    uris = [uri for uri in (source.uri, source.heldout_uri) if uri]
    schemes = {parse(uri).scheme for uri in uris}
    if "unknown" in schemes or any(map(unset, uris)):
        return  # a mistake of its own, told at the URI
    formats = None if schemes & {"hub", "dataset"} else _formats(uris, root)
    idle: dict[str, tuple[str, str]] = {}
    if formats is not None:
        what = _said(formats)
        idle |= dict.fromkeys(_DATASET, (what, "a Hugging Face dataset, hf:OWNER/DATASET or hf:./folder"))
        if formats and not formats & FIELDS:
            endings = ", ".join(SUFFIXES[name][0] for name in SUFFIXES if name in FIELDS)
            idle |= dict.fromkeys(_RECORDS, (what, f"records with fields: {endings} or a Hugging Face dataset"))
    if source.lines and (formats is None or (formats and "text" not in formats)):
        idle["lines"] = ("a Hugging Face dataset" if formats is None else _said(formats), "text files, such as .txt")
    if formats is None or (formats and not formats & ENCODED):
        what = "a Hugging Face dataset" if formats is None else _said(formats)
        idle["encoding"] = (what, "text, JSON or CSV files")
    for key, (what, want) in idle.items():
        if key in source.model_fields_set:
            given = line(key, getattr(source, key))
            got = f"{given}, which does nothing for {what}"
            problems.add(domain, ("sources", index, key), got=got, want=want, fix=f"delete `{given}`", at_key=True)


def _formats(uris: list[str], root: Path) -> set[Format]:
    """Formats of the files of a source; empty where they cannot be known without asking a server."""
    found: set[Format] = set()
    for uri in map(parse, uris):
        if uri.scheme == "remote":
            name = uri.target.rpartition("/")[2]
            if format_of(name) == "text" and not name.lower().endswith((".txt", ".md")):
                return set()
            found.add(format_of(name))
        elif uri.scheme == "files":
            found |= {format_of(path.name) for path in files_of(uri, root)}
        else:
            found.add("text")
    return found


def _said(formats: set[Format]) -> str:
    return f"files that hold {', '.join(sorted(formats))}" if formats else "files"
