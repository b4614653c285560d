"""A mix in tables: what each source gives, how often it is read, what is missing, and what another mix would change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table

from domainlm.mix.budget import Mix, rows_by_phase

_SCALES = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"))


def amount(tokens: int) -> str:
    """Tokens as people write them.

    >>> amount(569_000_000_000), amount(1234), amount(7)
    ('569B', '1.23k', '7')
    """
    for scale, suffix in _SCALES:
        if abs(tokens) >= scale:
            return f"{tokens / scale:.4g}{suffix}" if abs(tokens) >= 100 * scale else f"{tokens / scale:.3g}{suffix}"
    return str(tokens)


def record(mix: Mix) -> dict[str, Any]:
    """The plan of a mix, for machines."""
    return {
        "sequence_tokens": mix.sequence_tokens,
        "packing": mix.packing,
        "tokens": mix.rows * mix.sequence_tokens,
        "missing_tokens": sum(source.missing_rows for source in mix.sources) * mix.sequence_tokens,
        "sources": {
            source.name: {
                "asked_share": source.share,
                "share": source.rows / mix.rows,
                "tokens": source.rows * mix.sequence_tokens,
                "tokens_on_disk": source.tokens_on_disk,
                "epochs": source.epochs,
                "max_epochs": source.cap_rows / source.rows_on_disk,
                "missing_tokens": source.missing_rows * mix.sequence_tokens,
            }
            for source in mix.sources
        },
        "phases": [
            {
                "name": phase.name,
                "tokens": phase.rows * mix.sequence_tokens,
                "token_ratio": dict(phase.asked),
                "sources": {name: rows / phase.rows for name, rows in of.items()},
            }
            for phase, of in zip(mix.phases, rows_by_phase(mix), strict=True)
        ],
        "left_out": dict(mix.left_out),
    }


def tables(name: str, mix: Mix) -> list[Table]:
    """The plan of a mix, for people."""
    title = f"{name}: {amount(mix.rows * mix.sequence_tokens)} tokens"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("source", no_wrap=True)
    for header in ("tokens", "asked", "share", "on disk", "epochs", "cap", "missing"):
        table.add_column(header, justify="right")
    row = mix.sequence_tokens
    for source in mix.sources:
        table.add_row(
            source.name,
            amount(source.rows * row),
            f"{source.share:.2%}",
            f"{source.rows / mix.rows:.2%}",
            amount(source.tokens_on_disk),
            f"{source.epochs:.2f}",
            f"{source.cap_rows / source.rows_on_disk:.4g}",
            amount(source.missing_rows * row) if source.missing_rows else "",
        )
    missing = sum(source.missing_rows for source in mix.sources)
    on_disk = sum(source.tokens_on_disk for source in mix.sources)
    totals = [amount(mix.rows * row), "100.00%", "100.00%", amount(on_disk), f"{mix.rows * row / on_disk:.2f}", ""]
    table.add_section()
    table.add_row("all", *totals, amount(missing * row) if missing else "")
    return [table, *([_phases(mix)] if len(mix.phases) > 1 else [])]


def _phases(mix: Mix) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("share of each phase", no_wrap=True)
    for phase in mix.phases:
        table.add_column(f"{phase.name}\n{amount(phase.rows * mix.sequence_tokens)}", justify="right")
    of = rows_by_phase(mix)
    for source in mix.sources:
        shares = [f"{rows.get(source.name, 0) / p.rows:.2%}" for p, rows in zip(mix.phases, of, strict=True)]
        table.add_row(source.name, *shares)
    return table


def difference(one: Mix, other: Mix) -> dict[str, dict[str, dict[str, float]]]:
    """By source: tokens, epochs and share before and after."""
    before, after = _figures(one), _figures(other)
    nothing = {"tokens": 0, "epochs": 0.0, "share": 0.0}
    return {
        name: {
            key: {"before": before.get(name, nothing)[key], "after": after.get(name, nothing)[key]} for key in nothing
        }
        for name in sorted(before | after)
    }


def _figures(mix: Mix) -> dict[str, dict[str, float]]:
    return {
        source.name: {
            "tokens": source.rows * mix.sequence_tokens,
            "epochs": source.epochs,
            "share": source.rows / mix.rows,
        }
        for source in mix.sources
    }


def difference_table(names: tuple[str, str], changed: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Table:
    """What changes for each source from one mix to another."""
    table = Table(title=f"{names[0]} → {names[1]}", box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    table.add_column("source", no_wrap=True)
    for header in ("tokens", "change", "epochs", "share", "points"):
        table.add_column(header, justify="right")
    for name, of in changed.items():
        tokens, epochs, share = of["tokens"], of["epochs"], of["share"]
        points = 100 * (share["after"] - share["before"])
        table.add_row(
            name,
            f"{amount(int(tokens['before']))} → {amount(int(tokens['after']))}",
            _signed(int(tokens["after"] - tokens["before"])),
            f"{epochs['before']:.2f} → {epochs['after']:.2f}",
            f"{share['before']:.2%} → {share['after']:.2%}",
            f"{points:+.2f}" if round(points, 2) else "0",
        )
    return table


def _signed(tokens: int) -> str:
    return f"+{amount(tokens)}" if tokens > 0 else f"−{amount(-tokens)}" if tokens else "0"
