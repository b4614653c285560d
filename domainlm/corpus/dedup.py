"""Which documents stay: of duplicates the first in priority, and nothing in training that is like a held-out document.

Priority: held-out before training, then the order of domains, sources and documents in the spec.
"""

# B bands, D documents, P places in order of priority
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from domainlm import compiled
from domainlm.corpus import exact
from domainlm.specs.corpus import CorpusSpec, NearDuplicates

if TYPE_CHECKING:
    from domainlm.corpus.leaders import ReadTexts

Int64 = npt.NDArray[np.int64]
Uint64 = npt.NDArray[np.uint64]
Which = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What becomes of each document, in the order they were given."""

    reasons: tuple[tuple[str, str], ...] = ()
    """(stage, reason) of all that was dropped."""
    reason_D: npt.NDArray[np.int16]
    """Index into `reasons`, or -1: kept."""
    kept_for_D: Int64
    """The document that was kept in its place; itself where it is kept, or dropped for no other's sake."""

    @classmethod
    def keep_all(cls, num_docs: int) -> Self:
        return cls(reason_D=np.full(num_docs, -1, np.int16), kept_for_D=np.arange(num_docs))

    def kept(self) -> Which:
        return self.reason_D < 0

    def stage(self, document: int) -> str:
        return self.reasons[self.reason_D[document]][0]

    def reason(self, document: int) -> str:
        return self.reasons[self.reason_D[document]][1]

    def dropping(self, which: Which | Int64, stage: str, reason: str, kept_for: Int64 | None = None) -> Self:
        """This decision, and `which` (a mask, or numbers) dropped too, for `kept_for` (one each); kept until now."""
        documents = np.flatnonzero(which) if which.dtype == bool else which
        if not len(documents):
            return self
        assert self.kept()[documents].all(), f"{stage}: {reason}: dropped already"
        entry = (stage, reason)
        reasons = self.reasons if entry in self.reasons else (*self.reasons, entry)
        reason_D, kept_for_D = self.reason_D.copy(), self.kept_for_D.copy()
        reason_D[documents] = reasons.index(entry)
        if kept_for is not None:
            kept_for_D[documents] = kept_for
        return replace(self, reasons=reasons, reason_D=reason_D, kept_for_D=kept_for_D)


def decide(
    decision: Decision,
    heldout_D: Which,
    digests_D2: Uint64,
    keys_KD: Sequence[Uint64] | Uint64 | None,
    corpus: CorpusSpec,
    texts: ReadTexts,
    work: Path,
) -> Decision:
    """`decision` after exact and near-duplicates have gone; what it has dropped already takes no part.

    Documents are given in the order of the spec; `keys_KD` are their band keys, needed where near-duplicates go. A
    training document whose very text is held out never stays, whatever the spec keeps. Where exact duplicates stay,
    near ones are found among different texts, and copies share the fate of their first. `work` is a folder for what
    does not fit into memory.
    """
    kept = decision.kept()
    priority_P = np.concatenate([np.flatnonzero(kept & heldout_D), np.flatnonzero(kept & ~heldout_D)])
    first_P = exact.first_of_equal(digests_D2[priority_P])
    again_P = first_P != np.arange(len(first_P))
    if corpus.exact_duplicates == "keep":
        again_P &= heldout_D[priority_P[first_P]] & ~heldout_D[priority_P]
    decision = _drop(decision, "exact", priority_P[again_P], priority_P[first_P[again_P]], heldout_D)
    if corpus.near_duplicates is not None and keys_KD is not None:
        different_P = first_P == np.arange(len(first_P))
        kept_D = np.arange(len(heldout_D))
        kept_D[priority_P[different_P]] = _kept_of_near(
            priority_P[different_P], keys_KD, corpus.near_duplicates, texts, work
        )
        kept_D[priority_P] = kept_D[priority_P[first_P]]
        left = priority_P[~again_P]
        copies = np.zeros(len(heldout_D), bool)
        if corpus.exact_duplicates == "keep":  # copies of a text that stays stay too
            copies[priority_P] = kept_D[priority_P] == priority_P[first_P]
        gone = left[(kept_D[left] != left) & ~copies[left]]
        decision = _drop(decision, "near", gone, kept_D[gone], heldout_D)
        # Of an exact duplicate whose first is itself a near-duplicate.
        decision = replace(decision, kept_for_D=decision.kept_for_D[decision.kept_for_D])
    return decision


def _kept_of_near(
    documents: Int64, keys_KD: Sequence[Uint64] | Uint64, spec: NearDuplicates, texts: ReadTexts, work: Path
) -> Int64:
    """For each of `documents`, which are in order of priority, the one that is kept in its place."""
    from domainlm.corpus import leaders, near

    compiled.lean()
    if spec.min_jaccard is not None:
        return documents[leaders.leaders(documents, keys_KD, spec, texts, work)]
    return documents[near.first_of_cluster([keys_KD[band][documents] for band in range(spec.bands)])]


def _drop(decision: Decision, stage: str, documents: Int64, kept_for: Int64, heldout_D: Which) -> Decision:
    of_heldout = heldout_D[kept_for] & ~heldout_D[documents]
    for chosen, suffix in ((~of_heldout, ""), (of_heldout, " of held-out")):
        decision = decision.dropping(documents[chosen], stage, f"{stage} duplicate{suffix}", kept_for[chosen])
    return decision
