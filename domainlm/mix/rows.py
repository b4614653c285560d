"""The rows of one source, each found by its number: cut from the stream one after the other, or packed by best fit."""

# N rows asked for, T tokens in a row, D documents in all of them

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from domainlm.mix.best_fit import PIECE
from domainlm.tokens.shards import Stream

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Where documents lie in some rows."""

    begins_D: Ints
    """Place in its row at which each begins, row after row; the first of each row is 0."""
    counts_N: Ints
    """Documents of each row."""
    next_N: Ints
    """The token after each row, or -1 where its last document ends with it."""
    valid_N: Ints
    """Tokens of each row before its padding."""


class Rows(Protocol):
    """The rows of a source."""

    def read(self, place_N: Ints, out: list[npt.NDArray[np.int64]]) -> Layout:
        """Fill `out`, arrays of (T,), with the rows `place_N`."""
        ...


class Concat:
    """Row i holds tokens [i * T, (i + 1) * T) of the stream."""

    def __init__(self, stream: Stream, sequence_tokens: int):
        self._stream = stream
        self._tokens = sequence_tokens

    def read(self, place_N: Ints, out: list[npt.NDArray[np.int64]]) -> Layout:
        start_N, num_tokens = place_N * self._tokens, self._tokens
        next_N = np.empty(len(out), np.int64)
        for i, start in enumerate(start_N.tolist()):
            tokens_U = self._stream.view(start, start + num_tokens + 1)
            out[i][:] = tokens_U[:num_tokens]
            next_N[i] = tokens_U[num_tokens]
        # In (start, start + T]: what begins right after a row says that its last document ends with it.
        begins, counts_N = self._stream.begins_in(start_N + 1, num_tokens)
        row_D = np.repeat(np.arange(len(out)), counts_N)
        begins -= start_N[row_D]
        after = begins == num_tokens
        next_N[row_D[after]] = -1
        counts_N = counts_N - np.bincount(row_D[after], minlength=len(out)) + 1
        begins_D = np.zeros(int(counts_N.sum()), np.int64)
        inside = np.ones(len(begins_D), np.bool_)
        inside[np.cumsum(counts_N) - counts_N] = False
        begins_D[inside] = begins[~after]
        return Layout(begins_D=begins_D, counts_N=counts_N, next_N=next_N, valid_N=np.full(len(out), num_tokens))


class BestFit:
    """Row i holds the pieces of documents that the packing plan says."""

    def __init__(self, stream: Stream, rows: Path, pieces: Path, sequence_tokens: int):
        self._stream = stream
        # As plain arrays: a slice of numpy's memmap takes four times as long.
        self._rows = np.asarray(np.memmap(rows, "<i8", "r"))
        self._pieces: npt.NDArray[Any] = np.asarray(np.memmap(pieces, PIECE, "r"))
        self._tokens = sequence_tokens

    def read(self, place_N: Ints, out: list[npt.NDArray[np.int64]]) -> Layout:
        low_N, high_N = self._rows[place_N], self._rows[place_N + 1]
        counts_N = high_N - low_N
        pieces_D = self._pieces[np.repeat(high_N - np.cumsum(counts_N), counts_N) + np.arange(counts_N.sum())]
        start_D = pieces_D["start"].astype(np.int64)
        length_D = np.minimum(pieces_D["length"], self._tokens).astype(np.int64)
        stop_D = np.cumsum(length_D)
        first_N = np.cumsum(counts_N) - counts_N
        begins_D = stop_D - length_D
        begins_D -= np.repeat(begins_D[first_N], counts_N)
        row_D = np.repeat(np.arange(len(out)), counts_N)
        for row, at, start, length in zip(*(a.tolist() for a in (row_D, begins_D, start_D, length_D)), strict=True):
            out[row][at : at + length] = self._stream.view(start, start + length)
        valid_N = np.add.reduceat(length_D, first_N) if len(out) else np.empty(0, np.int64)
        next_N = np.full(len(out), -1, np.int64)
        for i in np.flatnonzero(valid_N < self._tokens).tolist():
            out[i][valid_N[i] :] = 0
        # The row of a document that goes on is one piece, of a token more than the row has places.
        for d in np.flatnonzero(pieces_D["length"] > self._tokens).tolist():
            after = int(start_D[d]) + self._tokens
            next_N[row_D[d]] = self._stream.view(after, after + 1)[0]
        return Layout(begins_D=begins_D, counts_N=counts_N, next_N=next_N, valid_N=valid_N)
