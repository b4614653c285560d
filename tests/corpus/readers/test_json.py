"""JSON: records come out whatever the file's shape, and what is broken costs the rest, told with its place."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.corpus import stream
from domainlm.corpus.readers.json import Values
from tests.corpus.readers.conftest import ReadFile


@pytest.mark.parametrize(
    "content",
    [
        b'[{"text":"a"},{"text":"b"}]',
        b'\xef\xbb\xbf [ {"text": "a"} ,\n{"text": "b"} ]\n',
        b'{"text":"a"}\n{"text":"b"}\n',
    ],
    ids=["an array", "with spaces", "lines"],
)
def test_an_array_or_objects_one_after_another_are_records(read_file: ReadFile, content: bytes) -> None:
    found = read_file("a.json", content)
    assert found.texts == ["a", "b"]
    assert found.ids == ["law/a.json/0", "law/a.json/1"]
    assert not found.faults


def test_one_object_is_one_record(read_file: ReadFile) -> None:
    assert read_file("a.json", b'{"text": "one", "n": [1, {"x": null}]}').texts == ["one"]


def test_what_is_no_object_costs_itself_only(read_file: ReadFile) -> None:
    found = read_file("a.json", b'[{"text":"a"},[1],"x",null,{"text":"bad \xff"},{"text":"b"}]')
    assert found.texts == ["a", "b"]
    assert found.faults == [
        ("a.json", 14, "a list where an object should be"),
        ("a.json", 18, "a string where an object should be"),
        ("a.json", 22, "missing where an object should be"),
        ("a.json", 27, "not UTF-8: byte 0xff"),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'[{"text":"a"},{broken]', "not JSON: Expecting property name enclosed in double quotes at byte 15"),
        (b'[{"text":"a"}', "not JSON: the array does not end"),
        (b'[{"text":"a"} {"text":"b"}]', "not JSON: no comma between two records"),
        (b'[{"text":"a"}] []', "not JSON: data after the end of the array"),
        (b'[{"text":"a"},' + b"[" * 100_000, "JSON that cannot be held: maximum recursion depth exceeded"),
        (b'[{"text":"a"},' + b"1" * 5000 + b"]", "JSON that cannot be held: Exceeds the limit (4300 digits)"),
    ],
)
def test_what_is_broken_costs_the_rest(read_file: ReadFile, content: bytes, reason: str) -> None:
    found = read_file("a.json", content)
    assert found.texts == ["a"]
    [(_, offset, why)] = found.faults
    assert offset >= 13
    assert why.startswith(reason)
    assert why.endswith("; the rest of the file is lost")


def test_a_truncated_array_costs_its_rest(read_file: ReadFile) -> None:
    records = [{"text": f"{i} {i**20}"} for i in range(20000)]
    found = read_file("a.json.gz", gzip.compress(json.dumps(records).encode())[:-10000])
    assert 1000 < len(found.texts) < 20000
    assert found.texts == [record["text"] for record in records[: len(found.texts)]]
    assert [why for _, _, why in found.faults] == ["gzip data ends early; the rest of the file is lost"]


def test_a_record_over_the_limit_costs_the_rest(read_file: ReadFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_RECORD_BYTES", 1000)
    monkeypatch.setattr(stream, "PLAIN_BYTES", 100)
    found = read_file("a.json", b'[{"text":"a"},{"text":"' + b"x" * 5000 + b'"},{"text":"b"}]')
    assert found.texts == ["a"]
    assert found.faults == [("a.json", 14, "a record of more than 1,000 bytes; the rest of the file is lost")]


_VALUES = st.lists(
    st.dictionaries(st.text(max_size=3), st.text(max_size=8) | st.integers() | st.none(), max_size=3), max_size=6
)


@given(_VALUES, st.booleans(), st.booleans(), st.lists(st.integers(0, 300), max_size=8))
def test_values_do_not_depend_on_how_the_bytes_arrive(
    values: list[object], in_array: bool, ascii_only: bool, cuts: list[int]
) -> None:
    texts = [json.dumps(value, ensure_ascii=ascii_only) for value in values]
    joined = "[" + ", ".join(texts) + "]" if in_array else "\n".join(texts)
    content = joined.encode()
    bounds = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    found = list(Values(content[a:b] for a, b in pairwise(bounds)).found())
    assert [value.value for value in found] == values
    assert [content[value.offset :].startswith(text.encode()) for value, text in zip(found, texts, strict=True)] == [
        True
    ] * len(values)
