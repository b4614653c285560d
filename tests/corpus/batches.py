"""Texts as the deciding stage reads them: numbers and an Arrow array, some documents at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from domainlm.corpus.leaders import ReadTexts


def reader(texts: Sequence[str], batch_docs: int = 3) -> ReadTexts:
    array = pa.array(list(texts), pa.large_string())

    def read(wanted_D: np.ndarray) -> Iterator[tuple[np.ndarray, pa.LargeStringArray]]:
        for begin in range(0, len(texts), batch_docs):
            numbers = begin + np.flatnonzero(wanted_D[begin : begin + batch_docs])
            if len(numbers):
                yield numbers, array.take(pa.array(numbers))

    return read
