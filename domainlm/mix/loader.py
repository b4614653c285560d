"""The batches of a mix: the same global batches for any number of ranks and micro-batches, from any row on.

The loader's whole state is the number of the next row. A batch is read through memory maps, ahead of time and on a
thread of its own, and only its own rows are read.
"""

# B rows, T tokens in a row

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from domainlm.errors import ManifestError, StageError
from domainlm.manifest import Manifest
from domainlm.mix.budget import Mix, read
from domainlm.mix.order import Order, locate
from domainlm.mix.pack import batch_of_segments
from domainlm.mix.prefetch import ahead
from domainlm.mix.remote import place_of
from domainlm.mix.rows import BestFit, Concat, Rows
from domainlm.records import Batch
from domainlm.tokens.shards import open_stream

Ints = npt.NDArray[np.int64]

_LOCATED_ROWS = 4096
"""Rows of a rank that are located at once: 10 ms, half a megabyte."""


def source_names(mix: Manifest) -> list[str]:
    """The sources of a mix as `domain/source`, in the order that `Batch.source_B` counts them by."""
    return [source.name for source in read(mix).sources]


def batches(
    mix: Manifest,
    tokens: Manifest,
    *,
    rank: int,
    num_ranks: int,
    micro_batch_rows: int,
    start_row: int,
    prefetch_steps: int = 2,
) -> Iterator[list[Batch]]:
    """This rank's micro-batches of each optimizer step, from the step that begins at row `start_row` to the mix's end.

    A rank has a contiguous slice of each global batch, all ranks of the same length; micro-batches have
    `micro_batch_rows` rows, but for a last one with the rest. `prefetch_steps` are read ahead; with 0, none is, and
    there is no thread.
    Raises StageError where a batch cannot be split evenly or `start_row` is no step's first row, ManifestError where
    `tokens` are not those that the mix was planned on.
    """
    plan = read(mix)
    if plan.batch_rows % num_ranks:
        raise StageError(
            f"a batch of {plan.batch_rows:,} rows does not divide evenly among {num_ranks} ranks; "
            f"make `batch_tokens` a multiple of {num_ranks * plan.sequence_tokens:,} or change `ranks`"
        )
    if start_row % plan.batch_rows or not 0 <= start_row <= plan.rows:
        raise StageError(
            f"row {start_row:,} begins no step: steps begin at multiples of {plan.batch_rows:,} up to {plan.rows:,}"
        )
    if plan.tokens_digest != tokens.digest():
        raise ManifestError(f"{mix.folder} was planned on other token shards than {tokens.folder}; make the mix again")
    steps = _steps(plan, rows_of(plan, mix, tokens), plan.order(), rank, num_ranks, micro_batch_rows, start_row)
    return ahead(steps, prefetch_steps) if prefetch_steps else steps


def rows_of(plan: Mix, mix: Manifest, tokens: Manifest) -> list[Rows]:
    """The rows of each source of a mix, in the mix's order. Nothing is read."""
    place = place_of(tokens)
    opened: list[Rows] = []
    for source in plan.sources:
        domain, _, name = source.name.partition("/")
        stream = open_stream(tokens, domain, name, place=place)
        if plan.packing == "best_fit":
            where = {"domain": domain, "source": name}
            files = mix.only("rows", **where), mix.only("pieces", **where)
            opened.append(BestFit(stream, *files, plan.sequence_tokens))
        else:
            opened.append(Concat(stream, plan.sequence_tokens))
    return opened


def _steps(
    plan: Mix, rows: Sequence[Rows], order: Order, rank: int, num_ranks: int, micro_batch_rows: int, start_row: int
) -> Iterator[list[Batch]]:
    rank_rows = plan.batch_rows // num_ranks
    own = np.arange(rank_rows, dtype=np.int64) + rank * rank_rows
    # Rows are located many steps at a time, and read a step at a time: a numpy call costs as much for one as for all.
    at_once = max(_LOCATED_ROWS // rank_rows, 1) * plan.batch_rows
    for block in range(start_row, plan.rows, at_once):
        firsts = np.arange(block, min(block + at_once, plan.rows), plan.batch_rows)
        row_SB = firsts[:, None] + own
        source, place = locate(order, row_SB.ravel())
        for of_step in zip(row_SB, source.reshape(row_SB.shape), place.reshape(row_SB.shape), strict=True):
            yield read_step(rows, *of_step, plan.sequence_tokens, micro_batch_rows)


def read_step(
    rows: Sequence[Rows], row_B: Ints, source_B: Ints, place_B: Ints, sequence_tokens: int, micro_batch_rows: int
) -> list[Batch]:
    """Micro-batches of the rows `row_B`, which are the rows `place_B` of the sources `source_B`."""
    tokens_BT = np.empty((len(row_B), sequence_tokens), np.int64)
    out = list(tokens_BT)
    next_B, counts_B, valid_B = (np.empty(len(row_B), np.int64) for _ in range(3))
    begins, begins_row = [], []
    for source in np.unique(source_B).tolist():
        at = np.flatnonzero(source_B == source)
        layout = rows[source].read(place_B[at], [out[i] for i in at.tolist()])
        next_B[at], counts_B[at], valid_B[at] = layout.next_N, layout.counts_N, layout.valid_N
        begins.append(layout.begins_D)
        begins_row.append(np.repeat(at, layout.counts_N))
    begins_D = np.concatenate(begins)[np.argsort(np.concatenate(begins_row), kind="stable")]
    stops_B = np.cumsum(counts_B)
    return [
        batch_of_segments(
            tokens_BT[at],
            next_B[at],
            begins_D[stops_B[at.start] - counts_B[at.start] : stops_B[at][-1]],
            counts_B[at],
            valid_B[at],
            source_B=source_B[at].astype(np.int32),
            row_B=row_B[at],
        )
        for at in (slice(i, i + micro_batch_rows) for i in range(0, len(row_B), micro_batch_rows))
    ]
