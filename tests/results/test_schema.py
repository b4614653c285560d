from __future__ import annotations

from pathlib import Path

from domainlm.results.schema import markdown

DOCS = Path(__file__).parents[2] / "docs/results.md"


def test_the_documented_columns_are_the_columns() -> None:
    fix = 'python -c "from domainlm.results.schema import markdown; print(markdown(), end=str())"'
    assert DOCS.read_text(encoding="utf-8").endswith(markdown()), f"put in its end what this prints: {fix}"
