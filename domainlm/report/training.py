"""How each model was trained: its loss, its learning rate, and what it had seen at every step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from domainlm.errors import DataError
from domainlm.manifest import Manifest
from domainlm.report.markup import details, el, figure, join, table
from domainlm.report.section import Section
from domainlm.report.wording import amount, count, fixed, listing, percent, several, signed

POINTS = 240
"""Points of a curve, at most: more than a screen's width shows."""
NOTES = {
    "loss": ("Training loss", "Mean of each {steps} steps; nats per token, so not comparable between tokenizers."),
    "learning": ("Learning rate", "Curves that coincide alternate in colour."),
    "watched": (
        "{measure} on held-out text, while training went on",
        "Of the same text each time, at the training's precision. Dashed: as it began, and what may be forgotten.",
    ),
    "seen": ("Share of the rows seen so far, by domain", "Dashed: asked for."),
}


def section(
    trainings: Mapping[str, Manifest], mixes: Mapping[str, Manifest], run: Mapping[str, Any] | None = None
) -> Section:
    """`run` is the run spec as plain JSON: it says what each model was allowed to forget."""
    watched = {name: list(_watched(training)) for name, training in trainings.items()}
    limits = {name: _limits(name, run or {}) for name in trainings}
    curves = {name: list(_lines(training)) for name, training in trainings.items()}
    charts = _charts(curves, mixes) if trainings else {}
    points = [point for name, lines in watched.items() for point in _points(name, lines, limits[name])]
    measure = points[0]["metric"].replace("_", " ").capitalize() if points else ""
    if points:
        charts["watched"] = {"kind": "watched", "rows": points}
    titles = {name: (title.format(measure=measure), note) for name, (title, note) in _notes(curves).items()}
    return Section(
        id="training",
        title="Training",
        sentences=(_sentence(trainings), *_forgotten(watched, limits)),
        content=join(
            el(
                "div",
                *(figure(name, title, note) for name, (title, note) in titles.items() if name in charts),
                class_="figures",
            ),
            details("The numbers: models and their training", _table(trainings)) if trainings else "",
        ),
        charts=charts,
    )


def _lines(training: Manifest) -> Iterator[dict[str, Any]]:
    with training.only("metrics").open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                read = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise DataError(f"{training.name}: line {number} of its metrics is no JSON: {error}") from error
            if "skipped" not in read:  # a step that was not taken may have no loss at all
                yield read


def _watched(training: Manifest) -> Iterator[dict[str, Any]]:
    """What was measured on held-out text; nothing where a training watched none."""
    for shard in training.files("heldout"):
        with training.path(shard).open("rb") as file:
            yield from map(orjson.loads, file)


def _limits(model: str, run: Mapping[str, Any]) -> dict[str, float]:
    """By how much each domain may rise, by the run's spec, in bits per byte."""
    recipe = run.get("models", {}).get(model, {}).get("recipe")
    watch = run.get("recipes", {}).get(recipe, {}).get("watch") or {}
    forgetting = watch.get("forgetting") or {"domains": []}
    return {domain: forgetting["tolerance_bits"] for domain in forgetting["domains"]}


def _points(model: str, lines: Sequence[Mapping[str, Any]], limits: Mapping[str, float]) -> Iterator[dict[str, Any]]:
    for line in lines:
        ((metric, values),) = [(key, value) for key, value in line.items() if isinstance(value, dict)]
        for domain, value in values.items():
            base = lines[0][metric][domain]
            if base is None or value is None:
                continue  # was not finite
            most = round(base + limits[domain], 5) if domain in limits else None
            at = {"model": model, "domain": domain, "tokens": line["tokens"], "metric": metric}
            yield at | {"value": value, "base": base, "most": most}


def _forgotten(
    watched: Mapping[str, Sequence[Mapping[str, Any]]], limits: Mapping[str, Mapping[str, float]]
) -> Iterator[str]:
    """A sentence for each domain that a model may forget but so much of: whether it kept to it."""
    for model, lines in watched.items():
        for domain, most in limits[model].items():
            seen = [line for line in lines if line["bits_per_byte"].get(domain) is not None]
            if not seen:
                continue
            rises = [(line["bits_per_byte"][domain] - seen[0]["bits_per_byte"][domain], line) for line in seen]
            worst, at = max(rises, key=lambda rise: rise[0])
            if worst > most:
                said = f"forgot too much of {domain}: {signed(worst)} bits per byte after {count(at['step'])} steps"
                yield f"{model} {said}, where {signed(most)} was allowed."
            else:
                yield f"{model} kept {domain} within {signed(most)} bits per byte: {signed(worst)} at most."


def downsample(values: Sequence[float], points: int = POINTS) -> list[float]:
    """At most `points` means over runs of equal length (the last may be shorter).

    >>> downsample([1, 3, 5, 7, 9], points=3)
    [2.0, 6.0, 9.0]
    """
    length = -(-len(values) // points)
    return [sum(values[i : i + length]) / len(values[i : i + length]) for i in range(0, len(values), max(length, 1))]


def _charts(curves: Mapping[str, list[dict[str, Any]]], mixes: Mapping[str, Manifest]) -> dict[str, dict[str, Any]]:
    loss, learning, seen = [], [], []
    for model, lines in curves.items():
        tokens = downsample([line["tokens"] for line in lines])
        losses = downsample([line["loss"] for line in lines])
        rates = downsample([line["learning_rate"] for line in lines])
        loss.extend({"model": model, "tokens": t, "value": round(v, 5)} for t, v in zip(tokens, losses, strict=True))
        learning.extend({"model": model, "tokens": t, "value": v} for t, v in zip(tokens, rates, strict=True))
        seen.extend(_seen(model, lines, mixes[model]) if model in mixes else ())
    return {
        "loss": {"kind": "loss", "rows": loss},
        "learning": {"kind": "learning", "rows": learning},
        "seen": {"kind": "seen", "rows": seen},
    }


def _seen(model: str, lines: list[dict[str, Any]], mix: Manifest) -> Iterator[dict[str, Any]]:
    """Share of each domain in the rows up to some steps: the last step of each run of steps that is averaged."""
    domains = {name: source["domain"] for name, source in mix.facts["sources"].items()}
    asked = {domain: share for domain, share in mix.facts["token_ratio"].items() if share}
    length = -(-len(lines) // (POINTS // 2))
    for line in lines[length - 1 :: length] if lines else ():
        total = sum(line["sources"].values())
        for domain, share in asked.items():
            rows = sum(number for name, number in line["sources"].items() if domains[name] == domain)
            seen = round(rows / max(total, 1), 5)
            yield {"model": model, "domain": domain, "tokens": line["tokens"], "value": seen, "asked": share}


def _notes(curves: Mapping[str, list[dict[str, Any]]]) -> dict[str, tuple[str, str]]:
    steps = sorted({-(-len(lines) // POINTS) for lines in curves.values() if lines}) or [1]
    words = " or ".join(map(str, steps))
    note = (
        NOTES["loss"][1].format(steps=words)
        if steps != [1]
        else "Nats per token, so not comparable between tokenizers."
    )
    return NOTES | {"loss": (NOTES["loss"][0], note)}


def _sentence(trainings: Mapping[str, Manifest]) -> str:
    if not trainings:
        return "No model was trained in this run."
    clauses = []
    for name, training in trainings.items():
        facts = training.facts
        first, last = facts["first_loss"], facts["last_loss"]
        verb = "fell" if last < first else "rose" if last > first else "stayed"
        over = f"{several(facts['steps'], 'step')} and {amount(facts['tokens'])} tokens"
        clauses.append(f"the loss of {name} {verb} from {fixed(first, 2)} to {fixed(last, 2)} over {over}")
    said = listing(clauses)
    return f"{said[0].upper()}{said[1:]}."


def _table(trainings: Mapping[str, Manifest]) -> str:
    header = [
        "model",
        "parameters",
        "steps",
        "tokens",
        "first loss",
        "last loss",
        "seen",
        "precision",
        "ranks",
        "device",
    ]
    rows = []
    for name, training in trainings.items():
        f = training.facts
        numbers = [amount(f["num_parameters"]), count(f["steps"]), count(f["tokens"])]
        losses = [fixed(f["first_loss"]), fixed(f["last_loss"])]
        seen = listing([f"{percent(share)} {source}" for source, share in f["realised_share"].items() if share])
        how = [str(f["precision"]), f"{f['ranks']} ({f['strategy']})", str(f["device"])]
        rows.append([name, *numbers, *losses, seen, *how])
    return table("How each model was trained", header, rows, texts=(0, 6, 7, 8, 9))
