"""JSON Schemas for editors, generated from the specs: what an editor completes is what `check` accepts."""

from __future__ import annotations

import json
from pathlib import Path

from domainlm.specs.kinds import KINDS, Kind

HEADER = "# yaml-language-server: $schema=../schema/{}.json"
"""First line of a spec of a kind: editors read the schema that it names."""


def schema_of(kind: Kind) -> bytes:
    """The JSON Schema of a kind of spec, as its file holds it."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | kind.model.model_json_schema()
    return json.dumps(schema, indent=2, ensure_ascii=False).encode() + b"\n"


def write_schemas(root: Path) -> list[Path]:
    """Writes `data_specs/schema/KIND.json` of the project at `root`; returns their paths."""
    folder = root / "data_specs" / "schema"
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for kind in KINDS:
        paths.append(folder / f"{kind.name}.json")
        paths[-1].write_bytes(schema_of(kind))
    return paths


if __name__ == "__main__":
    for path in write_schemas(Path.cwd()):
        print(path)
