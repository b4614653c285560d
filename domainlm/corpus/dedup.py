"""Which documents stay: of duplicates the first in priority, and nothing in training that is like a held-out document.

Priority: held-out before training, then the order of domains, sources and documents in the spec.
"""

# D documents, B bands
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from domainlm.corpus import exact, near
from domainlm.specs.run import CorpusSpec

STAGE_OF_REASON = {
    "exact duplicate": "exact",
    "exact duplicate of held-out": "exact",
    "near duplicate": "near",
    "near duplicate of held-out": "near",
}
_REASONS = tuple(STAGE_OF_REASON)


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What becomes of each document, in the order they were given."""

    reason_D: npt.NDArray[np.int8]
    """Index into the keys of STAGE_OF_REASON, or -1: kept."""
    kept_for_D: npt.NDArray[np.int64]
    """The document that was kept in its place; itself where it is kept."""

    def kept(self) -> npt.NDArray[np.bool_]:
        return self.reason_D < 0

    def reason(self, document: int) -> str:
        return _REASONS[self.reason_D[document]]

    def largest_clusters(self, num_clusters: int) -> list[tuple[int, int]]:
        """(kept document, documents in all) of the largest clusters of more than one, largest first."""
        kept, num_docs = np.unique(self.kept_for_D, return_counts=True)
        order = np.lexsort((kept, -num_docs))[:num_clusters]
        return [(int(kept[i]), int(num_docs[i])) for i in order if num_docs[i] > 1]


def decide(
    heldout_D: npt.NDArray[np.bool_],
    digests_D2: npt.NDArray[np.uint64],
    keys_BD: npt.NDArray[np.uint64] | None,
    spec: CorpusSpec,
) -> Decision:
    """The decision over documents that are given in the order of the spec; `keys_BD` are None where near ones stay.

    A training document whose very text is held out never stays, whatever the spec keeps.
    """
    priority = np.argsort(~heldout_D, kind="stable")
    heldout = heldout_D[priority]
    documents = np.arange(len(priority))
    first = exact.first_of_equal(digests_D2[priority])
    reason = np.full(len(priority), -1, np.int8)
    of_heldout = heldout[first] & ~heldout
    again = first != documents
    if spec.exact_duplicates == "keep":
        again &= of_heldout
        first = np.where(again, first, documents)
    reason[again] = np.where(of_heldout[again], 1, 0)
    kept_for = first.copy()
    if keys_BD is not None:
        left = np.flatnonzero(reason < 0)
        kept = left[near.first_of_cluster(np.take(keys_BD, priority[left], axis=1))]
        again = kept != left
        reason[left[again]] = np.where(heldout[kept[again]] & ~heldout[left[again]], 3, 2)
        kept_for[left] = kept
        kept_for = kept_for[kept_for]  # of an exact duplicate whose first is itself a near-duplicate
    decided = Decision(reason_D=np.empty_like(reason), kept_for_D=np.empty_like(kept_for))
    decided.reason_D[priority] = reason
    decided.kept_for_D[priority] = priority[kept_for]
    return decided
