"""One part of the page: a claim that the numbers make, the pictures under it, and the data of the pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domainlm.report.markup import Markup


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    id: str
    """Anchor in the page."""
    title: str
    sentences: tuple[str, ...]
    """What the numbers say, computed from them."""
    content: Markup
    """Pictures, tables and details."""
    charts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Data of the pictures by name; `kind` names the function of charts.js that draws it."""
