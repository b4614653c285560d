"""Plans and the lecture's tables for a terminal."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from domainlm.plan.choice import Choice, gigabytes
from domainlm.plan.memory import RULE_OF_THUMB, in_recipe, rule_of_thumb
from domainlm.plan.models import Candidate
from domainlm.plan.numbers import PI, stored
from domainlm.plan.plan import ModelPlan, Plan
from domainlm.plan.scaling import LITERATURE, petaflop_s_days


def count(amount: float) -> str:
    """A number of parameters or tokens as people say it.

    >>> count(1.4e12), count(50_558_868_480), count(512)
    ('1.4T', '50.6B', '512')
    """
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if amount >= size:
            return f"{amount / size:.3g}{letter}"
    return f"{amount:.0f}"


def duration(hours: float) -> str:
    """A length of time in the unit that suits it.

    >>> duration(0.001), duration(0.5), duration(30), duration(24 * 53)
    ('4 s', '30 min', '30 h', '53 days')
    """
    if hours < 1 / 60:
        return f"{hours * 3600:.1g} s"
    if hours < 1:
        return f"{hours * 60:.0f} min"
    return f"{hours:.3g} h" if hours < 48 else f"{hours / 24:.3g} days"


def _table(
    title: str, columns: Sequence[str], rows: Iterator[Sequence[str]], left: int = 1, *, words_last: bool = False
) -> Table:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        words = number < left or (words_last and number == len(columns) - 1)
        table.add_column(column, justify="left" if words else "right")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


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
    yield Text(
        f"{duration(plan.hours)} and ${plan.cost:,.2f} in all on {hardware.num_gpus} x {hardware.device.name} at "
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


def compute(plan: Plan) -> Table:
    """Parameters, tokens, FLOPs, hours and cost of each model."""
    columns = ("model", "from", "parameters", "tokens", "per param.", "FLOPs", "pflop/s-days", "GPU-h", "time", "cost")
    rows = (
        (
            model.model,
            model.start or "scratch",
            f"{model.num_parameters:,}",
            count(model.num_tokens),
            f"{model.chinchilla.tokens_per_parameter:.3g}",
            f"{model.flops:.3g}",
            f"{model.petaflop_s_days:.3g}",
            f"{model.gpu_hours:,.3g}",
            duration(model.hours),
            f"${model.cost:,.2f}",
        )
        for model in plan.models
    )
    return _table(f"{plan.run}: compute", columns, rows, left=2)


def memories(models: Sequence[ModelPlan]) -> Table:
    """Memory of models of one size by component and strategy."""
    first = models[0]
    columns = ("strategy", "weights", "gradients", "optimizer", "activations", "temporary", "total", "host", "when")
    rows = (
        (
            f"> {m.strategy}" if m.strategy == first.choice.pick else m.strategy,
            *(gigabytes(b) for b in (m.weights, m.gradients, m.optimizer, m.activations, m.temporary, m.total)),
            gigabytes(m.host) if m.host else "",
            m.moment,
        )
        for m in first.memories
    )
    return _table(f"{', '.join(m.model for m in models)}: memory on each GPU, when it is most", columns, rows)


def shortlist(candidates: Sequence[Candidate]) -> Table:
    """Base models, the likeliest first."""
    columns = ("model", "licence", "parameters", "tokens", "sharding", "time", "cost", "bits/byte by law", "but")
    rows = (
        (
            c.name,
            c.license,
            count(c.num_parameters),
            count(c.num_tokens),
            c.strategy or "none",
            duration(c.hours),
            f"${c.cost:,.2f}",
            f"{c.bits_per_byte:.3f}",
            "; ".join([*c.obstacles, *(f"guessed: {guess}" for guess in c.guesses)]),
        )
        for c in candidates
    )
    return _table("Base models", columns, rows, left=2, words_last=True)


def lecture() -> Iterator[RenderableType]:
    """The lecture's three tables: memory by rule of thumb, tokens for the best use of compute, numbers stored."""
    yield _table(
        f"Training in FP32 with Adam: {sum(RULE_OF_THUMB.values())} bytes a parameter",
        ("parameters", "to store", *RULE_OF_THUMB, "to train"),
        (
            (count(n), gigabytes(4 * n), *map(gigabytes, parts.values()), gigabytes(sum(parts.values())))
            for n in (10**9, 175 * 10**9, 500 * 10**9)
            for parts in [rule_of_thumb(n)]
        ),
    )
    yield _table(
        "Tokens: best for the size (20 a parameter) and actual",
        ("model", "source", "parameters", "best", "actual", "actual / best", "FLOPs (6ND)", "pflop/s-days"),
        (
            (
                m.name,
                m.source,
                count(m.num_parameters),
                count(m.optimal_tokens),
                count(m.num_tokens),
                f"{m.num_tokens / m.optimal_tokens:.2f}",
                f"{m.flops:.3g}",
                f"{petaflop_s_days(m.flops):,.0f}",
            )
            for m in LITERATURE
        ),
        left=2,
    )
    yield _table(
        f"{PI} stored and read back",
        ("format", "sign exponent fraction", "bits", "bytes", "smallest", "largest", "epsilon", "read back", "error"),
        (
            (
                s.name,
                s.pattern,
                f"{s.sign_bits}+{s.exponent_bits}+{s.fraction_bits}",
                str(s.num_bytes),
                f"{s.smallest:.3g}",
                f"{s.largest:.3g}",
                f"{s.epsilon:.3g}",
                f"{s.value:.8g}",
                f"{s.error:+.2g}",
            )
            for s in stored(PI)
        ),
        left=2,
    )
