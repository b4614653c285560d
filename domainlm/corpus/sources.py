"""A source's URI as work items: which part of which files is read, in an order that never depends on the machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from domainlm.corpus import cuts
from domainlm.corpus.fields import Fields
from domainlm.corpus.ledger import Ledger
from domainlm.corpus.places import Place, locate, revision_of
from domainlm.corpus.span import Span
from domainlm.specs.domain import DomainSpec, SourceSpec
from domainlm.specs.formats import format_of
from domainlm.specs.place import at_source

if TYPE_CHECKING:
    from datatrove.data import Document

    from domainlm.corpus.batch import Batch
    from domainlm.corpus.readers.careful import CarefulReader

_ITEM_BYTES = 32 * 2**20
"""Files of one source are read together up to this size, so that a folder of small files is not as many items; a larger
one is read in parts of it, where its format has parts."""
_ITEM_FILES = 5000
_FAST_BYTES = 4 * 2**20
"""Less is read record by record: machine code takes longer to be compiled, once, than that."""
_GROUP_BYTES = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """What one worker reads in one go."""

    domain: str
    source: SourceSpec
    place: Place
    heldout_share: float
    """Share of the documents that is held out by hash: 1 where all were held out beforehand."""
    limit: int
    """Read at most so many documents; -1 for all."""
    revision: str | None
    num_bytes: int
    span: Span | None = None
    """The part of the one file, or of the dataset, that is read; None for all."""

    def label(self) -> str:
        return f"{self.domain}/{self.source.name}"


def items(domains: Sequence[DomainSpec], root: Path, revisions: Mapping[str, str]) -> list[Item]:
    """Work items of all sources: by domain, source, held-out files after the others, file, part of a file."""
    return [
        item
        for domain in domains
        for index in range(len(domain.sources))
        for key in ("uri", "heldout_uri")
        for item in _items(domain, index, key, root, revisions)
    ]


def _items(domain: DomainSpec, index: int, key: str, root: Path, revisions: Mapping[str, str]) -> Iterator[Item]:
    source = domain.sources[index]
    uri: str | None = getattr(source, key)
    if not uri:
        return
    share, limit = (0.0 if source.heldout_uri else domain.heldout_share), source.max_docs or -1
    if key == "heldout_uri":
        share, limit = 1.0, -1
    with at_source(domain, index, key, root):
        place = locate(uri, root)
        revision = revision_of(place, revisions)
        for part, span, num_bytes in _parts(place, source, revision, whole=limit != -1):
            yield Item(
                domain=domain.name,
                source=source,
                place=part,
                heldout_share=share,
                limit=limit,
                revision=revision,
                num_bytes=num_bytes,
                span=span,
            )


def _parts(
    place: Place, source: SourceSpec, revision: str | None, *, whole: bool
) -> Iterator[tuple[Place, Span | None, int]]:
    """What is read in one go, with its size. A limit counts over all files, so then it is all of them."""
    if whole or place.scheme == "installed":
        yield place, None, sum(place.num_bytes)
    elif place.scheme == "huggingface":
        yield from _shards(place, source, revision)
    else:
        yield from _file_parts(place, source)


def _shards(place: Place, source: SourceSpec, revision: str | None) -> Iterator[tuple[Place, Span, int]]:
    from domainlm.corpus.readers.huggingface import streamed

    spans = cuts.shard_spans(streamed(place.base, source.config, source.split, revision).num_shards)
    for span in spans:
        yield place, span, sum(place.num_bytes) // len(spans)


def _file_parts(place: Place, source: SourceSpec) -> Iterator[tuple[Place, Span | None, int]]:
    group: list[int] = []
    held = 0
    for number, (file, num_bytes) in enumerate(zip(place.files, place.num_bytes, strict=True)):
        spans: list[Span] = []
        if num_bytes > _ITEM_BYTES and cuts.may_cut(file, source, is_local=place.scheme == "files"):
            with _opened(place, file) as opened:
                spans = cuts.spans(opened, file, num_bytes, _ITEM_BYTES)
        if group and (len(spans) > 1 or held + num_bytes > _ITEM_BYTES or len(group) == _ITEM_FILES):
            yield place.only(group), None, held
            group, held = [], 0
        if len(spans) > 1:
            for span in spans:
                yield place.only([number]), span, num_bytes // len(spans)
        else:
            group.append(number)
            held += num_bytes
    if group:
        yield place.only(group), None, held


def _opened(place: Place, file: str) -> IO[bytes]:
    if place.scheme == "files":
        return Path(place.base, file).open("rb")
    from datatrove.io import get_datafolder

    return get_datafolder(place.base).open(file, "rb")


def documents(item: Item, ledger: Ledger) -> Iterator[Document]:
    """The documents of `item`, in order, as many as its limit allows; what is none is written in the ledger."""
    ledger.all_heldout = item.heldout_share == 1
    every = (document for reader in readers(item, ledger) for document in reader.run())
    return every if item.limit == -1 else islice(every, item.limit)


def batches(item: Item, ledger: Ledger) -> Iterator[Batch]:
    """The same documents, many at a time; where the files allow it, without making objects of them."""
    if item.num_bytes >= _FAST_BYTES and item.limit == -1 and item.place.scheme == "files":
        from domainlm.corpus import records

        if records.fit(item.place.files, item.source):
            ledger.all_heldout = item.heldout_share == 1
            fields = _fields(item)
            for file in item.place.files:
                yield from records.batches(item.place.base, file, ledger, fields)
            return
    yield from _grouped(documents(item, ledger))


def _grouped(every: Iterator[Document]) -> Iterator[Batch]:
    from domainlm.corpus.batch import Batch, Spans

    ids: list[bytes] = []
    texts: list[bytes] = []
    held = 0
    for document in every:
        ids.append(document.id.encode("utf-8", "replace"))
        texts.append(document.text.encode())
        held += len(texts[-1])
        if held >= _GROUP_BYTES:
            yield Batch(ids=Spans.of(ids), texts=Spans.of(texts))
            ids, texts, held = [], [], 0
    if ids:
        yield Batch(ids=Spans.of(ids), texts=Spans.of(texts))


def _fields(item: Item) -> Fields:
    source = item.source
    prefix = source.name if item.heldout_share < 1 or not source.heldout_uri else f"{source.name}/heldout"
    return Fields(
        prefix=prefix,
        text=source.text_template(),
        id_field=source.id_field,
        encoding=source.encoding,
        span=item.span,
    )


def readers(item: Item, ledger: Ledger) -> Iterator[CarefulReader]:
    """The DataTrove readers that together read `item`, in order: one for each run of files of the same format."""
    source, place = item.source, item.place
    records = _fields(item)
    if place.scheme == "installed":
        from domainlm.corpus.readers.installed import InstalledReader

        yield InstalledReader(place.base, ledger, prefix=records.prefix)
        return
    if place.scheme == "huggingface":
        from domainlm.corpus.readers.huggingface import HuggingFaceReader

        where: dict[str, Any] = {"config": source.config, "split": source.split, "revision": item.revision}
        yield HuggingFaceReader(place.base, ledger, records, **where)
        return
    for reader_class, files in groupby(place.files, key=lambda file: _reader_class(file, lines=source.lines)):
        # What has no fields has no field for the id either.
        fields = records if reader_class.has_fields else replace(records, id_field=None)
        yield reader_class(place.base, tuple(files), ledger, fields)


def _reader_class(file: str, *, lines: bool) -> type[CarefulReader]:
    """The reader of a file. Each is imported where it is needed: what reads PDF or WARC takes its time."""
    match format_of(file):
        case "jsonl":
            from domainlm.corpus.readers.jsonl import JsonlReader as Reader
        case "json":
            from domainlm.corpus.readers.json import JsonReader as Reader
        case "csv":
            from domainlm.corpus.readers.csv import CsvReader as Reader
        case "tsv":
            from domainlm.corpus.readers.csv import TsvReader as Reader
        case "parquet":
            from domainlm.corpus.readers.parquet import ParquetReader as Reader
        case "arrow":
            from domainlm.corpus.readers.arrow import ArrowReader as Reader
        case "warc":
            from domainlm.corpus.readers.warc import WarcReader as Reader
        case "html":
            from domainlm.corpus.readers.text import HtmlReader as Reader
        case "pdf":
            from domainlm.corpus.readers.text import PdfReader as Reader
        case "xml":
            from domainlm.corpus.readers.text import XmlReader as Reader
        case "sgml":
            from domainlm.corpus.readers.text import SgmlReader as Reader
        case "edgar":
            from domainlm.corpus.readers.edgar import EdgarReader as Reader
        case "unread":
            from domainlm.corpus.readers.text import UnreadReader as Reader
        case _ if lines:
            from domainlm.corpus.readers.jsonl import TextLineReader as Reader
        case _:
            from domainlm.corpus.readers.text import TextReader as Reader
    return Reader
