"""Drops texts whose words are too few, or too short or long to be words. Source: Gopher, arXiv:2112.11446, A.1.1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from domainlm.corpus.texts import Texts, shares, sums
from domainlm.specs.spec import Positive, PositiveFloat, Spec, check_order


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

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        check_order(self, "min_words", "max_words")
        check_order(self, "min_mean_chars", "max_mean_chars")
        return self


def scores(texts: Texts) -> dict[str, npt.NDArray[np.float32]]:
    """`count`: what white space separates; `mean_chars`: characters of those on average, 0 where there are none."""
    words = texts.words
    count_D = np.diff(words.first_D)
    return {
        "count": count_D.astype(np.float32),
        "mean_chars": shares(sums(words.chars_W, words.first_D), count_D),
    }


def drops(
    scores: Mapping[str, npt.NDArray[np.float32]], options: Options
) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """The texts that each reason drops; no mean is asked of a text without words."""
    count, mean_chars = scores["count"], scores["mean_chars"]
    yield f"fewer than {options.min_words} words", count < options.min_words
    if options.max_words is not None:
        yield f"more than {options.max_words} words", count > options.max_words
    short = (mean_chars < options.min_mean_chars) & (count > 0)
    yield f"words shorter than {options.min_mean_chars:g} characters on average", short
    yield f"words longer than {options.max_mean_chars:g} characters on average", mean_chars > options.max_mean_chars
