"""Drops texts that are mostly tables, as `domainlm.corpus.tables` recognises them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from domainlm.corpus.tables import kinds_of_lines
from domainlm.corpus.texts import Texts, shares, sums
from domainlm.specs.spec import Share, Spec


class Options(Spec):
    """How much of a text may be tables."""

    max_row_share: Share = 0.8
    """Largest share of lines that are rows of tables. A guess, read off filings."""


def scores(texts: Texts) -> dict[str, npt.NDArray[np.float32]]:
    """`row_share`: lines that are rows, over those that are not empty; `row_char_share`: the same of characters."""
    lines = texts.lines
    is_row_L = kinds_of_lines(texts)[1] > 0
    chars_D = sums(lines.chars_L, lines.first_D)
    return {
        "row_share": shares(sums(is_row_L, lines.first_D), np.diff(lines.first_D)),
        "row_char_share": shares(sums(np.where(is_row_L, lines.chars_L, 0), lines.first_D), chars_D),
    }


def drops(
    scores: Mapping[str, npt.NDArray[np.float32]], options: Options
) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """The texts that the one reason drops."""
    yield (
        f"more than {options.max_row_share:.0%} of lines are rows of tables",
        (scores["row_share"] > options.max_row_share),
    )
