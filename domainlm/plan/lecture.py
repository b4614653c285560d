"""The arithmetic by itself, as the lecture has it: memory, tokens for the best use of compute, numbers stored."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from domainlm.plan.memory import RULE_OF_THUMB, rule_of_thumb
from domainlm.plan.numbers import PI, stored
from domainlm.plan.scaling import LAWS, LITERATURE, petaflop_s_days
from domainlm.plan.wording import count, figure, table


def lecture() -> Iterator[RenderableType]:
    """Its tables, one after the other."""
    yield _memory()
    yield _tokens()
    yield _laws()
    yield from numbers(PI)


def _memory() -> RenderableType:
    rows = (
        (count(n), *(f"{part / 1e9:,.0f} GB" for part in (4 * n, *parts.values(), sum(parts.values()))))
        for n in (10**9, 175 * 10**9, 500 * 10**9)
        for parts in [rule_of_thumb(n)]
    )
    columns = ("para-\nmeters", "to store", "weights", "optimizer", "gradients", "activations,\ntemporary", "to train")
    return table(f"Training in FP32 with Adam: {sum(RULE_OF_THUMB.values())} bytes a parameter", columns, rows)


def _tokens() -> RenderableType:
    rows = (
        (
            f"{m.name}\n{m.source}",
            count(m.num_parameters),
            count(m.optimal_tokens),
            count(m.num_tokens),
            f"{m.num_tokens / m.optimal_tokens:.2f}",
            f"{m.flops:.3g}",
            figure(petaflop_s_days(m.flops)),
        )
        for m in LITERATURE
    )
    columns = (
        *("model", "para-\nmeters", "best\ntokens", "actual\ntokens", "actual/\nbest"),
        *("FLOPs\n(6 N D)", "pflop/s-\ndays"),
    )
    return table("Tokens: best for the size (20 a parameter) and actual", columns, rows)


def _laws() -> RenderableType:
    rows = (
        (
            m.name,
            figure(petaflop_s_days(m.flops)),
            *("\n".join(count(amount) for amount in law(m.flops)) for law in LAWS),
            f"{count(m.num_parameters)}\n{count(m.num_tokens)}",
        )
        for m in LITERATURE
    )
    columns = ("compute of", "pflop/s-\ndays", "Kaplan", "20 a\nparameter", "para-\nmetric", "fitted\nanew", "actual")
    return table("The same compute by each law: parameters, and tokens under them", columns, rows)


def numbers(value: float) -> Iterator[RenderableType]:
    """What each format holds, and `value` stored in it and read back."""
    columns = (
        *("format", "sign, exponent,\nfraction bits", "bytes", "smallest\nnormal", "largest"),
        *("after 1\ncomes", "digits"),
    )
    yield table(
        "What a number has room for",
        columns,
        (
            (
                row.name,
                f"{row.sign_bits} + {row.exponent_bits} + {row.fraction_bits}",
                str(row.num_bytes),
                f"{row.smallest:.3g}",
                f"{row.largest:.6g}",
                f"1 + {row.epsilon:.3g}",
                f"{row.decimal_digits:.1f}",
            )
            for row in stored(value)
        ),
    )
    yield table(
        f"{value} stored and read back",
        ("format", "sign exponent fraction", "read back", "error"),
        ((row.name, row.pattern, f"{row.value:.9g}", f"{row.error:+.2g}") for row in stored(value)),
        words=(0, 1),
    )
    yield Text("INT8 is a whole number times a scale, here 1: trained models store a scale for each row of a matrix.")
