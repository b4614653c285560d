"""What a finished run says, as an artifact on Prefect's pages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect.artifacts import create_markdown_artifact


def result(summary: Mapping[str, Any], page: Path | None) -> None:
    """The artifact `result` of the flow that runs, on Prefect's pages."""
    create_markdown_artifact(markdown(summary, page), key="result", description=summary["title"])


def markdown(summary: Mapping[str, Any], page: Path | None) -> str:
    """The result table, its verdicts and, where there is one, a link to the report, as Markdown."""
    columns = summary["columns"]
    rows = [[row["measure"], *(_cell(row["cells"].get(model)) for model in columns[1:])] for row in summary["rows"]]
    lines = ["| " + " | ".join(cells) + " |" for cells in [columns, ["---"] + ["---:"] * (len(columns) - 1), *rows]]
    verdicts = [f"- {verdict}" for verdict in summary["verdicts"]]
    link = ["", f"[The report]({page.as_uri()})"] if page is not None else []
    return "\n".join([f"# {summary['title']}", "", *lines, "", *verdicts, *link])


def _cell(cell: Mapping[str, Any] | None) -> str:
    if cell is None or cell["value"] is None:
        return "–"
    compared = cell.get("compared")
    change = f" ({compared['difference']:+.4g}, {compared['outcome']})" if compared else ""
    return f"{cell['value']:.4g}{change}"
