"""Token shards: a file of tokens and a file of document ends, read through memory maps and written whole or not at all.

`X.bin` holds a source's tokens as little-endian uint16 or uint32, document after document, each closed by the end
token. `X.ends` holds, as little-endian int64, for each document the index in `X.bin` one past its end token.
"""

from __future__ import annotations

import mmap
import os
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from domainlm.errors import ManifestError
from domainlm.manifest import Manifest

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
    """The tokens of one source: its shards laid end to end. Opening it reads nothing."""

    def __init__(self, shards: Sequence[tuple[Path, Path]], dtype: np.dtype[Any]):
        """`shards` are pairs of a token file and its file of document ends."""
        self._tokens = [_map(path, dtype) for path, _ in shards]
        self._ends = [_map(path, ENDS_DTYPE) for _, path in shards]
        self._starts = [0, *accumulate(len(tokens) for tokens in self._tokens)]
        self.num_tokens = self._starts[-1]
        self.num_docs = sum(len(ends) for ends in self._ends)

    def read(self, start: int, out: npt.NDArray[Any]) -> None:
        """Fill `out` with the stream's tokens from index `start` on; IndexError where they run out."""
        stop = start + len(out)
        if start < 0 or stop > self.num_tokens:
            raise IndexError(f"tokens {start:,} to {stop:,} of a stream of {self.num_tokens:,}")
        shard = bisect_right(self._starts, start) - 1
        filled = 0
        while filled < len(out):
            offset = start + filled - self._starts[shard]
            part = self._tokens[shard][offset : offset + len(out) - filled]
            out[filled : filled + len(part)] = part
            filled += len(part)
            shard += 1

    def tokens(self, start: int, stop: int) -> npt.NDArray[Any]:
        """A copy of the tokens in [start, stop)."""
        out = np.empty(stop - start, self._tokens[0].dtype if self._tokens else np.uint16)
        self.read(start, out)
        return out

    def begins(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        """Indices in [start, stop) at which a document begins or, at the stream's end, would begin; 0 is not one."""
        found = []
        for shard in range(max(bisect_right(self._starts, start - 1) - 1, 0), len(self._ends)):
            offset = self._starts[shard]
            if offset >= stop:
                break
            ends = self._ends[shard]
            low, high = np.searchsorted(ends, (start - offset, stop - offset))
            found.append(ends[low:high] + offset)
        return np.concatenate(found) if found else np.empty(0, np.int64)


def open_stream(tokens: Manifest, domain: str, source: str) -> Stream:
    """The training stream of a source; ManifestError where its files hold other numbers than the manifest says."""
    where = {"domain": domain, "source": source, "split": "train"}
    shards = tokens.files("tokens", **where)
    ends = {Path(shard.path).with_suffix(".bin").as_posix(): shard for shard in tokens.files("ends", **where)}
    pairs = [(tokens.path(shard), tokens.path(ends[shard.path])) for shard in shards]
    stream = Stream(pairs, np.dtype(tokens.facts["dtype"]).newbyteorder("<"))
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
