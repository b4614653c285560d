"""Token shards: a file of tokens and a file of document ends, read through memory maps and written whole or not at all.

`X.bin` holds a source's tokens as little-endian uint16 or uint32, document after document, each closed by the end
token. `X.ends` holds, as little-endian int64, for each document the index in `X.bin` one past its end token.
"""

from __future__ import annotations

import mmap
import os
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from domainlm.errors import ManifestError
from domainlm.manifest import Manifest
from domainlm.records import Shard

ENDS_DTYPE = np.dtype("<i8")
MAX_VOCAB_SIZE = 2**32


def token_dtype(vocab_size: int) -> np.dtype[Any]:
    """The least little-endian type that holds every token of a vocabulary.

    >>> token_dtype(65536).name, token_dtype(65537).name
    ('uint16', 'uint32')
    """
    assert 0 < vocab_size <= MAX_VOCAB_SIZE
    return np.dtype("<u2" if vocab_size <= 2**16 else "<u4")


class Stream:
    """The tokens of one source: its shards laid end to end. Opening reads nothing: each is mapped when it is read."""

    def __init__(
        self,
        shards: Sequence[tuple[Path, Path]],
        dtype: np.dtype[Any],
        *,
        sizes: Sequence[tuple[int, int]] | None = None,
        fetch: Callable[[Path], Path] | None = None,
    ):
        """`shards` are pairs of a token file and its file of document ends.

        `sizes` are the tokens and documents of each, needed where `fetch` brings a file here when it is first read.
        """
        self._dtype = dtype
        self._shards = shards
        self._fetch = fetch
        if sizes is None:
            sizes = [(a.stat().st_size // dtype.itemsize, b.stat().st_size // ENDS_DTYPE.itemsize) for a, b in shards]
        self._sizes = sizes
        self._tokens: list[npt.NDArray[Any] | None] = [None] * len(shards)
        self._ends: list[npt.NDArray[np.int64] | None] = [None] * len(shards)
        self._starts = [0, *accumulate(num_tokens for num_tokens, _ in sizes)]
        self.num_tokens = self._starts[-1]
        self.num_docs = sum(num_docs for _, num_docs in sizes)

    def read(self, start: int, out: npt.NDArray[Any]) -> None:
        """Fill `out` with the stream's tokens from index `start` on; IndexError where they run out."""
        stop = start + len(out)
        if start < 0 or stop > self.num_tokens:
            raise IndexError(f"tokens {start:,} to {stop:,} of a stream of {self.num_tokens:,}")
        shard = bisect_right(self._starts, start) - 1
        filled = 0
        while filled < len(out):
            offset = start + filled - self._starts[shard]
            part = self._tokens_of(shard)[offset : offset + len(out) - filled]
            out[filled : filled + len(part)] = part
            filled += len(part)
            shard += 1

    def view(self, start: int, stop: int) -> npt.NDArray[Any]:
        """The tokens in [start, stop), not to be written to: copied only where they lie in several shards."""
        shard = bisect_right(self._starts, start) - 1
        if 0 <= start < stop <= self._starts[min(shard + 1, len(self._shards))]:
            offset = self._starts[shard]
            return self._tokens_of(shard)[start - offset : stop - offset]
        return self.tokens(start, stop)

    def tokens(self, start: int, stop: int) -> npt.NDArray[Any]:
        """A copy of the tokens in [start, stop)."""
        out = np.empty(stop - start, self._dtype)
        self.read(start, out)
        return out

    def begins(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        """Indices in [start, stop) at which a document begins or, at the stream's end, would begin; 0 is not one."""
        found = []
        for shard in range(max(bisect_right(self._starts, start - 1) - 1, 0), len(self._ends)):
            offset = self._starts[shard]
            if offset >= stop:
                break
            ends = self._ends_of(shard)
            low, high = ends.searchsorted((start - offset, stop - offset)).tolist()
            found.append(ends[low:high] + offset)
        return found[0] if len(found) == 1 else np.concatenate(found) if found else np.empty(0, np.int64)

    def begins_in(self, start_N: npt.NDArray[np.int64], length: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        """What `begins` finds in [start, start + length) for each of N starts, in one array, and how many of each."""
        bounds = np.array(self._starts)
        # The end of a shard's last document is in that shard's file, though it is the next one's first index.
        shard_N = np.maximum(np.searchsorted(bounds, start_N - 1, side="right") - 1, 0)
        whole_N = start_N + length - 1 <= bounds[np.minimum(shard_N + 1, len(self._shards))]
        found: list[npt.NDArray[Any]] = []
        row_found: list[npt.NDArray[np.int64]] = []
        for shard in np.unique(shard_N[whole_N]).tolist():
            at = np.flatnonzero(whole_N & (shard_N == shard))
            ends, start = self._ends_of(shard), start_N[at] - self._starts[shard]
            low, high = ends.searchsorted(start), ends.searchsorted(start + length)
            counts = high - low
            found.append(
                ends[np.repeat(high - np.cumsum(counts), counts) + np.arange(counts.sum())] + self._starts[shard]
            )
            row_found.append(np.repeat(at, counts))
        for row in np.flatnonzero(~whole_N).tolist():
            found.append(self.begins(int(start_N[row]), int(start_N[row]) + length))
            row_found.append(np.full(len(found[-1]), row))
        if not found:
            return np.empty(0, np.int64), np.zeros(len(start_N), np.int64)
        row_D = np.concatenate(row_found)
        begins_D = np.concatenate(found)
        if len(found) > 1:
            begins_D = begins_D[np.argsort(row_D, kind="stable")]
        return begins_D, np.bincount(row_D, minlength=len(start_N))

    def ends(self) -> Iterator[npt.NDArray[np.int64]]:
        """Document ends as indices of the stream, shard by shard: at most the ends of a shard are in memory."""
        for shard in range(len(self._shards)):
            yield self._ends_of(shard) + self._starts[shard]

    def some_ends(self, stretches: int, docs: int) -> Iterator[npt.NDArray[np.int64]]:
        """Document ends as indices of the stream, `docs` at a time, evenly spread; of a small stream, all."""
        total = sum(num_docs for _, num_docs in self._sizes)
        first = 0
        for shard, (_, num_docs) in enumerate(self._sizes):
            if total <= stretches * docs:
                lows = [*range(0, num_docs, docs)]
            else:
                # Stretch i begins at document i * total / stretches: those of them that this shard holds.
                step = total // stretches
                lows = [low - first for low in range(0, total - docs, step) if first <= low < first + num_docs]
            for low in lows:
                # With the end before it, so that stretches that touch leave no row out.
                ends = self._ends_of(shard)[max(low - 1, 0) : low + docs] + self._starts[shard]
                yield ends if low else np.insert(ends, 0, self._starts[shard])
            first += num_docs

    def _tokens_of(self, shard: int) -> npt.NDArray[Any]:
        mapped = self._tokens[shard]
        if mapped is None:
            mapped = self._tokens[shard] = _map(self._here(self._shards[shard][0]), self._dtype)
        return mapped

    def _ends_of(self, shard: int) -> npt.NDArray[np.int64]:
        mapped = self._ends[shard]
        if mapped is None:
            mapped = self._ends[shard] = _map(self._here(self._shards[shard][1]), ENDS_DTYPE)
        return mapped

    def _here(self, path: Path) -> Path:
        return path if self._fetch is None else self._fetch(path)


def open_stream(tokens: Manifest, domain: str, source: str, *, place: Callable[[Shard], Path] | None = None) -> Stream:
    """The training stream of a source; ManifestError where its files hold other numbers than the manifest says.

    `place` says where a shard's file is, and brings it there; without it, the files are in the manifest's folder.
    """
    where = {"domain": domain, "source": source, "split": "train"}
    shards = tokens.files("tokens", **where)
    ends = {Path(shard.path).with_suffix(".bin").as_posix(): shard for shard in tokens.files("ends", **where)}
    dtype = np.dtype(tokens.facts["dtype"]).newbyteorder("<")
    if place is not None:
        by_path = {Path(shard.path): shard for pair in ((s, ends[s.path]) for s in shards) for shard in pair}
        return Stream(
            [(Path(shard.path), Path(ends[shard.path].path)) for shard in shards],
            dtype,
            sizes=[(shard.num_tokens, shard.num_docs) for shard in shards],
            fetch=lambda path: place(by_path[path]),
        )
    stream = Stream([(tokens.path(shard), tokens.path(ends[shard.path])) for shard in shards], dtype)
    wanted = (sum(shard.num_tokens for shard in shards), sum(shard.num_docs for shard in shards))
    if (stream.num_tokens, stream.num_docs) != wanted:
        raise ManifestError(
            f"{tokens.folder}: {domain}/{source} holds {stream.num_tokens:,} tokens in {stream.num_docs:,} documents, "
            f"not {wanted[0]:,} in {wanted[1]:,} as its manifest says; delete the folder to make it again"
        )
    return stream


def _map(path: Path, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if path.stat().st_size == 0:  # cannot be mapped
        return np.empty(0, dtype)
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    # Rows are read in random order: what lies beside them is not wanted.
    mapped.madvise(mmap.MADV_RANDOM)
    return np.frombuffer(mapped, dtype)


class ShardWriter:
    """Writes a token file and its document ends in `work`, and moves both in place when all is written.

    The ends are moved last: where they stand, the shard is whole.
    """

    def __init__(self, path: Path, work: Path, dtype: np.dtype[Any]):
        """`path` is where the token file will stand."""
        work.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.num_tokens = 0
        self.num_docs = 0
        self._dtype = dtype
        self._files = [(work / target.name).open("wb") for target in (path, ends_path(path))]

    def write(self, tokens: npt.NDArray[Any], doc_tokens: npt.NDArray[np.int64]) -> None:
        """Append the tokens of documents that have `doc_tokens` tokens each, end tokens included."""
        ends = self.num_tokens + np.cumsum(doc_tokens)
        self._files[0].write(tokens.astype(self._dtype, copy=False).tobytes())
        self._files[1].write(ends.astype(ENDS_DTYPE, copy=False).tobytes())
        self.num_tokens += len(tokens)
        self.num_docs += len(doc_tokens)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        for file in self._files:
            file.flush()
            os.fsync(file.fileno())
            file.close()
        if error is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            for file, target in zip(self._files, (self.path, ends_path(self.path)), strict=True):
                Path(file.name).replace(target)


def ends_path(path: Path) -> Path:
    """Where the document ends of the token file `path` are.

    >>> ends_path(Path("train-00000.bin")).name
    'train-00000.ends'
    """
    return path.with_suffix(".ends")
