"""A sweep in tables, for a terminal: every proxy beside the law, and the law's errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table

from domainlm.mix.view import amount
from domainlm.sweep.losses import SIDES


def tables(told: Mapping[str, Any]) -> list[Table]:
    """The proxies, and the laws; `told` is what `stage.record` says."""
    return [_proxies(told), _laws(told)]


def _proxies(told: Mapping[str, Any]) -> Table:
    title = f"{told['sweep']}: {told['metric'].replace('_', ' ')} on held-out text, lower is better"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    table.add_column("from", no_wrap=True)
    for header in ("tokens", "share", "domain", "law", "general", "law", "change"):
        table.add_column(header, justify="right", no_wrap=True)
    for one in told["proxies"]:
        change = one["general"] / told["starts"][one["start"]]["general"] - 1
        losses = [f"{one[key]:.4f}" for side in SIDES for key in (side, f"{side}_fitted")]
        start = f"{one['start']}, {amount(one['parameters'])}"
        within = "[bold]" if change <= told["tolerance"] else "[dim]"
        table.add_row(start, amount(one["tokens"]), f"{one['share']:.1%}", *losses, f"{within}{change:+.2%}")
    return table


def _laws(told: Mapping[str, Any]) -> Table:
    title = "Laws (domainlm/mix/law.py), and their errors"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    table.add_column("loss of")
    table.add_column("law", no_wrap=True)
    for header in ("of the fit", "R²", "each left out", "R²"):
        table.add_column(header, justify="right", no_wrap=True)
    for side in SIDES:
        law = told["laws"][side]
        figures = [part for of in (law, law["left_out"]) for part in (of["mean_relative_error"], of["r_squared"])]
        shown = [f"{figure:.2%}" if number % 2 == 0 else f"{figure:.3f}" for number, figure in enumerate(figures)]
        table.add_row(told["domain"] if side == "domain" else ", ".join(told["general"]), law["form"], *shown)
    table.caption = "\n".join(told["laws"]["domain"]["not_identified"]) or None
    table.caption_justify = "left"
    return table
