from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domainlm.mix.pack import batch_of_segments

T = 12
ROWS = st.lists(st.tuples(st.sets(st.integers(1, T - 1)), st.integers(1, T)), min_size=1, max_size=5)


def batch_of(rows, valid):
    begins = [[0, *sorted(begin for begin in row if begin < n)] for row, n in zip(rows, valid, strict=True)]
    numbers = np.arange(len(rows))
    tokens = np.arange(len(rows) * T).reshape(-1, T)
    next_B = np.where(np.array(valid) == T, tokens[:, -1] + 1, -1)
    flat, counts = [begin for row in begins for begin in row], [len(row) for row in begins]
    return batch_of_segments(
        tokens, next_B, flat, counts, valid, source_B=numbers.astype(np.int32), row_B=numbers
    ), begins


@given(ROWS)
def test_positions_and_lengths_restart_with_the_document_not_with_the_row(rows):
    batch, begins = batch_of([begins for begins, _ in rows], [T] * len(rows))
    starts = [row * T + begin for row, of in enumerate(begins) for begin in of]
    assert batch.cu_seqlens.tolist() == [*starts, len(rows) * T] and batch.cu_seqlens.dtype == np.int32
    assert batch.max_seqlen == np.diff(batch.cu_seqlens).max()
    assert batch.valid_BT is None
    flat = batch.position_BT.ravel()
    for start, stop in zip(batch.cu_seqlens[:-1], batch.cu_seqlens[1:], strict=True):
        assert flat[start:stop].tolist() == list(range(stop - start))


@given(ROWS)
def test_padding_is_a_segment_of_its_own_without_targets(rows):
    batch, begins = batch_of([begins for begins, _ in rows], [valid for _, valid in rows])
    for row, (of, (_, valid)) in enumerate(zip(begins, rows, strict=True)):
        document = batch.document_BT[row].tolist()
        assert document[valid:] == [-1] * (T - valid)
        assert document[:valid] == [sum(begin <= place for begin in of) - 1 for place in range(valid)]
        for place in range(T):
            ends = place + 1 in of or place + 1 == valid < T or place >= valid
            assert batch.target_BT[row, place] == (-1 if ends else row * T + place + 1)
    assert (batch.valid_BT is None) == all(valid == T for _, valid in rows)
    assert batch.cu_seqlens[-1] == len(rows) * T and (np.diff(batch.cu_seqlens) > 0).all()
