"""Which documents stay, stage by stage, and what is cut from them; what arrays can decide reads no text."""

# D documents, S stages
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from domainlm import progress
from domainlm.corpus import dedup, sieve
from domainlm.corpus.benchmark import Benchmark
from domainlm.corpus.dedup import Decision
from domainlm.corpus.passages import Cuts
from domainlm.corpus.pieces import Bands, Pieces
from domainlm.specs.corpus import CorpusSpec
from domainlm.specs.domain import DomainSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """What becomes of each document, and what each stage made of its text."""

    decision: Decision
    stages: tuple[tuple[str, npt.NDArray[np.int64]], ...]
    """The stages that were gone through, in order, each with the UTF-8 bytes (D,) of every text as it leaves it."""
    cuts: Cuts
    """What is cut from kept training texts."""


def decide(
    corpus: CorpusSpec, domains: Sequence[DomainSpec], pieces: Pieces, benchmarks: Sequence[Benchmark], work: Path
) -> Decided:
    """The fate of every document of `pieces`; `work` is an existing folder for what does not fit into memory."""
    num_bytes_D = pieces.array("num_bytes")
    decision = _tell("filter", _filter(Decision.keep_all(pieces.num_docs), pieces, domains))
    decision = _tell("duplicates", _deduplicate(decision, pieces, corpus, work))
    stages = [(stage, num_bytes_D) for stage in ("filter", "exact", "near")]
    cuts = Cuts(decision=decision, num_bytes_D=num_bytes_D)
    # Imported where something is cut: what compiles machine code takes its time.
    if corpus.repeated_lines is not None:
        from domainlm.corpus import cutting

        progress.tell("corpus: repeated lines", 0, 1, "pass")
        cuts = cutting.cut_lines(cuts, pieces, corpus.repeated_lines, work)
        stages.append(("lines", cuts.num_bytes_D))
        _tell("repeated lines", cuts.decision)
    if corpus.decontaminate is not None:
        from domainlm.corpus import cutting

        progress.tell("corpus: decontaminate", 0, 1, "pass")
        cuts = cutting.cut_contamination(cuts, pieces, benchmarks, corpus.decontaminate, work)
        stages.append(("decontaminate", cuts.num_bytes_D))
        _tell("decontaminate", cuts.decision)
    return Decided(decision=cuts.decision, stages=tuple(stages), cuts=cuts)


def _tell(what: str, decision: Decision) -> Decision:
    progress.tell(f"corpus: {what}", 1, 1, "pass", kept=int(decision.kept().sum()), docs=len(decision.reason_D))
    return decision


def _filter(decision: Decision, pieces: Pieces, domains: Sequence[DomainSpec]) -> Decision:
    """Without the documents that a threshold of their domain drops."""
    filters = {domain.name: domain.filters for domain in domains}
    number_of: dict[str, int] = {}
    reason_D = decision.reason_D.copy()
    for piece in pieces:
        if not piece.part.num_docs:
            continue
        reasons, first_D = sieve.sift(piece.part.scores(), piece.part.num_docs, filters[piece.domain])
        numbers = [number_of.setdefault(reason, len(number_of)) for reason in reasons]
        # The last entry stands for -1: none of the reasons.
        reason_D[piece.documents()] = np.array([*numbers, -1], reason_D.dtype)[first_D]
    return Decision(
        reasons=tuple(("filter", reason) for reason in number_of), reason_D=reason_D, kept_for_D=decision.kept_for_D
    )


def _deduplicate(decision: Decision, pieces: Pieces, corpus: CorpusSpec, work: Path) -> Decision:
    progress.tell("corpus: duplicates", 0, 1, "pass")
    keys_KD = Bands(pieces) if corpus.near_duplicates is not None else None
    heldout_D, digests_D2 = pieces.array("heldout"), pieces.array("digests")
    return dedup.decide(decision, heldout_D, digests_D2, keys_KD, corpus, pieces.texts, work)
