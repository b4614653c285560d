"""Plans and shortlists for a terminal of 80 columns."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from domainlm.plan.choice import Choice
from domainlm.plan.memory import in_recipe
from domainlm.plan.models import Candidate
from domainlm.plan.plan import ModelPlan, Plan
from domainlm.plan.scaling import LAWS
from domainlm.plan.wording import count, duration, figure, money, table


def render(plan: Plan) -> Iterator[RenderableType]:
    """The plan of a run: compute, then for each model its memory by strategy, and what the laws say."""
    hardware = plan.hardware
    yield compute(plan)
    for _, alike in itertools.groupby(plan.models, key=lambda model: model.memories):
        models = list(alike)
        yield memories(models)
        yield from _reasons(models[0].choice)
        for model in models:
            yield Text(f"Chinchilla on {model.model}: {model.chinchilla.sentence}")
    yield from laws(plan.models)
    yield Text(f"Energy: {plan.energy.sentence}.")
    yield Text(
        f"{duration(plan.hours)} and {money(plan.cost)} in all on {hardware.num_gpus} x {hardware.device.name} at "
        f"{hardware.mfu:.0%} of {hardware.device.peak_flops / 1e12:.0f} TFLOP/s (dense bf16) and "
        f"${hardware.price_per_hour:g} per GPU-hour; evaluation not counted.",
        style="bold",
    )


def _reasons(choice: Choice) -> Iterator[Text]:
    """A line for each reason, with all the strategies that it is the reason for."""
    for reason in dict.fromkeys(choice.reasons.values()):
        names = [name for name, why in choice.reasons.items() if why == reason]
        yield Text(f"  {', '.join(names)}: {reason}", style="bold" if choice.pick in names else "")
    if choice.pick is None:
        yield Text("  Take more or larger GPUs, fewer rows at once, or --checkpointing full.", style="bold")
    else:
        yield Text(f"  In the recipe: `parallel: {in_recipe(choice.pick)}`.")


def compute(plan: Plan) -> RenderableType:
    """Parameters, tokens, FLOPs, hours and cost of each model."""
    columns = ("model", "para-\nmeters", "tokens,\neach", "FLOPs", "pflop/s-\ndays", "GPU-\nhours", "time", "cost")
    rows = (
        (
            f"{model.model}\n  from {model.start or 'scratch'}",
            count(model.num_parameters),
            f"{count(model.num_tokens)}\n{model.chinchilla.tokens_per_parameter:.3g}",
            f"{model.flops:.3g}",
            figure(model.petaflop_s_days),
            count(model.gpu_hours) if model.gpu_hours >= 1e4 else figure(model.gpu_hours),
            duration(model.hours),
            money(model.cost),
        )
        for model in plan.models
    )
    return table(f"{plan.run}: compute (each: tokens a parameter)", columns, rows)


def memories(models: Sequence[ModelPlan]) -> RenderableType:
    """Memory of models of one size by component and strategy."""
    first = models[0]
    unit, letters = (1e9, "GB") if max(m.total for m in first.memories) >= 1e9 else (1e6, "MB")
    columns = (
        *("strategy", "weights", "grad-\nients", "opti-\nmizer", "activ-\nations", "tempo-\nrary", "total", "host"),
        "when",
    )
    rows = (
        (
            f"> {m.strategy}" if m.strategy == first.choice.pick else f"  {m.strategy}",
            *(_in(b / unit) for b in (m.weights, m.gradients, m.optimizer, m.activations, m.temporary, m.total)),
            _in(m.host / unit),
            _MOMENTS[m.moment],
        )
        for m in first.memories
    )
    title = f"{', '.join(m.model for m in models)}: {letters} on each GPU, when it is most"
    return table(title, columns, rows, words=(0, 8))


_MOMENTS = {"start of backward": "start", "first layer": "first", "end of backward": "end"}
"""Of the backward pass: its start, the first layer that it comes to, its end."""


def _in(amount: float) -> str:
    return f"{amount:,.2f}" if amount else ""


def laws(models: Sequence[ModelPlan]) -> Iterator[RenderableType]:
    """What Kaplan and Chinchilla would do with the compute of the models that are made from scratch."""
    columns = ("compute of", "as planned", "Kaplan", "20 tokens a\nparameter", "parametric\nfit", "fitted\nanew")
    rows = [
        (
            model.model,
            f"{count(model.num_parameters)}\n{count(model.num_tokens)}",
            *("\n".join(count(amount) for amount in law(model.flops)) for law in LAWS),
        )
        for model in models
        if model.start is None
    ]
    if rows:
        yield table("The same compute by each law: parameters, and tokens under them", columns, rows)


def shortlist(candidates: Sequence[Candidate]) -> Iterator[RenderableType]:
    """Base models, the likeliest first; under them why some won't do, and what is guessed."""
    columns = ("model", "para-\nmeters", "tokens", "time,\nsharding", "cost", "bits/\nbyte", "do")
    rows = (
        (
            f"{c.name}\n  {c.license}",
            count(c.num_parameters),
            count(c.num_tokens),
            f"{duration(c.hours)}\n{c.strategy or 'none'}",
            money(c.cost),
            f"{c.bits_per_byte:.3f}",
            "no" if c.obstacles else "yes",
        )
        for c in candidates
    )
    yield table("Base models", columns, rows, words=(0, 6))
    yield Text("bits/byte: by Chinchilla's law for parameters and all tokens: to rank by, no promise on a domain.")
    for candidate in candidates:
        if candidate.obstacles:
            yield Text(f"{candidate.name} won't do: {'; '.join(candidate.obstacles)}.")
    of: dict[str, list[str]] = {}
    for candidate in candidates:
        for guess in candidate.guesses:
            of.setdefault(guess, []).append(candidate.name)
    for guess, names in of.items():
        yield Text(f"Guessed of {'all' if len(names) == len(candidates) else ', '.join(names)}: {guess}.")
