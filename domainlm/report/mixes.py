"""The mix that was asked for beside the mix that training really sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domainlm.manifest import Manifest
from domainlm.report.markup import details, el, figure, join, table
from domainlm.report.section import Section
from domainlm.report.wording import amount, count, fixed, percent


def section(mixes: Mapping[str, Manifest]) -> Section:
    """`mixes` by the name of the model that is trained on them."""
    rows = [row for name, mix in mixes.items() for row in _sources(name, mix)]
    asked = [row for name, mix in mixes.items() for row in _domains(name, mix)]
    charts = {"mix": {"kind": "mix", "rows": asked}, "epochs": {"kind": "epochs", "rows": rows}} if mixes else {}
    ratio = figure("mix", "Share of tokens by domain", "Bars: realised. Ticks: asked for.") if mixes else ""
    epochs = figure("epochs", "How often each source is read", "Dashed: once.") if mixes else ""
    return Section(
        id="mix",
        title="Mix",
        sentences=(_sentence(asked, rows),),
        content=join(
            el("div", ratio, epochs, class_="figures") if mixes else "",
            details("The numbers: tokens by source", _table(mixes, rows)) if mixes else "",
        ),
        charts=charts,
    )


def _domains(model: str, mix: Manifest) -> list[dict[str, Any]]:
    realised = mix.facts["realised_ratio"]
    return [
        {"model": model, "domain": domain, "asked": asked, "realised": realised.get(domain, 0.0)}
        for domain, asked in mix.facts["token_ratio"].items()
        if asked or realised.get(domain)
    ]


def _sources(model: str, mix: Manifest) -> list[dict[str, Any]]:
    facts = mix.facts
    return [
        {"model": model, "source": name} | {key: source[key] for key in ("domain", "rows", "share", "epochs")}
        for name, source in facts["sources"].items()
        if source["rows"]
    ]


def _sentence(asked: list[dict[str, Any]], rows: list[dict[str, Any]]) -> str:
    if not asked or not rows:
        return "No model was trained in this run, so there is no mix."
    worst = max(asked, key=lambda row: abs(row["asked"] - row["realised"]))
    gap = abs(worst["asked"] - worst["realised"])
    most = max(rows, key=lambda row: row["epochs"])
    often = f"The most repeated source is {most['source']} for {most['model']}, read {fixed(most['epochs'], 2)} times."
    if gap < 0.5e-4:
        return f"Every mix got the shares it asked for, to within 0.01 percentage points. {often}"
    return (
        f"The largest gap between asked and realised is {fixed(100 * gap, 2)} percentage points: {worst['model']} "
        f"asked for {percent(worst['asked'], 2)} {worst['domain']} and got {percent(worst['realised'], 2)}. {often}"
    )


def _table(mixes: Mapping[str, Manifest], rows: list[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        tokens = row["rows"] * mixes[row["model"]].facts["sequence_tokens"]
        cells = [row["domain"], count(row["rows"]), amount(tokens), percent(row["share"], 2), fixed(row["epochs"], 2)]
        lines.append([f"{row['model']}, {row['source']}", *cells])
    header = ["model and source", "domain", "rows", "tokens", "share", "epochs"]
    return table("What each model is trained on", header, lines, texts=(0, 1))
