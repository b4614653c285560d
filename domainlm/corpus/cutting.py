"""The stages that cut passages from kept training text, `lines` and `decontaminate`: what each leaves, drops and lists.

What they cut is not written down: `Cuts.edit` cuts it again whenever a text is read, always the same.
"""

# D documents, L listed lines, S sources, U units (lines or paragraphs)
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from domainlm.corpus import decontaminate, lines
from domainlm.corpus.benchmark import Benchmark
from domainlm.corpus.lines import Cutter
from domainlm.corpus.ngrams import Int64
from domainlm.corpus.passages import Cuts, ListedLine
from domainlm.corpus.pieces import Pieces
from domainlm.corpus.texts import Texts
from domainlm.specs.corpus import Decontaminate, RepeatedLines

NUM_LISTED = 1000
TEXT_CHARS = 1000


def cut_lines(cuts: Cuts, pieces: Pieces, spec: RepeatedLines, work: Path) -> Cuts:
    """Without the lines that recur, and without the documents that are left too short."""
    wanted_D = cuts.decision.kept() & ~pieces.array("heldout")
    num_bytes = int(cuts.num_bytes_D[wanted_D].sum())
    cutter = Cutter(lines.repeated(wanted_D, pieces.texts, num_bytes, spec, work / "lines"), spec)
    listing = _Listing(cutter, pieces)
    num_bytes_D, short = cuts.num_bytes_D.copy(), [np.empty(0, np.int64)]
    for documents, batch in pieces.texts(wanted_D):
        texts = Texts(batch)
        units, place_U = cutter.cuts(documents, texts)
        listing.add(documents, texts, units, place_U)
        left = Texts(cutter.cut(batch, units, place_U))
        num_bytes_D[documents] = np.diff(left.offsets)
        lost = num_bytes_D[documents] < np.diff(texts.offsets)
        short.append(documents[lost & (left.chars < spec.min_left_chars)])
    reason = f"fewer than {spec.min_left_chars} characters without repeated {spec.unit}s"
    decision = cuts.decision.dropping(np.concatenate(short), "lines", reason)
    edits = (*cuts.edits, cutter.edit)
    return replace(cuts, decision=decision, num_bytes_D=num_bytes_D, edits=edits, repeated=listing.rows())


class _Listing:
    """The lines that stand in most documents, with what they say and where they were cut."""

    def __init__(self, cutter: Cutter, pieces: Pieces):
        self._num_docs_R = cutter.found.num_docs_R
        self._listed_L = np.argsort(-self._num_docs_R, kind="stable")[:NUM_LISTED]
        self._row_R = np.full(len(self._num_docs_R) + 1, -1)
        self._row_R[self._listed_L] = np.arange(len(self._listed_L))
        self._source_D = pieces.sources()
        self._cut_LS = np.zeros((len(self._listed_L), len(pieces.labels)), np.int64)
        self._texts: dict[int, str] = {}

    def add(self, documents: Int64, texts: Texts, units: lines.Units, place_U: npt.NDArray[np.int32]) -> None:
        row_U = self._row_R[place_U]  # place -1, of what stays, is the last, whose row is -1
        listed = np.flatnonzero(row_U >= 0)
        row, document = row_U[listed], np.repeat(documents, np.diff(units.first_D))[listed]
        pairs = np.unique(np.stack([row, document]), axis=1)
        np.add.at(self._cut_LS, (pairs[0], self._source_D[pairs[1]]), 1)
        for number, first in zip(*np.unique(row, return_index=True), strict=True):
            if int(number) not in self._texts:
                unit = listed[first]
                text = texts.data[units.begin_U[unit] : units.end_U[unit]].tobytes()
                self._texts[int(number)] = text[: 4 * TEXT_CHARS].decode(errors="ignore")[:TEXT_CHARS]

    def rows(self) -> tuple[ListedLine, ...]:
        """Without those that are too short to be cut, and those that only documents have that keep them."""
        return tuple(
            ListedLine(
                text=self._texts[row],
                num_docs=int(self._num_docs_R[self._listed_L[row]]),
                cut_docs_S=tuple(self._cut_LS[row].tolist()),
            )
            for row in sorted(self._texts)
        )


def cut_contamination(
    cuts: Cuts, pieces: Pieces, benchmarks: Sequence[Benchmark], spec: Decontaminate, work: Path
) -> Cuts:
    """Without the passages of held-out documents and benchmark items, and the documents that consist of them."""
    heldout_D, kept_D = pieces.array("heldout"), cuts.decision.kept()
    found = decontaminate.contamination(
        kept_D & ~heldout_D,
        kept_D & heldout_D,
        benchmarks,
        spec,
        cuts.edited(pieces.texts, heldout_D),
        int(cuts.num_bytes_D[kept_D & heldout_D].sum()),
        work / "ngrams",
    )
    decision = cuts.decision
    for reason, documents in found.dropped.items():
        decision = decision.dropping(documents, "decontaminate", reason)
    num_bytes_D = cuts.num_bytes_D.copy()
    num_bytes_D[list(found.num_bytes)] = list(found.num_bytes.values())
    edits = (*cuts.edits, found.edit)
    return replace(cuts, decision=decision, num_bytes_D=num_bytes_D, edits=edits, contamination=found)
