"""What flows between stages: frozen records with their units in the names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Split = Literal["train", "heldout"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """One file that a stage made, as its manifest lists it."""

    path: str
    """Relative to the folder of the manifest, with forward slashes."""
    kind: str
    """`text`, `tokens`, `ends`, `model`, `table`, `page`, ...: who reads it knows what it holds."""
    num_bytes: int
    sha256: str
    domain: str = ""
    source: str = ""
    split: str = ""
    """`train`, `heldout` or empty."""
    num_docs: int = 0
    num_tokens: int = 0
    text_bytes: int = 0
    """UTF-8 bytes of the text that the shard holds or stands for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Rows of one micro-batch: B rows of T tokens, in D segments.

    A segment is what a row holds of a document, or its padding.
    """

    tokens_BT: npt.NDArray[np.int64]
    next_B: npt.NDArray[np.int64]
    """The token after each row, the target of its last position; -1 where the document ends with the row. With it, each
    token of a document but its first is a target of causal prediction exactly once."""
    position_BT: npt.NDArray[np.int32]
    """Position of the token in its segment: restarts at 0 with each."""
    cu_seqlens: npt.NDArray[np.int32]
    """Cumulative lengths of the segments, all rows laid end to end; (D + 1,): first 0, last B * T."""
    max_seqlen: int
    """Length of the longest segment, in tokens."""
    valid_BT: npt.NDArray[np.bool_] | None
    """Where tokens are text and no padding; None where all are. Padding is a segment by itself."""
    source_B: npt.NDArray[np.int32]
    """Index into the mix's sources."""
    row_B: npt.NDArray[np.int64]
    """Global row numbers."""

    @property
    def document_BT(self) -> npt.NDArray[np.int32]:
        """Number of the document in its row, from 0: equal numbers, same document; -1 for padding."""
        document_BT = np.cumsum(self.position_BT == 0, axis=1, dtype=np.int32) - 1
        return document_BT if self.valid_BT is None else np.where(self.valid_BT, document_BT, np.int32(-1))

    @property
    def target_BT(self) -> npt.NDArray[np.int64]:
        """The next token of the same document; -1 where there is none."""
        target_BT = np.concatenate([self.tokens_BT[:, 1:], self.next_B[:, None]], axis=1)
        target_BT[:, :-1][self.position_BT[:, 1:] == 0] = -1
        if self.valid_BT is not None:
            target_BT[~self.valid_BT] = -1
        return target_BT


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """A state of training that can be resumed, with any number of ranks."""

    path: str
    step: int
    """Optimizer steps done."""
    row: int
    """Next global row: the loader's whole state."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalResult:
    """One metric of one model on one set of items, with the sums it re-aggregates from."""

    model: str
    suite: str
    """`general`, `finance`, `legal` or `medical`, or a domain of the run."""
    task: str
    """lm-eval's task name, or `bits_per_byte`."""
    source: str
    """The held-out source, or empty."""
    metric: str
    value: float
    low: float
    """Lower end of the 95% bootstrap interval over documents or items."""
    high: float
    num_items: int
    numerator: float
    denominator: float
    higher_is_better: bool
