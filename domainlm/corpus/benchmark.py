"""Items that training text is kept free of; imports nothing, so that a run's plan can be made without arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Benchmark:
    """A task whose items must not stand in training text."""

    name: str
    items: Iterable[tuple[str, str]] = ()
    """(Id of the item, text): an item can have several texts, which follow each other."""
    not_read: str = ""
    """Why there are no items to look for; listed in the corpus's facts."""
