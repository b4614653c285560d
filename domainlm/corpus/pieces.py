"""All parts of a corpus as one: documents numbered across them, in the order of the spec, which is their priority."""

# D documents, K band keys
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from domainlm.corpus import part
from domainlm.corpus.part import Part
from domainlm.errors import DataError
from domainlm.manifest import Manifest
from domainlm.specs.domain import DomainSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A part, and where its documents begin among all."""

    domain: str
    source: int
    """Index into the labels of all."""
    part: Part
    first_doc: int

    def documents(self) -> slice:
        return slice(self.first_doc, self.first_doc + self.part.num_docs)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pieces:
    """The parts of all domains, in order."""

    labels: tuple[str, ...]
    """`domain/source` of each source."""
    pieces: tuple[Piece, ...]
    num_docs: int

    def __iter__(self) -> Iterator[Piece]:
        return iter(self.pieces)

    def __len__(self) -> int:
        return len(self.pieces)

    def array(self, name: str) -> npt.NDArray[Any]:
        """An array of the parts for all documents, which lie along its first axis; DataError where some are missing."""
        arrays = [piece.part.array(name) for piece in self.pieces]
        for piece, array in zip(self.pieces, arrays, strict=True):
            if len(array) != piece.part.num_docs:
                said = f"holds {len(array)} documents, but the accounting says {piece.part.num_docs}"
                raise DataError(f"{piece.part.folder}/{name}.npy {said}")
        return np.concatenate(arrays)

    def batches(
        self, wanted_D: npt.NDArray[np.bool_], columns: Sequence[str]
    ) -> Iterator[tuple[npt.NDArray[np.int64], pa.Table]]:
        """Numbers, ascending, and rows of the wanted documents, a batch at a time."""
        for piece in self.pieces:
            wanted = wanted_D[piece.documents()]
            for first_row, table in piece.part.batches(columns, wanted):
                chosen = np.flatnonzero(wanted[first_row : first_row + table.num_rows])
                numbers = piece.first_doc + first_row + chosen
                yield numbers, table if len(chosen) == table.num_rows else table.take(pa.array(chosen))

    def texts(self, wanted_D: npt.NDArray[np.bool_]) -> Iterator[tuple[npt.NDArray[np.int64], pa.LargeStringArray]]:
        """Numbers, ascending, and texts of the wanted documents, a batch at a time."""
        for numbers, table in self.batches(wanted_D, ["text"]):
            yield numbers, pa.concat_arrays(table.column("text").chunks)

    def sources(self) -> npt.NDArray[np.int32]:
        """(D,) Index of each document's source."""
        num_docs_P = [piece.part.num_docs for piece in self.pieces]
        return np.repeat(np.array([piece.source for piece in self.pieces], np.int32), num_docs_P)


class Bands(Sequence[npt.NDArray[np.uint64]]):
    """Band keys (documents,) of each band, read from disk when they are asked for: a band at a time is in memory."""

    def __init__(self, pieces: Pieces):
        self._arrays = [piece.part.array("keys") for piece in pieces]

    def __len__(self) -> int:
        return len(self._arrays[0])

    def __getitem__(self, band: Any) -> Any:
        if not -len(self) <= band < len(self):
            raise IndexError(band)
        return np.concatenate([keys_KD[band] for keys_KD in self._arrays])


def pieces_of(domains: Sequence[DomainSpec], reads: Mapping[str, Manifest]) -> Pieces:
    """The parts that the stages `read/DOMAIN` made, by domain; DataError where a domain was not read."""
    labels = tuple(f"{domain.name}/{source.name}" for domain in domains for source in domain.sources)
    pieces, first_doc = [], 0
    for domain in domains:
        if domain.name not in reads:
            raise DataError(f"{domain.name} was not read; there is {', '.join(reads) or 'nothing'}")
        made = reads[domain.name]
        for shard in made.files("part"):
            path = made.path(shard)
            if path.name == part.ACCOUNTING:
                one = part.read(path.parent)
                source = labels.index(f"{domain.name}/{one.source}")
                pieces.append(Piece(domain=domain.name, source=source, part=one, first_doc=first_doc))
                first_doc += one.num_docs
    return Pieces(labels=labels, pieces=tuple(pieces), num_docs=first_doc)
