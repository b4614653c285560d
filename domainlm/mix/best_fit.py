"""Documents become rows by best fit: none shorter than a row is cut, and rows are padded as little as that allows.

Best-fit decreasing, as in H. Ding et al., Fewer truncations improve language modeling, arXiv:2404.10830: the longest
documents first, each into the fullest row that has room. A document longer than a row fills rows of its own, and only
what is left of it is packed. Documents are packed in windows, so that memory does not grow with the corpus.

The plan of a source is two small files, of 12 bytes for each piece of a document and 8 for each row: which tokens each
row holds. They are made from the document ends alone, the tokens are not read, and lie in a folder named for what they
were made from: every mix of these documents with rows of this length shares them.
"""

# N pieces of documents, R rows, W documents of a window

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from domainlm.digest import digest, file_digest
from domainlm.manifest import write_atomically
from domainlm.tokens.shards import Stream

PIECE = np.dtype([("start", "<i8"), ("length", "<i4")])
"""Tokens of the stream. A piece of `sequence_tokens + 1` is a full row whose document goes on: its last is a target."""
ROWS, PIECES, ACCOUNT = "rows.bin", "pieces.bin", "pack.json"
_FORMAT = 1
"""To be raised where the same documents would be packed otherwise."""
_WINDOW_DOCS = 2**16
_WINDOW_TOKENS = 2**27


@dataclass(frozen=True, kw_only=True, slots=True)
class Pack:
    """What a packing plan says of itself."""

    sequence_tokens: int
    num_rows: int
    num_pieces: int
    num_docs: int
    num_tokens: int
    padding_tokens: int
    """Places of rows without text."""
    cut_docs: int
    """Documents in more than one piece: those longer than a row."""
    sha256: dict[str, str]
    """Of the plan's files, by name."""


def place(ends_sha256: Sequence[str], sequence_tokens: int, packs: Path) -> Path:
    """Where in `packs` the packing plan of a source is, or will be.

    `ends_sha256` are the digests of the source's files of document ends, in order.
    """
    return packs / digest({"ends": list(ends_sha256), "sequence_tokens": sequence_tokens, "format": _FORMAT})


def pack(stream: Stream, folder: Path, sequence_tokens: int) -> Pack:
    """The packing plan of a source at its `place`, made now unless it is there."""
    if not (folder / ACCOUNT).is_file():
        work = folder.with_name(f".{folder.name}.{os.getpid()}")
        work.mkdir(parents=True, exist_ok=True)
        account = _write(stream, sequence_tokens, work)
        write_atomically(work / ACCOUNT, json.dumps(asdict(account), indent=1, sort_keys=True).encode() + b"\n")
        try:
            work.rename(folder)
        except OSError:  # another process was faster, with the same bytes
            shutil.rmtree(work)
    return read_account(folder)


def read_account(folder: Path) -> Pack:
    """What the packing plan in `folder` says of itself."""
    return Pack(**json.loads((folder / ACCOUNT).read_bytes()))


def _write(stream: Stream, sequence_tokens: int, folder: Path) -> Pack:
    from domainlm.mix.fit import fit  # a compiler comes with it: a plan that is there is read without

    num_rows = num_pieces = num_docs = cut_docs = 0
    with (folder / ROWS).open("wb") as rows_file, (folder / PIECES).open("wb") as pieces_file:
        rows_file.write(np.zeros(1, "<i8").tobytes())
        for ends_W, first in _windows(stream):
            doc_W = np.diff(ends_W, prepend=first)
            length_N, doc_N, row_N, num = fit(doc_W, sequence_tokens)
            pieces = np.empty(len(length_N), PIECE)
            # A document's pieces are its full rows, then what is left of it.
            own_N = np.minimum(length_N, sequence_tokens)
            run_N = np.cumsum(own_N) - own_N
            first_N = np.searchsorted(doc_N, np.arange(len(doc_W)))
            pieces["start"] = (ends_W - doc_W)[doc_N] + run_N - run_N[first_N][doc_N]
            pieces["length"] = length_N
            pieces_file.write(pieces[np.argsort(row_N, kind="stable")].tobytes())
            stops_R = num_pieces + np.cumsum(np.bincount(row_N, minlength=num))
            rows_file.write(stops_R.astype("<i8").tobytes())
            num_rows += num
            num_pieces += len(pieces)
            num_docs += len(doc_W)
            cut_docs += int((doc_W > sequence_tokens).sum())
        for file in (rows_file, pieces_file):
            file.flush()
            os.fsync(file.fileno())
    return Pack(
        sequence_tokens=sequence_tokens,
        num_rows=num_rows,
        num_pieces=num_pieces,
        num_docs=num_docs,
        num_tokens=stream.num_tokens,
        padding_tokens=num_rows * sequence_tokens - stream.num_tokens,
        cut_docs=cut_docs,
        sha256={name: file_digest(folder / name) for name in (ROWS, PIECES)},
    )


def _windows(stream: Stream) -> Any:
    """(document ends, the token before the first) of each window, in the stream's order."""
    first = 0
    for ends in stream.ends():
        low = 0
        while low < len(ends):
            most = int(np.searchsorted(ends, first + _WINDOW_TOKENS, side="right"))
            high = min(low + _WINDOW_DOCS, max(most, low + 1))
            yield ends[low:high], first
            first, low = int(ends[high - 1]), high
