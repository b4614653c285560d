"""Where documents begin and end in each row of a batch: attention can stop there, and positions begin anew."""

# B rows, T tokens, D segments of all rows

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from domainlm.records import Batch

Ints = npt.NDArray[np.int64]


def batch_of_segments(
    tokens_BT: Ints,
    next_B: Ints,
    begins_D: Sequence[int] | Ints,
    counts_B: Sequence[int] | Ints,
    valid_B: Sequence[int] | Ints,
    *,
    source_B: npt.NDArray[np.int32],
    row_B: Ints,
) -> Batch:
    """The batch of rows in which documents begin at `begins_D`, `counts_B` in each, the first of them at 0.

    Of each row, the first `valid_B` tokens are text; what comes after is a segment of padding.
    """
    num_rows, num_tokens = tokens_BT.shape
    begins_D, counts_B, valid_B = (np.asarray(some, np.int64) for some in (begins_D, counts_B, valid_B))
    start_D = begins_D + np.repeat(np.arange(num_rows) * num_tokens, counts_B)
    valid_BT = None
    padded = np.flatnonzero(valid_B < num_tokens)
    if len(padded):
        valid_BT = np.arange(num_tokens) < valid_B[:, None]
        start_D = np.sort(np.concatenate([start_D, padded * num_tokens + valid_B[padded]]))
    cu_seqlens = np.append(start_D, num_rows * num_tokens).astype(np.int32)
    return Batch(
        tokens_BT=tokens_BT,
        next_B=next_B,
        position_BT=positions(cu_seqlens).reshape(num_rows, num_tokens),
        cu_seqlens=cu_seqlens,
        max_seqlen=int(np.diff(cu_seqlens).max(initial=0)),
        valid_BT=valid_BT,
        source_B=source_B,
        row_B=row_B,
    )


def positions(cu_seqlens: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Positions in segments of these cumulative lengths.

    >>> positions(np.array([0, 2, 4, 8], np.int32)).tolist()
    [0, 1, 0, 1, 0, 1, 2, 3]
    """
    starts = np.repeat(cu_seqlens[:-1], np.diff(cu_seqlens))
    return np.subtract(_places(int(cu_seqlens[-1])), starts, out=starts)


@functools.lru_cache(maxsize=4)
def _places(count: int) -> npt.NDArray[np.int32]:
    places = np.arange(count, dtype=np.int32)
    places.flags.writeable = False
    return places
