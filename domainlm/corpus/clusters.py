"""Clusters of duplicates: which document was kept for which, and how many there are."""

# D documents, C kept documents of clusters, K some documents
from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from domainlm.corpus.dedup import Decision
from domainlm.corpus.pieces import Pieces

Int64 = npt.NDArray[np.int64]
NUM_LARGEST = 5


class Clusters:
    """Clusters of more than one document. In memory: the ids of those that were kept for others."""

    def __init__(self, pieces: Pieces, decision: Decision):
        self._pieces = pieces
        self._kept_for_D = decision.kept_for_D
        members = np.flatnonzero(self._kept_for_D != np.arange(pieces.num_docs))
        kept_C, num_others_C = np.unique(self._kept_for_D[members], return_counts=True)
        self.kept_C: Int64 = kept_C
        """Documents that were kept for others, in order."""
        self.num_docs_C: Int64 = num_others_C + 1
        self._of_kept = self._columns()

    def _columns(self) -> dict[str, pa.Array]:
        """Id, domain, source and split of the kept documents, and the documents in their clusters."""
        wanted_D = np.zeros(self._pieces.num_docs, bool)
        wanted_D[self.kept_C] = True
        tables = (table for _, table in self._pieces.batches(wanted_D, ["id"]))
        # Large: an array of plain strings ends at 2 GiB.
        ids = [chunk.cast(pa.large_string()) for table in tables for chunk in table.column("id").chunks]
        labels = [label.split("/", 1) for label in self._pieces.labels]
        source_C = pa.array(self._pieces.sources()[self.kept_C])
        heldout_C = pa.array(self._pieces.array("heldout")[self.kept_C].astype(np.int8))
        return {
            "kept_id": pa.concat_arrays(ids) if ids else pa.array([], pa.large_string()),
            "kept_domain": pa.array([domain for domain, _ in labels], pa.string()).take(source_C),
            "kept_source": pa.array([source for _, source in labels], pa.string()).take(source_C),
            "kept_split": pa.array(["train", "heldout"], pa.string()).take(heldout_C),
            "num_docs": pa.array(self.num_docs_C, pa.int64()),
        }

    def largest(self) -> list[tuple[int, int]]:
        """(kept document, documents in all) of the largest clusters, largest first."""
        order = np.lexsort((self.kept_C, -self.num_docs_C))[:NUM_LARGEST]
        return [(int(self.kept_C[c]), int(self.num_docs_C[c])) for c in order]

    def id_of(self, kept: int) -> str:
        return self._of_kept["kept_id"][int(np.searchsorted(self.kept_C, kept))].as_py()

    def of(self, documents_K: Int64) -> dict[str, pa.Array]:
        """For each document that went for another, that one and the size of the cluster; nulls for the others."""
        kept_K = self._kept_for_D[documents_K]
        number_K = pa.array(np.searchsorted(self.kept_C, kept_K), mask=kept_K == documents_K)
        return {name: values_C.take(number_K) for name, values_C in self._of_kept.items()}
