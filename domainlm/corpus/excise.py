"""Texts without some of their passages; what is left is joined so that no lines pile up and no words run together."""

# D documents, S spans
from __future__ import annotations

import numba
import numpy as np
import pyarrow as pa

from domainlm.corpus import ngrams
from domainlm.corpus.ngrams import Int64


def excise(texts: pa.LargeStringArray, first_D: Int64, begin_S: Int64, end_S: Int64, *, line_feeds: int) -> pa.Array:
    r"""`texts` without the bytes [begin, end) of each span; document d's are those from first_D[d] to first_D[d + 1].

    A document's spans ascend and do not overlap; bytes are counted in the array's buffer (`ngrams.buffers`). What stood
    before and behind a span is parted by as many line feeds as were there, by `line_feeds` at least and two at most.

    >>> texts = pa.array(["one\n\ntwo\n\nthree", "all"], pa.large_string())
    >>> excise(texts, np.array([0, 1, 1]), np.array([5]), np.array([8]), line_feeds=1).to_pylist()
    ['one\n\nthree', 'all']
    """
    offsets_D, data = ngrams.buffers(texts)
    # A span that begins where another ends can add a line feed.
    kept = np.empty(int(offsets_D[-1] - offsets_D[0]) + 2 * len(begin_S), np.uint8)
    ends_D = np.zeros(len(texts) + 1, np.int64)
    _excise(offsets_D, data, first_D, begin_S, end_S, line_feeds, kept, ends_D)
    return pa.LargeStringArray.from_buffers(len(texts), pa.py_buffer(ends_D), pa.py_buffer(kept[: ends_D[-1]]))


@numba.njit(nogil=True, cache=True)
def _excise(offsets_D, data, first_D, begin_S, end_S, line_feeds, kept, ends_D):
    num_kept = 0
    for d in range(ends_D.size - 1):
        begun = num_kept
        i = offsets_D[d]
        for s in range(first_D[d], first_D[d + 1] + 1):
            last = s == first_D[d + 1]
            stop = offsets_D[d + 1] if last else begin_S[s]
            while i < stop:
                kept[num_kept] = data[i]
                num_kept += 1
                i += 1
            if last:
                break
            before, behind = 0, 0
            while num_kept > begun and (kept[num_kept - 1] == 10 or kept[num_kept - 1] == 32):
                num_kept -= 1
                before += kept[num_kept] == 10
            i = end_S[s]
            following = offsets_D[d + 1] if s + 1 == first_D[d + 1] else begin_S[s + 1]
            while i < following and (data[i] == 10 or (data[i] == 32 and behind == 0)):
                behind += data[i] == 10
                i += 1
            if num_kept > begun and i < offsets_D[d + 1]:
                for _ in range(min(2, max(before, behind, line_feeds))):
                    kept[num_kept] = 10
                    num_kept += 1
        while first_D[d + 1] > first_D[d] and num_kept > begun and kept[num_kept - 1] <= 32:
            num_kept -= 1
        ends_D[d + 1] = num_kept
