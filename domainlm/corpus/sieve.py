"""Filters in two halves: scores, made once when a text is read, and drops, which thresholds decide at any time."""

# D documents
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from domainlm import named
from domainlm.specs.spec import options_of

if TYPE_CHECKING:
    from domainlm.corpus.texts import Texts

FILTERS = "domainlm.corpus.filters"

Scores = Mapping[str, npt.NDArray[np.float32]]
"""(D,) each, by `FILTER.SCORE`."""


def score(texts: Texts, filters: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
    """The scores of all `filters`, by `FILTER.SCORE`.

    >>> import pyarrow as pa
    >>> from domainlm.corpus.texts import Texts
    >>> score(Texts(pa.array(["to be"], pa.large_string())), ["length"])
    {'length.chars': array([5.], dtype=float32)}
    """
    found = {}
    for name in filters:
        for of, scores_D in named.load(FILTERS, name).scores(texts).items():
            assert scores_D.dtype == np.float32 and scores_D.shape == (len(texts),), f"{name}.{of}"
            found[f"{name}.{of}"] = scores_D
    return found


def sift(
    scores: Scores, num_docs: int, filters: Mapping[str, Mapping[str, Any]]
) -> tuple[list[str], npt.NDArray[np.int32]]:
    """Reasons, and the number (D,) of each document's first one, in the order of `filters`; -1 where none holds.

    >>> sift({"length.chars": np.float32([5, 500])}, 2, {"length": {}})
    (['length: fewer than 200 characters'], array([ 0, -1], dtype=int32))
    """
    reasons: list[str] = []
    first_D = np.full(num_docs, -1, np.int32)
    for name, options in filters.items():
        module = named.load(FILTERS, name)
        own = {key.removeprefix(f"{name}."): values for key, values in scores.items() if key.startswith(f"{name}.")}
        for reason, dropped_D in module.drops(own, options_of(module.Options, options)):
            first_D[dropped_D & (first_D < 0)] = len(reasons)
            reasons.append(f"{name}: {reason}")
    return reasons, first_D
