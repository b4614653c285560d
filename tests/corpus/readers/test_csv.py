"""CSV and TSV: a bad row costs itself only, and quoted cells come back as they were written."""

from __future__ import annotations

import csv
import gzip
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domainlm.corpus import stream
from tests.corpus.readers.conftest import ReadFile


def test_quoted_cells_may_hold_commas_quotes_and_line_feeds(read_file: ReadFile) -> None:
    content = b'\xef\xbb\xbfkey,text\r\n1,"one, ""two""\r\nthree"\r\n\r\n2,four\r\n'
    found = read_file("a.csv", content, id_field="key")
    assert found.texts == ['one, "two"\r\nthree', "four"]
    assert found.ids == ["1", "2"]
    assert not found.faults


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), min_size=1), max_size=9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
def test_what_the_csv_module_writes_is_read_back(read_file: ReadFile, texts: list[str]) -> None:
    written = io.StringIO(newline="")
    csv.writer(written).writerows([["text", "n"], *([text, number] for number, text in enumerate(texts))])
    found = read_file("a.csv", written.getvalue().encode())
    assert found.texts == texts
    assert [doc_id.rpartition("/")[2] for doc_id in found.ids] == [str(number) for number in range(len(texts))]


def test_bad_rows_cost_themselves_only(read_file: ReadFile) -> None:
    rows = [b"n,text", b"1,good", b"2,bad \xff byte", b"3", b"4,a,b", b'5,"quote"tail', b"6,fine"]
    found = read_file("a.csv", b"\n".join(rows) + b"\n")
    assert found.texts == ["good", "fine"]
    assert [reason for _, _, reason in found.faults] == [
        "not UTF-8: byte 0xff",
        "a row of 1 cells under 2 columns",
        "a row of 3 cells under 2 columns",
        "not CSV: ',' expected after '\"'",
    ]
    assert [offset for _, offset, _ in found.faults] == [14, 27, 29, 35]


def test_a_quote_that_does_not_end_costs_the_row_it_swallows(read_file: ReadFile) -> None:
    found = read_file("a.csv", b'text\ngood\n"open\nmore\n')
    assert found.texts == ["good"]
    assert found.faults == [("a.csv", 10, "not CSV: unexpected end of data")]


def test_a_column_that_is_missing_costs_the_file_and_says_what_is_there(read_file: ReadFile) -> None:
    found = read_file("a.csv", b"id,body\n1,x\n", text="{title}: {body}")
    assert found.faults == [("a.csv", 0, "no column 'title'; there is id, body")]


def test_a_truncated_csv_costs_its_rest_with_the_row_it_cuts(read_file: ReadFile) -> None:
    rows = b"text\n" + b"".join(b'"row %d\n%d"\n' % (i, i**9) for i in range(9000))
    found = read_file("a.csv.gz", gzip.compress(rows)[:-5000])
    assert 100 < len(found.texts) < 9000
    assert found.texts == [f"row {i}\n{i**9}" for i in range(len(found.texts))]
    [(_, offset, reason)] = found.faults
    assert reason == "gzip data ends early; the rest of the file is lost"
    assert rows[offset:].startswith(b'"row %d\n' % len(found.texts))


def test_a_line_over_the_limit_costs_the_rest_of_a_csv(read_file: ReadFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_RECORD_BYTES", 1000)
    found = read_file("a.csv", b"text\nfirst\n" + b"x" * 5000 + b"\nlast\n")
    assert found.texts == ["first"]
    assert found.faults == [("a.csv", 11, "a record of more than 1,000 bytes; the rest of the file is lost")]


def test_a_cell_over_the_limit_is_quarantined_though_its_lines_are_short(
    read_file: ReadFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MAX_RECORD_BYTES", 1000)
    found = read_file("a.csv", b'text\nfirst\n"' + b"word\n" * 500 + b'"\nlast\n')
    assert found.texts[0] == "first"
    assert found.faults[0] == ("a.csv", 11, "not CSV: field larger than field limit (1000)")


def test_tsv_knows_no_quotes(read_file: ReadFile) -> None:
    found = read_file("a.tsv", b'key\ttext\r\n1\ta "quote\r\n2\n3\tlast\tone\n4\tend')
    assert found.texts == ['a "quote', "end"]
    assert found.ids == ["law/a.tsv/0", "law/a.tsv/3"]
    assert [reason for _, _, reason in found.faults] == [
        "a row of 1 cells under 2 columns",
        "a row of 3 cells under 2 columns",
    ]
