"""A source's URI as work items: which files of which source are read, in an order that never depends on the machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from domainlm.corpus import installed
from domainlm.corpus.ledger import Ledger
from domainlm.digest import digest, file_digest
from domainlm.errors import DataError
from domainlm.specs.domain import DomainSpec, SourceSpec
from domainlm.specs.uri import UNREAD, files_of, parse, unset

if TYPE_CHECKING:
    from datatrove.data import Document

    from domainlm.corpus.readers.careful import CarefulReader

_ITEM_BYTES = 32 * 2**20
"""Files of one source are read together up to this size, so that a folder of small files is not as many items."""
_ITEM_FILES = 5000

Scheme = Literal["files", "huggingface", "installed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """What a URI means on this machine."""

    scheme: Scheme
    base: str
    """The folder that the files are relative to; the dataset; or the kind of installed text."""
    files: tuple[str, ...] = ()


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

    def label(self) -> str:
        return f"{self.domain}/{self.source.name}"


def locate(uri: str, root: Path) -> Place:
    """What `uri` means under the project's `root`; DataError where it names nothing that is there."""
    missing = unset(uri)
    if missing:
        raise DataError(f"{uri}: the environment variable {missing[0]} is not set; run `export {missing[0]}=...`")
    parsed = parse(uri)
    if parsed.scheme == "installed":
        files = tuple(entry.id for entry in installed.entries(parsed.target))
        return Place(scheme="installed", base=parsed.target, files=files)
    if parsed.scheme == "hub":
        return Place(scheme="huggingface", base=parsed.target)
    if parsed.scheme == "unknown":
        raise DataError(f"{uri}: no such kind of source; want a path, hf:OWNER/DATASET, hf:./folder or installed:KIND")
    found = files_of(parsed, root)
    if not found:
        raise DataError(f"{uri}: no file is there; correct `uri`, or put the files in place")
    base = _base(root / parsed.target)
    files = tuple(sorted(file.relative_to(base).as_posix() for file in found))
    return Place(scheme="files" if parsed.scheme == "files" else "huggingface", base=str(base), files=files)


def _base(pattern: Path) -> Path:
    """The folder that names are relative to: the last one of the pattern that is there as it is written."""
    if pattern.is_dir():
        return pattern
    folders = reversed(pattern.parents)
    return next(folder.parent for folder in [*folders, pattern] if not folder.is_dir())


def items(domains: Sequence[DomainSpec], root: Path, revisions: Mapping[str, str]) -> list[Item]:
    """Work items of all sources: by domain, source, held-out files after the others, file."""
    return [item for domain in domains for source in domain.sources for item in _items(domain, source, root, revisions)]


def _items(domain: DomainSpec, source: SourceSpec, root: Path, revisions: Mapping[str, str]) -> Iterator[Item]:
    uris = [(source.uri, 0.0 if source.heldout_uri else domain.heldout_share, source.max_docs or -1)]
    if source.heldout_uri:
        uris.append((source.heldout_uri, 1.0, -1))
    for uri, share, limit in uris:
        place = locate(uri, root)
        for files, num_bytes in _groups(place, one=limit != -1):
            yield Item(
                domain=domain.name,
                source=source,
                place=Place(scheme=place.scheme, base=place.base, files=files),
                heldout_share=share,
                limit=limit,
                revision=_revision(place, revisions),
                num_bytes=num_bytes,
            )


def _groups(place: Place, *, one: bool) -> Iterator[tuple[tuple[str, ...], int]]:
    """Files that are read together, with their size. A limit counts over all files, so they stay in one item."""
    if place.scheme == "installed":
        sizes = {entry.id: entry.num_bytes for entry in installed.entries(place.base)}
    else:
        sizes = {file: Path(place.base, file).stat().st_size for file in place.files}
    if one or place.scheme != "files":
        yield place.files, sum(sizes.values())
        return
    group: list[str] = []
    num_bytes = 0
    for file in place.files:
        if group and (num_bytes + sizes[file] > _ITEM_BYTES or len(group) == _ITEM_FILES):
            yield tuple(group), num_bytes
            group, num_bytes = [], 0
        group.append(file)
        num_bytes += sizes[file]
    yield tuple(group), num_bytes


def _revision(place: Place, revisions: Mapping[str, str]) -> str | None:
    if place.scheme != "huggingface" or place.files:
        return None
    if place.base not in revisions:
        raise DataError(f"hf:{place.base}: its revision is not locked; run `domainlm lock` on the spec first")
    return revisions[place.base]


def fingerprints(
    domains: Sequence[DomainSpec], root: Path, revisions: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Digest of what would be read, by `domain/source`: file names and contents, wherever the folder lies.

    A hub dataset's is its locked revision; an installed source's the digests that the distributions' RECORDs state.
    """
    return {
        f"{domain.name}/{source.name}": digest(
            [_fingerprint(locate(uri, root), revisions or {}) for uri in (source.uri, source.heldout_uri) if uri]
        )
        for domain in domains
        for source in domain.sources
    }


def _fingerprint(place: Place, revisions: Mapping[str, str]) -> list[object]:
    if place.scheme == "installed":
        return [[entry.id, entry.digest] for entry in installed.entries(place.base)]
    if not place.files:
        return [place.base, _revision(place, revisions)]
    return [[file, file_digest(Path(place.base, file))] for file in place.files]


def documents(item: Item, ledger: Ledger) -> Iterator[Document]:
    """The documents of `item`, in order, as many as its limit allows; what is none is written in the ledger."""
    every = (document for reader in readers(item, ledger) for document in reader.run())
    return every if item.limit == -1 else islice(every, item.limit)


def readers(item: Item, ledger: Ledger) -> Iterator[CarefulReader]:
    """The DataTrove readers that together read `item`, in order: one for each run of files of the same format."""
    # DataTrove takes a second to import: fingerprints do without it.
    from domainlm.corpus.readers.installed import InstalledReader

    source, place = item.source, item.place
    prefix = source.name if item.heldout_share < 1 or not source.heldout_uri else f"{source.name}/heldout"
    if place.scheme == "installed":
        yield InstalledReader(place.base, ledger, prefix=prefix)
        return
    fields = {"prefix": prefix, "text_field": source.text_field, "id_field": source.id_field}
    if place.scheme == "huggingface":
        from domainlm.corpus.readers.huggingface import HuggingFaceReader

        where = {"config": source.config, "split": source.split, "revision": item.revision}
        yield HuggingFaceReader(place.base, ledger, **where, **fields)
        return
    for reader_class, files in _by_format(place.files):
        yield reader_class(place.base, files, ledger, **fields)


def _by_format(files: Sequence[str]) -> Iterator[tuple[type[CarefulReader], tuple[str, ...]]]:
    for reader_class, group in groupby(files, key=_reader_class):
        yield reader_class, tuple(group)


def _reader_class(file: str) -> type[CarefulReader]:
    from domainlm.corpus.readers.jsonl import JsonlReader
    from domainlm.corpus.readers.parquet import ParquetReader
    from domainlm.corpus.readers.text import TextReader, UnreadReader

    unpacked = file.removesuffix(".gz").removesuffix(".zst")
    if unpacked.endswith((".jsonl", ".ndjson")):
        return JsonlReader
    if unpacked.endswith(".parquet"):
        return ParquetReader
    return UnreadReader if UNREAD.search(file) else TextReader
