"""Which items of benchmarks stand in the run's training text, and what models score with and without them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domainlm.evaluate.results import CLEAN_ITEMS
from domainlm.manifest import Manifest
from domainlm.report.markup import Markup, details, el, join, table
from domainlm.report.scores import BITS, Scores
from domainlm.report.wording import change, count, level, listing, percent, prose, several

MAX_NAMED = 3


def content(scores: Scores, evaluations: Mapping[str, Manifest]) -> Markup:
    """A sentence and two tables; nothing where no item was compared with training text."""
    found = _found(evaluations)
    if not found:
        return Markup("")
    return join(
        el("p", sentence(found)),
        details("Items in training text, by benchmark", _item_table(found)),
        details("Scores on all items and on clean items", _score_table(scores)) if _pairs(scores) else "",
    )


def _found(evaluations: Mapping[str, Manifest]) -> dict[str, Any]:
    """Counts by benchmark; every model was asked the same items, and the training text is the run's."""
    found: dict[str, Any] = {}
    for manifest in evaluations.values():
        found |= manifest.counts.get("training_text", {})
    return found


def sentence(found: Mapping[str, Any]) -> str:
    """How many items of how many benchmarks the training text shares n-grams with."""
    items, shared = (sum(one[key] for one in found.values()) for key in ("items", "shared"))
    said = f"Of {several(items, 'item')} of {several(len(found), 'benchmark')}, "
    if not shared:
        return said + "none shares an n-gram with the run's training text."
    most = sorted((title for title in found if found[title]["shared"]), key=lambda title: -found[title]["shared"])
    named = [f"{title} ({count(found[title]['shared'])})" for title in most[:MAX_NAMED]]
    more = [f"{count(len(most) - MAX_NAMED)} more"] if len(most) > MAX_NAMED else []
    return said + f"{count(shared)} share n-grams with the run's training text: {listing([*named, *more])}."


def _item_table(found: Mapping[str, Any]) -> Markup:
    rows = []
    for title, one in found.items():
        sources = sorted(one["sources"].items(), key=lambda pair: (-pair[1], pair[0]))
        said = ", ".join(f"{source} ({count(number)})" for source, number in sources[:MAX_NAMED])
        share = percent(one["shared"] / one["items"])
        rows.append([title, count(one["items"]), count(one["shared"]), share, count(one["short"]), said or "–"])
    header = ["benchmark", "items", "shared", "share", "too short", "with training sources"]
    caption = "Items with an n-gram that training text has; too short: fewer words than are looked for"
    return table(caption, header, rows, texts=(0, 5))


def _pairs(scores: Scores) -> list[tuple[Any, Any]]:
    """(All items, clean items) of each model, task and metric where the two are not the same."""
    clean = (s for s in scores.levels if s.source == CLEAN_ITEMS and s.task != BITS)
    return [(scores.level(s.model, s.suite, s.task, s.metric), s) for s in clean]


def _score_table(scores: Scores) -> Markup:
    rows = []
    for whole, clean in _pairs(scores):
        low, value, high = (level(number, clean.metric) for number in (clean.low, clean.value, clean.high))
        cells = [f"{whole.model}, {whole.task}", prose(whole.metric), level(whole.value, whole.metric)]
        difference = change(clean.value - whole.value, whole.metric)
        rows.append([*cells, f"{value} ({low} to {high})", difference, count(whole.num_items), count(clean.num_items)])
    header = ["model and task", "metric", "all items", "clean items (95%)", "difference", "items", "clean"]
    return table("Each model on all items and on those that training text does not have", header, rows, texts=(0, 1))
