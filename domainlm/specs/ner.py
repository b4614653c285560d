"""The folder that finds names of persons holds a token classification model with labels for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from domainlm.specs.domain import DomainSpec
from domainlm.specs.flow import line, shown
from domainlm.specs.read import Problems, Reading
from domainlm.specs.redact import label_kind
from domainlm.specs.uri import expanded, unset

FILES = ("config.json", "model.safetensors", "tokenizer.json")


def check_names_model(domain: Reading[DomainSpec], root: Path, problems: Problems) -> None:
    """Add what is wrong with the model of `redact.name`; `root` is the project."""
    spec = domain.spec
    if spec is None or spec.redact is None or spec.redact.name is None:
        return
    name, key = spec.redact.name, ("redact", "name", "model")
    missing = unset(name.model)
    for variable in missing:
        got, want = f"{name.model}, but the environment has no {variable}", f"{variable} set, to a folder"
        problems.add(domain, key, got=got, want=want, fix=f"export {variable}=/path/to/it")
    if missing:
        return
    folder = root / expanded(name.model)
    absent = [file for file in FILES if not (folder / file).is_file()]
    if absent:
        want = f"a folder with {', '.join(FILES)} of a token classification model"
        fix = f"download one beforehand and put it there: ls {shown(folder)}"
        problems.add(domain, key, got=f"{name.model}, which holds no {absent[0]}", want=want, fix=fix)
        return
    known = _labels(folder / "config.json")
    if not set(name.labels) & set(known):
        want = f"labels of {name.model}: {', '.join(known) or 'it has none'}"
        likely = [label for label in known if label.upper().startswith("P")] or known or ["PER"]
        fix = f"write `{line('labels', likely[:1])}`"
        problems.add(domain, ("redact", "name", "labels"), got=", ".join(name.labels), want=want, fix=fix)


def _labels(config: Path) -> list[str]:
    """Labels of a model without B- and I-, sorted; none where its configuration is no JSON object."""
    try:
        content: Any = json.loads(config.read_bytes())
    except (OSError, ValueError):
        return []
    labels = content.get("id2label") if isinstance(content, dict) else None
    return sorted({label_kind(str(label)) for label in labels.values()} - {"O"}) if isinstance(labels, dict) else []
