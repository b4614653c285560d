"""Where a huge file is cut so that all cores read it: by what the file says of itself, never by the machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO

from domainlm.corpus import stream
from domainlm.corpus.span import Span
from domainlm.specs.domain import SourceSpec
from domainlm.specs.formats import Format, format_of, unpacked

MAX_SHARD_ITEMS = 64
"""A Hugging Face dataset is at most so many work items: each asks the hub anew for its list of files."""


def may_cut(file: str, source: SourceSpec, *, is_local: bool) -> bool:
    """Whether a file of that name can be read in parts.

    Files of lines are, where they are plain, and lie here: their lines are counted for the ids, which behind a URL
    would be to read them twice. Those in another encoding are cut nowhere: a line feed may be two bytes there.
    """
    if unpacked(file) != file or source.encoding is not None:
        return False
    found = format_of(file)
    return found in ("parquet", "arrow") or (is_local and (found in ("jsonl", "tsv") or _is_lines(found, source)))


def _is_lines(found: Format, source: SourceSpec) -> bool:
    return found == "text" and source.lines


def spans(opened: IO[bytes], file: str, num_bytes: int, item_bytes: int) -> list[Span]:
    """The parts of about `item_bytes` that a file is read in; one or none where it stays whole, or is damaged."""
    found = format_of(file)
    if found == "parquet":
        return list(_grouped(_row_group_bytes(opened), item_bytes))
    if found == "arrow":
        num_batches = _num_batches(opened)
        return list(_grouped([num_bytes // num_batches] * num_batches, item_bytes)) if num_batches else []
    marked = stream.marked(opened.read(4))
    opened.seek(0)
    if marked is not None:  # a line feed is no byte there
        return []
    return [Span(begin=begin, end=end, first_line=line) for begin, end, line in stream.cuts(opened, item_bytes)]


def shard_spans(num_shards: int) -> list[Span]:
    """The parts that the shards of a Hugging Face dataset are read in."""
    step = max(1, -(-num_shards // MAX_SHARD_ITEMS))
    return [Span(begin=begin, end=min(begin + step, num_shards)) for begin in range(0, num_shards, step)]


def _grouped(piece_bytes: Sequence[int], item_bytes: int) -> Iterator[Span]:
    begin, held = 0, 0
    for number, num_bytes in enumerate(piece_bytes):
        if number > begin and held + num_bytes > item_bytes:
            yield Span(begin=begin, end=number)
            begin, held = number, 0
        held += num_bytes
    if piece_bytes:
        yield Span(begin=begin, end=len(piece_bytes))


def _row_group_bytes(opened: IO[bytes]) -> list[int]:
    """Bytes on disk of each row group; none where the file is no Parquet, which its reader will tell."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from domainlm.corpus.readers.careful import is_damage

    try:
        metadata = pq.ParquetFile(opened).metadata
    except (pa.ArrowException, OSError) as error:
        if not is_damage(error):
            raise
        return []
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    return [sum(group.column(c).total_compressed_size for c in range(group.num_columns)) for group in groups]


def _num_batches(opened: IO[bytes]) -> int:
    """Record batches of an Arrow file or stream; 0 for what cannot be cut, or is broken, as its reader will tell."""
    import pyarrow as pa

    from domainlm.corpus.readers.arrow import num_batches
    from domainlm.corpus.readers.careful import is_damage

    try:
        return num_batches(opened)
    except (pa.ArrowException, OSError) as error:
        if not is_damage(error):
            raise
        return 0
