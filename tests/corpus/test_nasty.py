"""Files as they are found in the world: what becomes of each is known, and nothing is lost in silence."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.corpus.readers.conftest import Read, read_source

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif("DOMAINLM_DATA" not in os.environ, reason="DOMAINLM_DATA names no folder"),
]

FAULTS = {
    "DS_Store.bin": "a .DS_Store of a Macintosh, not text",
    "NOTES.tsv": "no column 'text'; there is ",
    "aci_train.csv": "no column 'text'; there is dataset, encounter_id, dialogue, note",
    "bad_utf8.txt": "not UTF-8: byte 0xa7 at 1242",
    "csv_embedded_newlines.csv": "no column 'text'; there is ID, section_header, section_text, dialogue",
    "empty_article.txt": "an empty file",
    "html_404_named.pdf": "an HTML page, not a PDF",
    "mojibake.csv": "no column 'text'; there is , sentence",
    "truncated.warc.gz": "gzip data ends early; the rest of the file is lost",
    "zero_bytes.txt": "an empty file",
}
"""Files that are quarantined, or whose rest is, by the beginning of their reason."""
NUM_DOCS = {
    "french_statute.xml": 1,
    "html_no_body.html": 1,
    "latin1_1996.htm": 1,
    "pdf_text_split_words.txt": 1,
    "real.pdf": 1,
    "sample.warc.gz": 22,
    "sgml_1995.txt": 1,
    "truncated.warc.gz": 21,
    "unicode_line_sep.txt": 1,
}
"""Files that give documents."""


@pytest.fixture(scope="module")
def nasty() -> Read:
    return read_source(Path(), "${DOMAINLM_DATA}/nasty")


def _file(document_id: str) -> str:
    return document_id.split("/")[1]


def test_each_file_became_what_it_is_known_to_become(nasty: Read) -> None:
    there = {path.name for path in Path(os.environ["DOMAINLM_DATA"], "nasty").iterdir()}
    assert there == set(FAULTS) | set(NUM_DOCS)
    assert Counter(map(_file, nasty.ids)) == NUM_DOCS
    faults = {file: reason for file, _, reason in nasty.faults}
    assert len(faults) == len(nasty.faults)
    assert {file: reason[: len(FAULTS[file])] for file, reason in faults.items()} == FAULTS
    assert nasty.ledger.reasons() == {"EDGAR: an exhibit": 1, "WARC: a note of the crawler": 2}


@pytest.mark.parametrize(
    ("file", "passage"),
    [
        ("french_statute.xml", "jour ouvrable Jour autre que :\na)\nle samedi;\nb)\nle dimanche"),
        ("html_no_body.html", "Deutsche Bank Holdings, Inc. (DBHold)"),
        ("latin1_1996.htm", "the “free banking” movement"),
        ("real.pdf", "roughly half of the 22 million jobs that were lost in March and April"),
        ("real.pdf", "to achieve our dual-mandate goals"),
        ("sgml_1995.txt", "    PAGE AMERICA GROUP, INC."),
        ("unicode_line_sep.txt", "total body fat"),
    ],
)
def test_what_a_person_reads_in_a_file_is_in_its_text(nasty: Read, file: str, passage: str) -> None:
    [text] = [document.text for document in nasty.documents if _file(document.id) == file]
    assert (
        passage in text.replace('"', "“", 1) or passage in text or passage.replace("“", '"').replace("”", '"') in text
    )


def test_what_stays_out_of_a_text_is_not_there(nasty: Read) -> None:
    texts = {_file(document.id): document.text for document in nasty.documents}
    for sign in ("<DOCUMENT>", "<TYPE>", "<PAGE>", "<TABLE>"):
        assert sign not in texts["sgml_1995.txt"]
    assert "<" not in texts["french_statute.xml"]
    assert "\ufffe" not in texts["real.pdf"]
    assert "\ufffd" not in texts["latin1_1996.htm"]


def test_the_truncated_crawl_gives_what_the_whole_one_gives_up_to_there(nasty: Read) -> None:
    texts = {name: [d.text for d in nasty.documents if _file(d.id) == name] for name in NUM_DOCS}
    assert texts["truncated.warc.gz"] == texts["sample.warc.gz"][:21]


@pytest.mark.parametrize(
    ("file", "fields", "num_docs", "passage"),
    [
        ("aci_train.csv", {"text": "{dialogue}\n\n{note}", "id_field": "encounter_id"}, 67, "[doctor] hi , martha"),
        ("csv_embedded_newlines.csv", {"text_field": "dialogue", "id_field": "ID"}, 1201, "Doctor: "),
        ("mojibake.csv", {"text_field": "sentence"}, None, "Board Members"),
        ("NOTES.tsv", {"text_field": "73386 bytes"}, None, " bytes"),
    ],
)
def test_tables_are_read_by_their_own_columns(file: str, fields: dict[str, str], num_docs: int, passage: str) -> None:
    found = read_source(Path(), f"${{DOMAINLM_DATA}}/nasty/{file}", **fields)
    assert num_docs is None or len(found.documents) == num_docs
    assert not found.faults
    assert passage in found.texts[0]
