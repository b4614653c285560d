"""Drops texts whose words are too few, or too short or long to be words. Source: Gopher, arXiv:2112.11446, A.1.1."""

from __future__ import annotations

from pydantic import Field

from domainlm.specs.spec import Positive, PositiveFloat, Spec


class Options(Spec):
    """How many words of what length a text has. Gopher: 50 to 100,000 words of 3 to 10 characters on average."""

    min_words: int = Field(default=50, ge=0)
    """Texts of fewer words are dropped."""
    max_words: Positive | None = None
    """Texts of more words are dropped; Gopher's 100,000 would drop novels and statutes."""
    min_mean_chars: float = Field(default=3.0, ge=0)
    """Texts whose words are shorter on average are dropped."""
    max_mean_chars: PositiveFloat = 10.0
    """Texts whose words are longer on average are dropped."""


def reason(text: str, options: Options) -> str | None:
    """Why `text` is dropped, or None. Words are what white space separates.

    >>> reason("a b c", Options(min_words=1))
    'words shorter than 3 characters on average'
    """
    words = text.split()
    if len(words) < options.min_words:
        return f"fewer than {options.min_words} words"
    if options.max_words is not None and len(words) > options.max_words:
        return f"more than {options.max_words} words"
    if not words:
        return None
    mean_chars = sum(map(len, words)) / len(words)
    if mean_chars < options.min_mean_chars:
        return f"words shorter than {options.min_mean_chars:g} characters on average"
    if mean_chars > options.max_mean_chars:
        return f"words longer than {options.max_mean_chars:g} characters on average"
    return None
