"""JSON lines as batches: most lines become documents by machine code, the others go to the reader that reads any line.

What comes out is what the reader alone would give, id by id and fault by fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from domainlm.corpus import chunks, stream
from domainlm.corpus.batch import Batch, Spans
from domainlm.corpus.chunks import Chunk
from domainlm.corpus.fields import Fields
from domainlm.corpus.finder import LEFT, TAKEN, Finder, Found
from domainlm.corpus.ledger import Ledger
from domainlm.corpus.stream import Line
from domainlm.specs.domain import SourceSpec
from domainlm.specs.formats import format_of

if TYPE_CHECKING:
    from domainlm.corpus.readers.jsonl import JsonlReader


def fit(files: Sequence[str], source: SourceSpec) -> bool:
    """Whether these files can be read so: JSON lines whose text is one field, and nothing else."""
    (literal, field), *more = source.text_template().pieces
    alone = field and not literal and not more and field != source.id_field
    return bool(alone) and all(format_of(file) == "jsonl" for file in files)


def batches(base: str, file: str, ledger: Ledger, fields: Fields) -> Iterator[Batch]:
    """The documents of `file`, which lies in the folder `base`."""
    lines = _Lines(base, file, ledger, fields)
    with Path(base, file).open("rb") as opened:
        for chunk in _chunks(opened, file, fields, ledger):
            batch = lines.slow(chunk) if isinstance(chunk, Line) else lines.fast(chunk)
            if len(batch):
                yield batch


def _chunks(opened: IO[bytes], file: str, fields: Fields, ledger: Ledger) -> Iterator[Chunk | Line]:
    if fields.span is not None:
        yield from chunks.chunks_between(opened, fields.span.begin, fields.span.end)
        return
    blocks = stream.recoded(stream.blocks(opened, file), fields.encoding)
    try:
        first = next(blocks, None)
    except stream.Damaged as damage:
        yield from stream.lines(chunks.damaged([], damage))
        return
    if first is None:
        ledger.quarantine(file, 0, "an empty file")
        return
    yield from chunks.chunks(chain([first], blocks))


class _Lines:
    """Lines of a file in order, counted."""

    def __init__(self, base: str, file: str, ledger: Ledger, fields: Fields):
        self._where = base, file
        self._ledger = ledger
        self._fields = fields
        self._row = fields.span.first_line if fields.span is not None else 0
        (field,) = fields.text.fields
        self._finder = Finder(field, fields.id_field)

    @cached_property
    def _reader(self) -> JsonlReader:
        # DataTrove takes a while to import, and nearly no file needs it.
        from domainlm.corpus.readers.jsonl import JsonlReader

        base, file = self._where
        return JsonlReader(base, (file,), self._ledger, self._fields)

    def slow(self, line: Line) -> Batch:
        """The document of a line, or none."""
        document = self._reader.document_of(line, self._where[1], self._row)
        self._row += 1
        found = [] if document is None else [document]
        return Batch(
            ids=Spans.of([one.id.encode("utf-8", "replace") for one in found]),
            texts=Spans.of([one.text.encode() for one in found]),
        )

    def fast(self, chunk: Chunk) -> Batch:
        """The documents of a chunk."""
        found = self._finder.find(chunk.content, stream.MAX_RECORD_BYTES)
        taken_L = found.kind_L == TAKEN
        self._ledger.num_read += int(taken_L.sum())
        self._ledger.read_bytes += int(found.texts.num_bytes().sum())
        texts, ids = self._left(chunk, found)
        for line in texts:
            taken_L[line] = True
        if self._fields.id_field is None:
            place = f"{self._fields.prefix}/{self._where[1]}/"
            ids = {line: f"{place}{self._row + line}".encode() for line in np.flatnonzero(taken_L).tolist()}
        self._row += len(taken_L)
        return Batch(ids=found.ids.replaced(ids).chosen(taken_L), texts=found.texts.replaced(texts).chosen(taken_L))

    def _left(self, chunk: Chunk, found: Found) -> tuple[dict[int, bytes], dict[int, bytes]]:
        """Texts and ids of the lines that were left to the reader and are documents."""
        texts, ids = {}, {}
        for number in np.flatnonzero(found.kind_L == LEFT).tolist():
            begin, end = int(found.begin_L[number]), int(found.end_L[number])
            line = stream.line_of(chunk.offset + begin, chunk.content[begin:end])
            document = self._reader.document_of(line, self._where[1], self._row + number)
            if document is not None:
                texts[number], ids[number] = document.text.encode(), document.id.encode("utf-8", "replace")
        return texts, ids
