"""Where in which file a source is written, for an error that is only met when its `uri` is followed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domainlm.errors import DataError, SpecError
from domainlm.specs.domain import DomainSpec
from domainlm.specs.tree import read_tree


@contextmanager
def at_source(domain: DomainSpec, index: int, key: str, root: Path) -> Iterator[None]:
    """A DataError inside gets the file, line and column of `key` of source number `index`, where they are on disk."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{_written(domain, index, key, root)}{error}") from error


def _written(domain: DomainSpec, index: int, key: str, root: Path) -> str:
    path = root / "data_specs/domains" / f"{domain.name}.yaml"
    try:
        problem = read_tree(path).problem(("sources", index, key), "", "", "")
    except (SpecError, KeyError):
        return ""  # a domain that was made in code
    return f"{problem.file}:{problem.line}:{problem.column}: {problem.key}: "
