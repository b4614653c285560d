"""One source read to its end, its ledger's sum checked; and files as they are written by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from datatrove.data import Document

from domainlm.corpus import sources
from domainlm.corpus.ledger import Ledger
from tests.corpus.conftest import domain


class Read(NamedTuple):
    """What became of a source."""

    documents: list[Document]
    ledger: Ledger

    @property
    def texts(self) -> list[str]:
        return [document.text for document in self.documents]

    @property
    def ids(self) -> list[str]:
        return [document.id for document in self.documents]

    @property
    def faults(self) -> list[tuple[str, int, str]]:
        """File, offset and reason of each quarantined record."""
        return [(row.file, row.offset, row.reason) for row in self.ledger.quarantined]


def read_source(root: Path, uri: str, **fields: object) -> Read:
    """All work items of the source `law`, one after the other."""
    ledger = Ledger()
    items = sources.items([domain("legal", {"law": {"uri": uri, **fields}})], root, {})
    documents = [doc for item in items for doc in sources.documents(item, ledger)]
    assert ledger.num_read == len(documents) + len(ledger.dropped) + len(ledger.quarantined)
    return Read(documents, ledger)


ReadFile = Callable[..., Read]


@pytest.fixture
def read_file(tmp_path: Path) -> ReadFile:
    """A function from a file's name and bytes to what became of it."""

    def do(name: str, content: bytes, **fields: object) -> Read:
        (tmp_path / name).write_bytes(content)
        return read_source(tmp_path, name, **fields)

    return do
