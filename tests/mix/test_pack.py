from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domainlm.mix.pack import documents

U = 12


@given(st.lists(st.sets(st.integers(1, U - 1)), min_size=1, max_size=5))
def test_positions_restart_with_the_document_not_with_the_row(begins):
    document_BU, position_BU = documents([np.array(sorted(row), np.int64) for row in begins], U)
    for row, document_U, position_U in zip(begins, document_BU.tolist(), position_BU.tolist(), strict=True):
        expected_document, expected_position = [], []
        document = position = 0
        for place in range(U):
            if place in row:
                document, position = document + 1, 0
            expected_document.append(document)
            expected_position.append(position)
            position += 1
        assert (document_U, position_U) == (expected_document, expected_position)
