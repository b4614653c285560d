"""The batches of a mix: the same global batches for any number of ranks and micro-batches, from any row on.

The loader's whole state is the number of the next row. A batch is read through memory maps, and only its own rows are.
"""

# B rows, U = T + 1 tokens read for a row

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from domainlm.errors import ManifestError, StageError
from domainlm.manifest import Manifest
from domainlm.mix.budget import Mix, read
from domainlm.mix.order import locate
from domainlm.mix.pack import documents
from domainlm.records import Batch
from domainlm.tokens.shards import Stream, open_stream


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
) -> Iterator[list[Batch]]:
    """This rank's micro-batches of each optimizer step, from the step that begins at row `start_row` to the mix's end.

    A rank has a contiguous slice of each global batch, all ranks of the same length; micro-batches have
    `micro_batch_rows` rows, but for a last one with the rest. Raises StageError where a batch cannot be split evenly or
    `start_row` is no step's first row, ManifestError where `tokens` are not those that the mix was planned on.
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
    streams = [open_stream(tokens, *source.name.split("/", 1)) for source in plan.sources]
    return _steps(plan, streams, rank, num_ranks, micro_batch_rows, start_row)


def _steps(
    plan: Mix, streams: Sequence[Stream], rank: int, num_ranks: int, micro_batch_rows: int, start_row: int
) -> Iterator[list[Batch]]:
    order = plan.order()
    rank_rows = plan.batch_rows // num_ranks
    for first in range(start_row, plan.rows, plan.batch_rows):
        row_B = np.arange(rank_rows, dtype=np.int64) + (first + rank * rank_rows)
        source_B, place_B = locate(order, row_B)
        yield [
            read_rows(streams, row_B[at], source_B[at], place_B[at], plan.sequence_tokens)
            for at in (slice(i, i + micro_batch_rows) for i in range(0, rank_rows, micro_batch_rows))
        ]


def read_rows(
    streams: Sequence[Stream],
    row_B: npt.NDArray[np.int64],
    source_B: npt.NDArray[np.int64],
    place_B: npt.NDArray[np.int64],
    sequence_tokens: int,
) -> Batch:
    """The batch of the rows `row_B`, which are the rows `place_B` of the streams `source_B`."""
    tokens_BU = np.empty((len(row_B), sequence_tokens + 1), np.int64)
    begins_B = []
    for i, (source, place) in enumerate(zip(source_B.tolist(), place_B.tolist(), strict=True)):
        start = place * sequence_tokens
        stop = start + sequence_tokens + 1
        streams[source].read(start, tokens_BU[i])
        begins_B.append(streams[source].begins(start + 1, stop) - start)
    document_BU, position_BU = documents(begins_B, sequence_tokens + 1)
    return Batch(
        tokens_BU=tokens_BU,
        document_BU=document_BU,
        position_BU=position_BU,
        source_B=source_B.astype(np.int32),
        row_B=row_B,
    )
