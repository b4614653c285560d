"""Drops texts that are mostly not letters: tables of numbers, rulers, code dumps, encoded binaries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numba
import numpy as np
import numpy.typing as npt

from domainlm.corpus.spans import LETTER, code_point, marks
from domainlm.corpus.texts import Texts, shares
from domainlm.specs.spec import Share, Spec

_LETTER = np.uint8(LETTER)


class Options(Spec):
    """How much of a text may be something else than letters."""

    max_share: Share = 0.4
    """Largest share of characters, white space not counted, that are no letters of any alphabet. A guess."""


def scores(texts: Texts) -> dict[str, npt.NDArray[np.float32]]:
    """`share`: characters that are no letters, over those that are no blank, tab or line feed."""
    others_D, seen_D = np.empty((2, len(texts)), np.int64)
    _count(texts.offsets, texts.data, marks(), others_D, seen_D)
    return {"share": shares(others_D, seen_D)}


def drops(
    scores: Mapping[str, npt.NDArray[np.float32]], options: Options
) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """The texts that the one reason drops.

    >>> [(why, taken.tolist()) for why, taken in drops({"share": np.float32([0.5, 0.3])}, Options())]
    [('more than 40% are no letters', [True, False])]
    """
    yield f"more than {options.max_share:.0%} are no letters", scores["share"] > options.max_share


@numba.njit(nogil=True, cache=True)
def _count(offsets_D, data, marks, others_D, seen_D):
    for d in range(others_D.size):
        others, seen = 0, 0
        for i in range(offsets_D[d], offsets_D[d + 1]):
            byte = data[i]
            if byte < 0x80:
                if byte != 32 and byte != 9 and byte != 10:
                    seen += 1
                    others += (marks[byte] & _LETTER) == 0
            elif byte >= 0xC0:
                seen += 1
                others += (marks[code_point(data, i)] & _LETTER) == 0
        others_D[d], seen_D[d] = others, seen
