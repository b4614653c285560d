"""Where documents begin and end in each row: their numbers and positions restart where the text does."""

# B rows, U tokens read for a row (the last one is only a target)

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]


def documents(begins_B: Sequence[npt.NDArray[np.int64]], row_tokens: int) -> tuple[Ints, Ints]:
    """document_BU and position_BU of rows of `row_tokens` tokens in which documents begin at `begins_B`.

    `begins_B` holds, for each row, the places over 0 and under `row_tokens` at which a document begins, counted from
    the row's start.

    >>> documents([np.array([2])], 5)
    (array([[0, 0, 1, 1, 1]], dtype=int32), array([[0, 1, 0, 1, 2]], dtype=int32))
    """
    begins_BU = np.zeros((len(begins_B), row_tokens), np.int32)
    rows_N = np.repeat(np.arange(len(begins_B)), [len(begins) for begins in begins_B])
    places_N = np.concatenate(begins_B)
    begins_BU[rows_N, places_N] = 1
    document_BU = np.cumsum(begins_BU, axis=1, dtype=np.int32)
    place_U = np.arange(row_tokens, dtype=np.int32)
    return document_BU, place_U - np.maximum.accumulate(begins_BU * place_U, axis=1)
