"""Drops texts that are too short to teach anything, or longer than asked."""

from __future__ import annotations

from pydantic import Field

from domainlm.specs.spec import Positive, Spec


class Options(Spec):
    """How long a text may be, in characters."""

    min_chars: int = Field(default=200, ge=0)
    """Shorter texts are dropped."""
    max_chars: Positive | None = None
    """Longer texts are dropped."""


def reason(text: str, options: Options) -> str | None:
    """Why `text` is dropped, or None.

    >>> reason("short", Options())
    'fewer than 200 characters'
    """
    if len(text) < options.min_chars:
        return f"fewer than {options.min_chars} characters"
    if options.max_chars is not None and len(text) > options.max_chars:
        return f"more than {options.max_chars} characters"
    return None
