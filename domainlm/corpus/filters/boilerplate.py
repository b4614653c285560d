"""Drops filings and contracts that are mostly tables of contents, page marks, exhibit indexes, forms or XBRL."""

# D documents, L lines
from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from domainlm.corpus.boilerplate import MAX_LINE_CHARS, PATTERNS
from domainlm.corpus.texts import Texts, matches, shares, sums
from domainlm.specs.spec import Share, Spec


class Options(Spec):
    """How much of a text may be boilerplate."""

    max_char_share: Share = 0.5
    """Largest share of characters in lines of boilerplate, all kinds of it together. A guess, read off filings."""


def scores(texts: Texts) -> dict[str, npt.NDArray[np.float32]]:
    """`char_share`: characters in lines of boilerplate; and the same of each kind, such as `xbrl_char_share`."""
    lines = texts.lines
    array = lines.array(texts.data)
    chars_D = sums(lines.chars_L, lines.first_D)
    found = {}
    any_L = np.zeros(len(array), np.bool_)
    for kind, pattern in PATTERNS.items():
        kind_L = matches(array, pattern)
        if kind != "XBRL":
            kind_L = kind_L & (lines.chars_L <= MAX_LINE_CHARS)
        any_L |= kind_L
        of_kind_D = sums(np.where(kind_L, lines.chars_L, 0), lines.first_D)
        found[f"{kind.lower().replace(' ', '_')}_char_share"] = shares(of_kind_D, chars_D)
    return {"char_share": shares(sums(np.where(any_L, lines.chars_L, 0), lines.first_D), chars_D)} | found


def drops(
    scores: Mapping[str, npt.NDArray[np.float32]], options: Options
) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """The texts that the one reason drops."""
    yield f"more than {options.max_char_share:.0%} is boilerplate", scores["char_share"] > options.max_char_share
