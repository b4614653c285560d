"""What machine code takes out of JSON lines is what the reader that knows each line takes, fault by fault."""

from __future__ import annotations

import gzip
import itertools
import json
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domainlm.corpus import chunks, sources, stream
from domainlm.corpus.batch import Packed, Spans
from domainlm.corpus.finder import BLANK, LEFT, TAKEN, Finder
from domainlm.corpus.ledger import Ledger
from tests.corpus.conftest import domain

HARD = [
    b'{"id": "a", "text": "plain"}',
    b' \t{ "text" : "spaces" ,\t"id":"b" } \r',
    b'{"id":7,"text":"number"}',
    b'{"id":-0,"text":"minus nothing"}',
    b'{"id":01,"text":"no number"}',
    b'{"id":1.5,"text":"no id"}',
    b'{"id":true,"text":"no id either"}',
    b'{"id":12345678901234567890,"text":"long number"}',
    b'{"text":"no id at all"}',
    b'{"id":"c","text":null}',
    b'{"id":"c","text":"first","text":"second"}',
    b'{"id":"d","id":"e","text":"two ids"}',
    '{"id":"é","text":"Ähre \u2028 \U0001f33e"}'.encode(),
    b'{"id":"f","text":"\\u00c4hre \\ud83c\\udf3e \\n\\t\\\\ \\/ \\" \\b\\f\\r"}',
    b'{"id":"g","text":"half \\ud83c"}',
    b'{"id":"g","text":"other half \\udf3e"}',
    b'{"id":"g","text":"bad \\x escape"}',
    b'{"id":"g","text":"bad \\u12G4 escape"}',
    b'{"id":"h","text":"bad \xff byte"}',
    b'{"id":"h","text":"overlong \xc0\x80 and surrogate \xed\xa0\x80"}',
    b'{"id":"h","text":"beyond \xf4\x90\x80\x80"}',
    b'{"id":"i","text":"tab\there"}',
    b'{"id":"j","meta":{"a":[1,2.5,-3,{"b":null}],"c":{}},"text":"nested","more":[true,false,[]]}',
    b'{"id":"j","meta":{"a":[1,2.],"c":{}},"text":"nested and broken"}',
    b'{"id":"j","meta":[1,},"text":"nested and broken"}',
    b'{"id":"k","n":1e5,"text":"exponent"}',
    b'{"id":"k","n":.5,"text":"no number"}',
    b'{"te\\u0078t":"escaped key","id":"l"}',
    b'{"id":"m","text":"two"} {"id":"n","text":"objects"}',
    b'{"id":"o","text":"comma",}',
    b'{"id":"o" "text":"no comma"}',
    b'{"id":"p","text":"not closed"',
    b'{"id":"p","text":"not closed',
    b'{"id":"p","text":"backslash at the end\\',
    b'{"id":"q","deep":' + b"[" * 70 + b"]" * 70 + b',"text":"deep"}',
    b"",
    b"   ",
    b"\x0c",
    b"[]",
    b"{}",
    b"null",
    b'\xef\xbb\xbf{"id":"r","text":"mark"}',
    b'{"id":"","text":""}',
]


def both(root: Path, name: str, **fields: object) -> list[tuple[list[tuple[str, bytes]], Ledger]]:
    """(id, text) of all documents and the ledger, by the reader of every line and by batches."""
    found = []
    for way in (slowly, fast):
        ledger, documents = Ledger(), []
        for item in sources.items([domain("legal", {"law": {"uri": name, **fields}})], root, {}):
            documents += way(item, ledger)
        found.append((documents, ledger))
    return found


def slowly(item: sources.Item, ledger: Ledger) -> list[tuple[str, bytes]]:
    return [(one.id, one.text.encode()) for one in sources.documents(item, ledger)]


def fast(item: sources.Item, ledger: Ledger) -> list[tuple[str, bytes]]:
    every = sources.batches(item, ledger)
    return [
        (str(id_, "utf-8"), bytes(text)) for batch in every for id_, text in zip(batch.ids, batch.texts, strict=True)
    ]


@pytest.fixture(autouse=True)
def _small_files_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_FAST_BYTES", 0)


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("id_field", ["id", None])
def test_hard_lines_come_out_as_the_reader_reads_them(tmp_path: Path, id_field: str | None, packed: str) -> None:
    content = b"\xef\xbb\xbf" + b"\n".join([*HARD, *HARD[::-1]])
    (tmp_path / f"a.jsonl{packed}").write_bytes(gzip.compress(content) if packed else content)
    slow, quick = both(tmp_path, f"a.jsonl{packed}", id_field=id_field)
    assert quick == slow
    assert len(slow[0]) > 20 and len(slow[1].quarantined) > 20


def test_most_lines_are_taken_and_only_odd_ones_left() -> None:
    finder = Finder("text", "id")
    kinds = {line: int(finder.find(line, 1000).kind_L[0]) for line in HARD if line}
    assert [kinds[line] for line in (HARD[0], HARD[1], HARD[2], HARD[12], HARD[13], HARD[22])] == [TAKEN] * 6
    assert [kinds[line] for line in (HARD[3], HARD[8], HARD[14], HARD[18])] == [LEFT] * 4
    assert kinds[b"   "] == BLANK
    assert finder.find(HARD[0], 5).kind_L.tolist() == [LEFT]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
RECORDS = st.dictionaries(st.sampled_from(["text", "id", "x", "é"]), VALUES | st.text(), max_size=4)


@given(RECORDS, st.booleans())
@example({"id": 10**18, "text": "\ud83c\udf3e\x7f\x00"}, True)
def test_a_record_is_taken_as_a_library_reads_it_or_left(record: dict[str, object], ascii_only: bool) -> None:
    try:
        line = json.dumps(record, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return
    found = Finder("text", "id").find(line, 10**6)
    if found.kind_L.tolist() != [TAKEN]:
        return
    read = orjson.loads(line)
    assert str(found.texts[0], "utf-8") == read["text"]
    assert str(found.ids[0], "utf-8") == str(read["id"])


@given(st.lists(st.sampled_from(HARD), max_size=6), st.lists(st.integers(0, 400), max_size=6), st.integers(0, 300))
def test_chunks_hold_the_lines_however_the_bytes_arrive(lines: list[bytes], cuts: list[int], longest: int) -> None:
    content = b"\n".join(lines)
    bounds = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    blocks = [content[a:b] for a, b in itertools.pairwise(bounds)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "MAX_RECORD_BYTES", 50 + longest)
        want = list(stream.lines(iter(blocks)))
        got: list[stream.Line] = []
        for chunk in chunks.chunks(iter(blocks)):
            if isinstance(chunk, stream.Line):
                got.append(chunk)
                continue
            offset = chunk.offset
            for piece in chunk.content.removesuffix(b"\n").split(b"\n"):
                got.append(stream.line_of(offset, piece))
                offset += len(piece) + 1
        assert [(line.offset, line.content[:50], line.fault) for line in got] == [
            (line.offset, line.content[:50], line.fault) for line in want
        ]


@pytest.mark.parametrize("item_bytes", [100, 333, 5000])
def test_parts_of_a_file_give_each_line_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, item_bytes: int) -> None:
    monkeypatch.setattr(sources, "_ITEM_BYTES", item_bytes)
    monkeypatch.setattr(stream, "PLAIN_BYTES", 64)
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(HARD * 3))
    slow, quick = both(tmp_path, "a.jsonl", id_field=None)
    assert quick == slow


def test_a_file_cut_off_and_an_empty_one_are_told(tmp_path: Path) -> None:
    lines = b"".join(orjson.dumps({"text": f"{n} {n * n}"}) + b"\n" for n in range(3000))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines)[:-200])
    (tmp_path / "b.jsonl").write_bytes(b"")
    (tmp_path / "c.jsonl.gz").write_bytes(b"no gzip")
    slow, quick = both(tmp_path, "*.jsonl*")
    assert quick == slow
    assert len(slow[1].quarantined) == 3 and len(slow[0]) > 1000


@given(st.lists(st.binary(max_size=20), max_size=8), st.lists(st.integers(0, 8), max_size=3))
def test_packed_texts_are_the_texts_however_they_come(texts: list[bytes], cuts: list[int]) -> None:
    packed = Packed(1)
    bounds = [0, *sorted(min(cut, len(texts)) for cut in cuts), len(texts)]
    for begin, end in itertools.pairwise(bounds):
        packed.add(Spans.of(texts).chosen(slice(begin, end)))
    offsets = packed.offsets()
    assert [packed.data[a:b].tobytes() for a, b in itertools.pairwise(offsets)] == texts
    assert np.array_equal(Spans.of(texts).num_bytes(), np.diff(offsets))
