"""Every spec in the repository loads, is known to editors, and holds to what the specs are now."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainlm.specs.kinds import KINDS
from domainlm.specs.project import check
from domainlm.specs.schema import HEADER, schema_of

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(ROOT.glob("data_specs/*/*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_shipped_spec_is_right_and_only_hub_revisions_are_open(path: Path) -> None:
    assert [warning for warning in check(path) if "is not locked to a revision" not in warning] == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_shipped_spec_names_its_schema_to_editors(path: Path) -> None:
    (kind,) = (kind for kind in KINDS if kind.folder == path.parent.name)
    assert path.read_text(encoding="utf-8").splitlines()[0] == HEADER.format(kind.name)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_schemas_are_current(kind) -> None:
    path = ROOT / "data_specs" / "schema" / f"{kind.name}.json"
    assert path.read_bytes() == schema_of(kind), "run: python -m domainlm.specs.schema"


def test_the_editor_shows_the_docstring_of_every_field() -> None:
    silent = [
        f"{kind.name}: {record}.{key}"
        for kind in KINDS
        for record, schema in _records(kind.model.model_json_schema()).items()
        for key, field in schema.get("properties", {}).items()
        if "description" not in field
    ]
    assert silent == []


def _records(schema: dict) -> dict[str, dict]:
    return {"the spec": schema} | schema.get("$defs", {})


def test_at_least_one_of_each_kind_is_shipped() -> None:
    assert {path.parent.name for path in SHIPPED} == {kind.folder for kind in KINDS}
