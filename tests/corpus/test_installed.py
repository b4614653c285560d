"""`installed:` reads the same on every machine that holds to the pins."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainlm.corpus import installed, sources
from domainlm.corpus.ledger import Ledger
from domainlm.errors import DataError
from tests.corpus.conftest import domain


@pytest.mark.parametrize("kind", installed.KINDS)
def test_each_kind_has_entries_of_required_distributions_with_ids_free_of_the_place(kind: str) -> None:
    entries = installed.entries(kind)
    assert len(entries) > 50
    assert len({entry.id for entry in entries}) == len(entries)
    assert not any("site-packages" in entry.id or entry.id.startswith("/") for entry in entries)
    assert {entry.id.split("/")[0] for entry in entries} <= set(installed.required_distributions())


def test_a_developers_tools_are_not_read() -> None:
    assert not {"ruff", "pytest-timeout", "domainlm"} & set(installed.required_distributions())
    assert {"numpy", "torch"} <= set(installed.required_distributions())


def test_licences_are_found_and_docs_are_none_of_them() -> None:
    licenses = {entry.id for entry in installed.entries("licenses")}
    assert any(entry.startswith("numpy/numpy-") and entry.endswith("licenses/LICENSE.txt") for entry in licenses)
    docs = {entry.id for entry in installed.entries("docs")}
    assert not licenses & docs
    assert not any("/tests/" in entry or "requirements" in entry for entry in docs)


def test_the_first_docstrings_come_from_all_distributions() -> None:
    first = [entry.id.split("/")[0] for entry in installed.entries("docstrings")[:100]]
    assert len(set(first)) == 100


@pytest.mark.parametrize("kind", installed.KINDS)
def test_documents_are_text_and_the_limit_holds(kind: str) -> None:
    ledger = Ledger()
    [item] = sources.items([domain("d", {"s": {"uri": f"installed:{kind}", "max_docs": 20}})], Path(), {})
    documents = list(sources.documents(item, ledger))
    assert len(documents) == 20
    assert all(doc.text.strip() and doc.id.startswith("s/") for doc in documents)
    assert ledger.num_read == 20 + len(ledger.quarantined)


def test_an_unknown_kind_lists_what_there_is() -> None:
    with pytest.raises(DataError, match="there is docs, docstrings, licenses, readmes"):
        installed.entries("songs")
