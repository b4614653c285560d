"""Amounts as people say them, and tables that fit 80 columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text


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


def figure(amount: float) -> str:
    """Three digits, and no exponent where there need be none.

    >>> figure(1998.7), figure(0.0000438), figure(12.345)
    ('1,999', '4.38e-05', '12.3')
    """
    return f"{amount:,.0f}" if 100 <= amount < 1e7 else f"{amount:.3g}"


def money(amount: float) -> str:
    """Cents where they matter, millions where there are any.

    >>> money(1636193.18), money(16361.9), money(3.5)
    ('$1.64M', '$16,362', '$3.50')
    """
    if amount >= 1e6:
        return f"${count(amount)}"
    return f"${amount:,.0f}" if amount >= 100 else f"${amount:,.2f}"


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, words: Collection[int] = (0,)) -> Table:
    """A table whose columns `words` hold words, and the others figures; names and cells may have several lines."""
    made = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    made.pad_edge = False
    for number, column in enumerate(columns):
        made.add_column(column, justify="left" if number in words else "right", vertical="top", no_wrap=True)
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    return made
