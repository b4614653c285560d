"""Drops texts that are too short to teach anything, or longer than asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from domainlm.specs.spec import Positive, Spec, check_order

if TYPE_CHECKING:
    # To check a spec with this filter needs no kernels.
    from domainlm.corpus.texts import Texts


class Options(Spec):
    """How long a text may be, in characters."""

    min_chars: int = Field(default=200, ge=0)
    """Shorter texts are dropped."""
    max_chars: Positive | None = None
    """Longer texts are dropped."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        check_order(self, "min_chars", "max_chars")
        return self


def scores(texts: Texts) -> dict[str, npt.NDArray[np.float32]]:
    """`chars`: characters."""
    return {"chars": texts.chars.astype(np.float32)}


def drops(
    scores: Mapping[str, npt.NDArray[np.float32]], options: Options
) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """The texts that each reason drops.

    >>> [(why, taken.tolist()) for why, taken in drops({"chars": np.float32([5, 300])}, Options())]
    [('fewer than 200 characters', [True, False])]
    """
    yield f"fewer than {options.min_chars} characters", scores["chars"] < options.min_chars
    if options.max_chars is not None:
        yield f"more than {options.max_chars} characters", scores["chars"] > options.max_chars
