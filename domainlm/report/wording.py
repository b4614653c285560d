"""Numbers as a reader wants them: rounded, signed, with the right words beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence

PROPORTIONS = frozenset({"acc", "acc_norm", "exact_match", "f1", "accuracy"})
"""Metrics that lie between 0 and 1 and are read as percentages."""


def fixed(value: float, digits: int = 3) -> str:
    """`value` with `digits` decimals and a real minus sign; `n/a` where there is no number.

    >>> fixed(-0.68749), fixed(-0.0001), fixed(float("nan"))
    ('−0.687', '0.000', 'n/a')
    """
    if not math.isfinite(value):
        return "n/a"
    text = f"{value:,.{digits}f}"
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else text.replace("-", "−")


def signed(value: float, digits: int = 3) -> str:
    """`value` with its sign, unless it rounds to nought.

    >>> signed(0.0114), signed(-0.687), signed(0.0001)
    ('+0.011', '−0.687', '0.000')
    """
    text = fixed(value, digits)
    return f"+{text}" if text[0].isdigit() and float(text.replace(",", "")) != 0 else text


def percent(share: float, digits: int = 1) -> str:
    """A share of one in percent.

    >>> percent(0.512), percent(1)
    ('51.2%', '100.0%')
    """
    return f"{fixed(100 * share, digits)}%" if math.isfinite(share) else "n/a"


def interval(low: float, high: float, metric: str = "") -> str:
    """Both ends of an interval of `metric`, signed.

    >>> interval(-0.71, -0.66), interval(0.1, 0.2, "acc")
    ('−0.710 to −0.660', '+10.0 to +20.0')
    """
    return f"{change(low, metric)} to {change(high, metric)}"


def level(value: float, metric: str) -> str:
    """A value of `metric`: in percent for a proportion, else with three decimals."""
    return percent(value) if metric in PROPORTIONS else fixed(value)


def change(value: float, metric: str) -> str:
    """A difference of two values of `metric`: in percentage points for a proportion."""
    return signed(100 * value, 1) if metric in PROPORTIONS else signed(value)


def count(number: float) -> str:
    """A whole number with thousands apart.

    >>> count(1234567)
    '1,234,567'
    """
    return f"{int(number):,}"


def amount(number: float) -> str:
    """A large number in three digits.

    >>> amount(950), amount(299_008), amount(1_234_567), amount(2.5e9), amount(999_600)
    ('950', '299k', '1.23M', '2.5B', '1M')
    """
    for scale, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * scale:
            return f"{number / scale:.3g}{suffix}"
    return f"{number:.3g}"


def probability(p_value: float) -> str:
    """A p-value, in one piece wherever the line ends.

    >>> probability(0.0004).split(), probability(0.0312).split()
    (['p', '<', '0.001'], ['p', '=', '0.031'])
    """
    if not math.isfinite(p_value):
        return "p\u00a0n/a"
    return "p\u00a0<\u00a00.001" if p_value < 0.001 else f"p\u00a0=\u00a0{p_value:.3f}"


def several(number: int, one: str, many: str = "") -> str:
    """A count with its noun.

    >>> several(1, "task"), several(1200, "document"), several(0, "loss", "losses")
    ('1 task', '1,200 documents', '0 losses')
    """
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def listing(words: Sequence[str]) -> str:
    """Words as a sentence lists them.

    >>> listing(["a"]), listing(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def prose(name: str) -> str:
    """A reason or metric as it is read: no underscores.

    >>> prose("bits_per_byte")
    'bits per byte'
    """
    return name.replace("_", " ")
