"""EDGAR: the filing itself is read, headers stay out; exhibits and encoded binaries are dropped and counted."""

from __future__ import annotations

import pytest

from domainlm.corpus import stream
from tests.corpus.readers.conftest import ReadFile

SUBMISSION = b"""-----BEGIN PRIVACY-ENHANCED MESSAGE-----
Originator-Name: webmaster@www.sec.gov

<SEC-DOCUMENT>0000000000-00-000001.txt : 20000101
<SEC-HEADER>0000000000-00-000001.hdr.sgml : 20000101
COMPANY CONFORMED NAME: ACME CORP
</SEC-HEADER>
<DOCUMENT>
<TYPE>10-K405
<SEQUENCE>1
<DESCRIPTION>ANNUAL REPORT
<TEXT>
<PAGE>
Item 1. Business &amp; risks
<TABLE>
<CAPTION>
<S>             <C>
Net sales       1,000
</TABLE>
</TEXT>
</DOCUMENT>
<DOCUMENT>
<TYPE>EX-27
<SEQUENCE>2
<TEXT>
<ARTICLE> 5
</TEXT>
</DOCUMENT>
<DOCUMENT>
<TYPE>GRAPHIC
<SEQUENCE>3
<FILENAME>logo.jpg
<TEXT>
begin 644 logo.jpg
M_]C_X``02D9)1@`!`0
`
end
</TEXT>
</DOCUMENT>
<DOCUMENT>
<TYPE>CORRESP
<SEQUENCE>4
<TEXT>
begin 644 scan.pdf
M_]C_X``02D9)1@`!`0
end
</TEXT>
</DOCUMENT>
<DOCUMENT>
<TYPE>10-K405/A
<SEQUENCE>5
<TEXT>
<html><body><p>An amended page of the report, with enough words to be its main content.</p></body></html>
</TEXT>
</DOCUMENT>
</SEC-DOCUMENT>
-----END PRIVACY-ENHANCED MESSAGE-----
"""


@pytest.mark.parametrize("name", ["a.txt", "a.nc"])
def test_the_main_documents_are_read_without_header_fields(read_file: ReadFile, name: str) -> None:
    found = read_file(name, SUBMISSION)
    assert found.texts[0].split() == ["Item", "1.", "Business", "&", "risks", "Net", "sales", "1,000"]
    assert found.texts[1].strip() == "An amended page of the report, with enough words to be its main content."
    assert found.ids == [f"law/{name}/0", f"law/{name}/4"]
    assert found.ledger.reasons() == {
        "EDGAR: a graphic or another binary": 1,
        "EDGAR: an encoded binary": 1,
        "EDGAR: an exhibit": 1,
    }
    assert not found.faults


def test_windows_line_ends_change_nothing(read_file: ReadFile) -> None:
    assert read_file("a.nc", SUBMISSION.replace(b"\n", b"\r\n")).texts == read_file("a.nc", SUBMISSION).texts


def test_a_submission_that_ends_inside_a_document_costs_that_document(read_file: ReadFile) -> None:
    found = read_file("a.txt", SUBMISSION[: SUBMISSION.index(b"An amended")])
    assert len(found.texts) == 1
    offset = SUBMISSION.index(b"<DOCUMENT>\n<TYPE>10-K405/A")
    assert found.faults == [("a.txt", offset, "the submission ends inside a document")]


def test_a_bad_byte_or_too_long_a_document_costs_that_document(
    read_file: ReadFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    [fault] = read_file("a.txt", SUBMISSION.replace(b"Business", b"Busi\xffness")).faults
    assert fault == ("a.txt", SUBMISSION.index(b"<DOCUMENT>"), "not UTF-8: byte 0xff at 19")
    monkeypatch.setattr(stream, "MAX_RECORD_BYTES", 150)
    [fault] = read_file("a.txt", SUBMISSION.replace(b"Business", b"Business\n" * 100)).faults
    assert fault == ("a.txt", SUBMISSION.index(b"<DOCUMENT>"), "a document of more than 150 bytes")


def test_a_submission_without_documents_is_told(read_file: ReadFile) -> None:
    assert read_file("a.nc", b"<SEC-DOCUMENT>\n</SEC-DOCUMENT>\n").faults == [
        ("a.nc", 0, "a submission without one <DOCUMENT>")
    ]
