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
    """Rows of one micro-batch. B rows, T tokens in a row, U = T + 1.

    Row i holds tokens [i * T, i * T + T] of its source's stream: its last token is the next row's first, so that
    each token is a target of causal prediction exactly once.
    """

    tokens_BU: npt.NDArray[np.int64]
    document_BU: npt.NDArray[np.int32]
    """Number of the document in its row, from 0: equal numbers, same document."""
    position_BU: npt.NDArray[np.int32]
    """Position of the token in its document as far as the row holds it: restarts at 0 with each document."""
    source_B: npt.NDArray[np.int32]
    """Index into the mix's sources."""
    row_B: npt.NDArray[np.int64]
    """Global row numbers."""


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
