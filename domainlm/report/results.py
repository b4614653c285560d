"""The headline: what each adapted model gained in its domain and lost in general, in bits per byte."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domainlm.manifest import Manifest
from domainlm.report.markup import Markup, details, el, figure, join, table
from domainlm.report.scores import BITS, Difference, Scores, is_general
from domainlm.report.section import Section
from domainlm.report.table import plain
from domainlm.report.verdicts import exchange_rate, relative, verdicts
from domainlm.report.wording import change, count, fixed, interval, listing, percent, probability

WORDS = {"better": "better", "worse": "worse", "unclear": "not significant"}


def section(scores: Scores, mixes: Mapping[str, Manifest]) -> Section:
    charts = _charts(scores)
    pictures = {name: figure(name, *_titles(name, data)) for name, data in charts.items()}
    tradeoffs = [picture for name, picture in pictures.items() if name.startswith("tradeoff-")]
    others = [pictures[name] for name in ("change", "levels") if name in pictures]
    columns = [el("div", *others), *tradeoffs] if len(tradeoffs) == 1 else [*others, *tradeoffs]
    return Section(
        id="results",
        title="Gained in the domain, lost in general",
        sentences=tuple(verdicts(scores)),
        content=join(
            _cards(scores, mixes),
            el("div", *columns, class_="figures"),
            _exchange_table(scores),
            details("The numbers: bits per byte by domain", _domain_table(scores)),
            details("The numbers: bits per byte by source", _source_table(scores)),
        ),
        charts=charts,
    )


def _cards(scores: Scores, mixes: Mapping[str, Manifest]) -> Markup:
    return el("div", *(_card(scores, mixes, *pair) for pair in scores.pairs), class_="cards")


def _card(scores: Scores, mixes: Mapping[str, Manifest], base: str, adapted: str) -> Markup:
    ratio = mixes[adapted].facts["token_ratio"] if adapted in mixes else {}
    # A general share of nought is worth saying; that a domain of another model is absent is not.
    domains = sorted((domain for domain in ratio if ratio[domain] or is_general(domain)), key=is_general)
    trained = listing([f"{percent(ratio[domain], 0)} {domain}" for domain in domains])
    lines = [_card_line(d) for d in scores.bits(base, adapted)]
    name = el("h3", el("span", class_="swatch", data_model=adapted), adapted)
    return el("article", name, el("p", f"{base} → {trained or 'as it is'}", class_="from"), el("dl", *lines))


def _card_line(d: Difference) -> Markup:
    value = el("span", change(d.difference, d.metric), class_="big")
    outcome = el("span", f"{relative(d)} · {WORDS[d.outcome]}", class_="outcome")
    levels = el("span", f"{fixed(d.base_value)} → {fixed(d.adapted_value)}", class_="fine")
    bounds = el("span", f"95%: {interval(d.low, d.high, d.metric)}", class_="fine")
    return el("div", el("dt", d.suite), el("dd", value, outcome, levels, bounds, class_=d.outcome))


def _titles(name: str, data: Mapping[str, Any]) -> tuple[str, str]:
    if name == "change":
        note = (
            "Left of the line is better. Whiskers: 95% interval of the paired difference. Filled: significant; "
            "hollow: not."
        )
        return "Change against the base, by domain", note
    if name == "levels":
        return "Bits per byte on held-out text", "Fewer is better. Whiskers: 95% interval over documents."
    note = "Towards the lower left is better on both. Whiskers: 95% intervals; arrows lead from base to adapted."
    return f"{data['domain'].capitalize()} against {data['general']}", note


def _charts(scores: Scores) -> dict[str, dict[str, Any]]:
    charts: dict[str, dict[str, Any]] = {}
    changes = [_change(d) for pair in scores.pairs for d in scores.bits(*pair)]
    if changes:
        charts["change"] = {"kind": "change", "rows": changes}
    generals = [domain for domain in scores.domains if is_general(domain)]
    if generals:
        for domain in scores.domains[len(generals) :]:
            charts[f"tradeoff-{domain}"] = _tradeoff(scores, domain, generals[0])
    levels = [_level(scores, model, domain) for domain in scores.domains for model in scores.models]
    charts["levels"] = {"kind": "levels", "rows": [level for level in levels if level]}
    return charts


def _change(d: Difference) -> dict[str, Any]:
    names = ("base", "adapted", "suite", "difference", "low", "high", "p_holm", "outcome")
    return {name: plain(getattr(d, name)) for name in names}


def _level(scores: Scores, model: str, domain: str) -> dict[str, Any] | None:
    found = scores.level(model, domain, BITS, BITS)
    if found is None:
        return None
    return {n: plain(getattr(found, n)) for n in ("model", "suite", "value", "low", "high", "num_items")}


def _tradeoff(scores: Scores, domain: str, general: str) -> dict[str, Any]:
    points = []
    for model in scores.models:
        x, y = _level(scores, model, general), _level(scores, model, domain)
        if x and y:
            ends = {"x": x["value"], "x1": x["low"], "x2": x["high"], "y": y["value"], "y1": y["low"], "y2": y["high"]}
            points.append({"model": model} | ends)
    arrows = [list(pair) for pair in scores.pairs]
    return {"kind": "tradeoff", "domain": domain, "general": general, "points": points, "arrows": arrows}


def _exchange_table(scores: Scores) -> Markup:
    generals = [domain for domain in scores.domains if is_general(domain)]
    others = [domain for domain in scores.domains if not is_general(domain)]
    wanted = [(domain, general) for domain in others for general in generals]
    if not scores.pairs or not wanted:
        return Markup("")
    header = ["model", "base", *(f"{domain} for {general}" for domain, general in wanted)]
    rows = [
        [adapted, base, *(exchange_rate(scores, base, adapted, *pair) for pair in wanted)]
        for base, adapted in scores.pairs
    ]
    caption = "Exchange rate: bits per byte gained in the domain for each bit per byte lost in general"
    return table(caption, header, rows, texts=range(len(header)))


def _domain_table(scores: Scores) -> Markup:
    rows = []
    for domain in scores.domains:
        for model in scores.models:
            found = scores.level(model, domain, BITS, BITS)
            if found is None:
                continue
            level = [fixed(found.value), f"{fixed(found.low)} to {fixed(found.high)}", count(found.num_items)]
            d = scores.difference(model, domain, BITS, BITS)
            rows.append([f"{model}, {domain}", *level, *difference_cells(d)])
    header = ["model and domain", "bits per byte", "95% interval", "documents", *DIFFERENCE_HEADER]
    return table("Bits per byte of each model on each domain's held-out text", header, rows, texts=(0, 9))


DIFFERENCE_HEADER = ["against", "difference", "95% interval", "p", "Holm’s p", "verdict"]


def difference_cells(d: Difference | None) -> list[str]:
    if d is None:
        return ["–"] * len(DIFFERENCE_HEADER)
    bounds = interval(d.low, d.high, d.metric)
    return [
        d.base,
        change(d.difference, d.metric),
        bounds,
        probability(d.p_value),
        probability(d.p_holm),
        WORDS[d.outcome],
    ]


def _source_table(scores: Scores) -> Markup:
    found = [s for s in scores.levels if s.task == BITS and s.source]
    sources = sorted({(s.suite, s.source) for s in found})
    rows = []
    for suite, source in sources:
        values = [scores.level(model, suite, BITS, BITS, source) for model in scores.models]
        name = source if source.startswith(f"{suite}/") else f"{suite}/{source}"
        documents = count(max(v.num_items for v in values if v))
        rows.append([name, documents, *(fixed(v.value) if v else "–" for v in values)])
    return table("Bits per byte of each model on each held-out source", ["source", "documents", *scores.models], rows)
