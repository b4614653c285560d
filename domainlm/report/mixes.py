"""The mix that was asked for beside the mix that training really saw, also phase by phase."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from domainlm.manifest import Manifest
from domainlm.report.markup import details, el, figure, join, table
from domainlm.report.section import Section
from domainlm.report.wording import amount, count, fixed, percent


def section(mixes: Mapping[str, Manifest], trainings: Mapping[str, Manifest]) -> Section:
    """`mixes` and `trainings` by the name of the model that is trained on them."""
    rows = [row for name, mix in mixes.items() for row in _sources(name, mix)]
    asked = [row for name, mix in mixes.items() for row in _domains(name, mix)]
    phased = {name: mix for name, mix in mixes.items() if len(mix.facts.get("phases", ())) > 1}
    of_phases = [row for name, mix in phased.items() for row in _phases(name, mix)]
    charts = {"mix": {"kind": "mix", "rows": asked}, "epochs": {"kind": "epochs", "rows": rows}} if mixes else {}
    figures = [
        figure("mix", "Share of tokens by domain", "Bars: realised. Ticks: asked for."),
        figure("epochs", "How often each source is read", "Dashed: once."),
    ]
    if of_phases:
        charts["phases"] = {"kind": "mix", "rows": of_phases}
        figures.append(
            figure("phases", "Share of tokens by domain, phase by phase", "Bars: realised. Ticks: asked for.")
        )
    seen = {name: _seen(trainings.get(name), mix) for name, mix in mixes.items()}
    return Section(
        id="mix",
        title="Mix",
        sentences=(_sentence(asked, rows), *_packing(mixes)),
        content=join(
            el("div", *figures, class_="figures") if mixes else "",
            details("The numbers: tokens by source", _table(mixes, rows, seen)) if mixes else "",
            details("The numbers: phases", _phase_table(phased, seen)) if phased else "",
        ),
        charts=charts,
    )


def _domains(model: str, mix: Manifest) -> list[dict[str, Any]]:
    return _asked_and_realised(model, mix.facts)


def _phases(model: str, mix: Manifest) -> list[dict[str, Any]]:
    return [row for phase in mix.facts["phases"] for row in _asked_and_realised(f"{model}, {phase['name']}", phase)]


def _asked_and_realised(label: str, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    realised = facts["realised_ratio"]
    return [
        {"model": label, "domain": domain, "asked": asked, "realised": realised.get(domain, 0.0)}
        for domain, asked in ({domain: 0.0 for domain in realised} | facts["token_ratio"]).items()
        if asked or realised.get(domain)
    ]


def _sources(model: str, mix: Manifest) -> list[dict[str, Any]]:
    facts = mix.facts
    return [
        {"model": model, "source": name} | {key: source[key] for key in ("domain", "rows", "share", "epochs")}
        for name, source in facts["sources"].items()
        if source["rows"]
    ]


def _seen(training: Manifest | None, mix: Manifest) -> list[dict[str, float]]:
    """By phase: the share of each source in the rows that training logged; empty where nothing was trained."""
    if training is None or not training.files("metrics"):
        return []
    logged: dict[int, Mapping[str, int]] = {0: {}}
    for text in training.only("metrics").read_bytes().splitlines():
        line = json.loads(text)
        logged[line["row"]] = line["sources"]
    facts = mix.facts
    phases = facts.get("phases") or [{"first_row": 0, "rows": facts["rows"]}]
    shares = []
    for phase in phases:
        first, last = phase["first_row"], phase["first_row"] + phase["rows"]
        if first not in logged or last not in logged:
            return []
        before, after = logged[first], logged[last]
        shares.append({name: (rows - before.get(name, 0)) / phase["rows"] for name, rows in after.items()})
    return shares


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


def _packing(mixes: Mapping[str, Manifest]) -> list[str]:
    """What packing costs: padding, and documents that are cut."""
    said = []
    for name, mix in mixes.items():
        packed, sources = mix.facts.get("packed", {}), mix.facts["sources"]
        if mix.facts.get("packing") == "best_fit":
            rows = sum(source["rows"] for source in sources.values())
            padding = sum(packed[source]["padding_share"] * of["rows"] for source, of in sources.items()) / max(rows, 1)
            docs, cut = (sum(of[key] for of in packed.values()) for key in ("docs", "cut_docs"))
            said.append(
                f"The rows of {name} are packed by best fit: {percent(padding, 2)} of them is padding, no token is "
                f"dropped, and {count(cut)} of {count(docs)} documents, those longer than a row, are cut."
            )
        elif packed and any("cut_share" in of for of in packed.values()):
            rows = sum(source["rows"] for source in sources.values())
            share = sum(packed[source].get("cut_share", 0) * of["rows"] for source, of in sources.items()) / max(
                rows, 1
            )
            said.append(f"Documents of {name} are laid end to end: {percent(share, 0)} of its rows end inside one.")
    return said


def _table(
    mixes: Mapping[str, Manifest], rows: list[dict[str, Any]], seen: Mapping[str, list[dict[str, float]]]
) -> str:
    lines = []
    for row in rows:
        facts = mixes[row["model"]].facts
        phases = facts.get("phases") or [{"rows": facts["rows"]}]
        of = seen[row["model"]]
        trained = sum(s.get(row["source"], 0.0) * p["rows"] for s, p in zip(of, phases, strict=False)) / facts["rows"]
        cells = [row["domain"], count(row["rows"]), amount(row["rows"] * facts["sequence_tokens"])]
        cells += [percent(row["share"], 2), percent(row["rows"] / facts["rows"], 2)]
        lines.append(
            [f"{row['model']}, {row['source']}", *cells, percent(trained, 2) if of else "", fixed(row["epochs"], 2)]
        )
    header = ["model and source", "domain", "rows", "tokens", "asked", "planned", "seen in training", "epochs"]
    return table("What each model is trained on", header, lines, texts=(0, 1))


def _phase_table(mixes: Mapping[str, Manifest], seen: Mapping[str, list[dict[str, float]]]) -> str:
    lines = []
    for model, mix in mixes.items():
        for number, phase in enumerate(mix.facts["phases"]):
            for row in _asked_and_realised(model, phase):
                of = [name for name, source in mix.facts["sources"].items() if source["domain"] == row["domain"]]
                shares = seen[model][number] if seen[model] else None
                trained = percent(sum(shares.get(name, 0.0) for name in of), 2) if shares is not None else ""
                tokens = amount(phase["rows"] * mix.facts["sequence_tokens"])
                asked = [percent(row["asked"], 2), percent(row["realised"], 2)]
                lines.append([f"{model}, {phase['name']}", row["domain"], tokens, *asked, trained])
    header = ["model and phase", "domain", "tokens of the phase", "asked", "planned", "seen in training"]
    return table("Each phase's mix", header, lines, texts=(0, 1))
