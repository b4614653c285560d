"""A part of one file that is read by itself, so that one huge file uses all cores."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """From `begin` up to and without `end`: bytes of a file of lines, row groups of Parquet, record batches of Arrow,
    shards of a Hugging Face dataset."""

    begin: int
    end: int
    first_line: int = 0
    """Number of the first line that begins there."""
