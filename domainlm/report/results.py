"""The headline: what each adapted model gained in its domain and lost in general, in bits per byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domainlm.evaluate.gate import Check
from domainlm.manifest import Manifest
from domainlm.report.markup import Markup, details, el, figure, join, table
from domainlm.report.scores import BITS, Difference, Scores, is_general
from domainlm.report.section import Section
from domainlm.report.table import plain
from domainlm.report.verdicts import exchange_rate, relative, verdicts
from domainlm.report.wording import change, count, fixed, interval, listing, percent, probability, signed

WORDS = {"better": "better", "worse": "worse", "unclear": "not significant"}


def section(scores: Scores, mixes: Mapping[str, Manifest], checks: Sequence[Check] = ()) -> Section:
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
            _gate(checks),
            el("div", *columns, class_="figures"),
            _exchange_table(scores),
            details("The numbers: bits per byte by domain", _domain_table(scores)),
            details("The numbers: bits per byte by source", _source_table(scores)),
        ),
        charts=charts,
    )


def _cards(scores: Scores, mixes: Mapping[str, Manifest]) -> Markup:
    return el("div", *(_card(scores, mixes, *pair) for pair in scores.pairs), class_="cards")


def _gate(checks: Sequence[Check]) -> Markup:
    """Whether each model may be deployed, and each thing that was asked of it."""
    if not checks:
        return join()
    models = list(dict.fromkeys(check.model for check in checks))
    passed = [model for model in models if all(check.passed for check in checks if check.model == model)]
    others = [model for model in models if model not in passed]
    said = [f"{listing(names)} {verb}" for names, verb in ((passed, "passed"), (others, "did not pass")) if names]
    return el("div", el("h3", f"Gate: {'; '.join(said)}"), el("ul", *(el("li", str(c)) for c in checks)), class_="gate")


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
    note = "Up is better, left is better; the base is where the lines cross. Whiskers: 95% paired intervals."
    return f"Won on {data['domain']}, lost on {data['general']}", note


def _charts(scores: Scores) -> dict[str, dict[str, Any]]:
    charts: dict[str, dict[str, Any]] = {}
    changes = [_change(d) for pair in scores.pairs for d in scores.bits(*pair)]
    if changes:
        charts["change"] = {"kind": "change", "rows": changes}
    generals = [domain for domain in scores.domains if is_general(domain)]
    if generals:
        for domain in scores.domains[len(generals) :]:
            data = _tradeoff(scores, domain, generals[0])
            if data["points"]:
                charts[f"tradeoff-{domain}"] = data
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
    """Each pair's gain and forgetting, as `parts.js` draws them."""
    found = [e for e in scores.exchanges if (e.domain, e.general) == (domain, general)]
    points = [
        {"model": e.adapted, "base": e.base, "rate": exchange_rate(e)}
        | {"x": plain(e.forgetting), "x1": plain(e.forgetting_low), "x2": plain(e.forgetting_high)}
        | {"y": plain(e.gain), "y1": plain(e.gain_low), "y2": plain(e.gain_high)}
        for e in found
    ]
    return {"kind": "tradeoff", "domain": domain, "general": general, "points": points}


def _exchange_table(scores: Scores) -> Markup:
    """What was won, what was lost, and the rate: a row for each pair of models, domain and general domain."""
    if not scores.exchanges:
        return Markup("")
    rows = []
    for e in scores.exchanges:
        name = f"{e.adapted} against {e.base}"
        gain = [_amount(e.gain, e.gain_significant), f"{signed(e.gain_low)} to {signed(e.gain_high)}"]
        lost = [_amount(e.forgetting, e.forgetting_significant)]
        lost += [f"{signed(e.forgetting_low)} to {signed(e.forgetting_high)}"]
        rows.append([name, e.domain, *gain, e.general, *lost, exchange_rate(e)])
    header = ["model", "domain", "gain", "95% interval", "general", "forgetting", "95% interval", "exchange rate"]
    caption = (
        "Gain: bits per byte won in the domain. Forgetting: bits per byte lost in general. Exchange rate: bits won for "
        "each bit lost, with its 95% bootstrap interval"
    )
    return table(caption, header, rows, texts=(0, 1, 4, 7))


def _amount(value: float, significant: bool) -> str:
    return signed(value) if significant else f"{signed(value)}, not significant"


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
