"""What a source's URI means on this machine: which files, where; and a digest of what they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from domainlm.corpus import installed
from domainlm.digest import digest, known_digest
from domainlm.errors import DataError
from domainlm.specs import remote
from domainlm.specs.domain import DomainSpec
from domainlm.specs.place import at_source
from domainlm.specs.uri import files_of, parse, unset

Scheme = Literal["files", "remote", "huggingface", "installed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """What a URI means on this machine."""

    scheme: Scheme
    base: str
    """The folder or URL that the files are relative to; the dataset; or the kind of installed text."""
    files: tuple[str, ...] = ()
    num_bytes: tuple[int, ...] = ()
    """Size of each file."""
    marks: tuple[str, ...] = ()
    """Of each file behind a URL: what changes with its content."""

    def only(self, numbers: Sequence[int]) -> Place:
        """Of its files, those."""
        return replace(
            self,
            files=tuple(self.files[n] for n in numbers),
            num_bytes=tuple(self.num_bytes[n] for n in numbers),
            marks=tuple(self.marks[n] for n in numbers) if self.marks else (),
        )


def locate(uri: str, root: Path) -> Place:
    """What `uri` means under the project's `root`; DataError where it names nothing that is there."""
    missing = unset(uri)
    if missing:
        raise DataError(f"{uri}: the environment variable {missing[0]} is not set; run `export {missing[0]}=...`")
    parsed = parse(uri)
    if parsed.scheme == "installed":
        entries = installed.entries(parsed.target)
        files, sizes = tuple(entry.id for entry in entries), tuple(entry.num_bytes for entry in entries)
        return Place(scheme="installed", base=parsed.target, files=files, num_bytes=sizes)
    if parsed.scheme == "hub":
        return Place(scheme="huggingface", base=parsed.target)
    if parsed.scheme == "remote":
        base, listed = remote.listed(parsed.target)
        sizes, marks = tuple(file.num_bytes for file in listed), tuple(file.mark for file in listed)
        return Place(
            scheme="remote", base=base, files=tuple(file.name for file in listed), num_bytes=sizes, marks=marks
        )
    if parsed.scheme == "unknown":
        want = "a path, a URL, hf:OWNER/DATASET, hf:./folder or installed:KIND"
        raise DataError(f"{uri}: no such kind of source; want {want}")
    found = files_of(parsed, root)
    if not found:
        raise DataError(f"{uri}: no file is there; correct `uri`, or put the files in place")
    base = _base(root / parsed.target)
    files = tuple(sorted(file.relative_to(base).as_posix() for file in found))
    sizes = tuple((base / file).stat().st_size for file in files)
    scheme = "files" if parsed.scheme == "files" else "huggingface"
    return Place(scheme=scheme, base=str(base), files=files, num_bytes=sizes)


def _base(pattern: Path) -> Path:
    """The folder that names are relative to: the last one of the pattern that is there as it is written."""
    if pattern.is_dir():
        return pattern
    folders = reversed(pattern.parents)
    return next(folder.parent for folder in [*folders, pattern] if not folder.is_dir())


def revision_of(place: Place, revisions: Mapping[str, str]) -> str | None:
    """The commit of a hub dataset that the lock names, or None for any other place; DataError where it names none."""
    if place.scheme != "huggingface" or place.files:
        return None
    if place.base not in revisions:
        raise DataError(f"hf:{place.base}: its revision is not locked; run `domainlm lock` on the spec first")
    return revisions[place.base]


def fingerprints(
    domains: Sequence[DomainSpec], root: Path, revisions: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Digest of what would be read, by `domain/source`: file names and contents, wherever the folder lies.

    A hub dataset's is its locked revision; an installed source's the digests that the distributions' RECORDs state; of
    files behind a URL, their sizes and what their server says of their content.
    """
    found = {}
    for domain in domains:
        for index, source in enumerate(domain.sources):
            marks = []
            for key in ("uri", "heldout_uri"):
                uri = getattr(source, key)
                if uri:
                    with at_source(domain, index, key, root):
                        marks.append(_fingerprint(locate(uri, root), revisions or {}))
            found[f"{domain.name}/{source.name}"] = digest(marks)
    return found


def _fingerprint(place: Place, revisions: Mapping[str, str]) -> list[object]:
    if place.scheme == "installed":
        return [[entry.id, entry.digest] for entry in installed.entries(place.base)]
    if place.scheme == "remote":
        return [list(file) for file in zip(place.files, place.marks, strict=True)]
    if not place.files:
        return [place.base, revision_of(place, revisions)]
    return [[file, known_digest(Path(place.base, file))] for file in place.files]
