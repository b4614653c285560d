"""What was cut from kept training texts, and what is left of each."""

# D documents, L listed lines, S sources
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from domainlm.corpus.dedup import Decision

if TYPE_CHECKING:
    from domainlm.corpus.decontaminate import Contamination
    from domainlm.corpus.leaders import ReadTexts

Int64 = npt.NDArray[np.int64]
Edit = Callable[[Int64, pa.LargeStringArray], pa.LargeStringArray]
"""From numbers and texts of training documents to what is left of the texts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedLine:
    """A line, or paragraph, that was cut."""

    text: str
    """Its beginning."""
    num_docs: int
    """Training documents that it stood in."""
    cut_docs_S: tuple[int, ...]
    """Documents that it was cut from, by source."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cuts:
    """What was cut so far, and what is left of every document."""

    decision: Decision
    num_bytes_D: Int64
    """UTF-8 bytes of the texts."""
    edits: tuple[Edit, ...] = ()
    repeated: tuple[ListedLine, ...] = ()
    """The most frequent first."""
    contamination: Contamination | None = None

    def edit(self, documents: Int64, texts: pa.LargeStringArray) -> pa.LargeStringArray:
        """What is left of the texts of kept training documents."""
        for edit in self.edits:
            texts = edit(documents, texts)
        return texts

    def edited(self, texts: ReadTexts, heldout_D: npt.NDArray[np.bool_]) -> ReadTexts:
        """`texts` with what was cut left out of training documents."""

        def read(wanted_D: npt.NDArray[np.bool_]) -> Iterator[tuple[Int64, pa.LargeStringArray]]:
            for heldout in (True, False):
                for documents, batch in texts(wanted_D & (heldout_D == heldout)):
                    yield documents, batch if heldout else self.edit(documents, batch)

        return read
