"""A huge file is read in parts, and what comes out is the same as if it were read in one piece."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import ipc

from domainlm.corpus import cuts, sources, stream
from domainlm.corpus.span import Span
from tests.corpus.conftest import domain, write_jsonl
from tests.corpus.readers.conftest import Read, read_source


@given(st.text("ab\n\r", max_size=60).map(str.encode), st.integers(1, 20))
@example(b"\n\n", 1)
@example(b"a\nbbbbbbbbbbbb\nc", 3)
@example(b"abc\n", 4)
def test_ranges_give_each_line_once_with_its_number(content: bytes, range_bytes: int) -> None:
    whole = [(row, line.offset, line.content) for row, line in enumerate(stream.lines(iter([content])))]
    parts = []
    for begin, end, first in stream.cuts(io.BytesIO(content), range_bytes):
        found = stream.lines_between(io.BytesIO(content), begin, end)
        parts += [(row, line.offset, line.content) for row, line in enumerate(found, first)]
    assert parts == whole


def _table(num_rows: int) -> pa.Table:
    return pa.table({"text": [f"text {i}" if i % 7 else None for i in range(num_rows)], "key": list(range(num_rows))})


def _arrow(path: Path, num_rows: int, kind: Callable[..., Any]) -> None:
    table = _table(num_rows)
    with kind(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=10)


def _lines(path: Path, num_rows: int) -> None:
    texts = [orjson.dumps({"text": f"text {i}\u2028"}) if i % 7 else b"{broken" for i in range(num_rows)]
    path.write_bytes(b"\xef\xbb\xbf" + b"\n".join(texts))


def _tsv(path: Path, num_rows: int) -> None:
    rows = [f"{i}\ttext {i}" if i % 7 else f"{i}" for i in range(num_rows)]
    path.write_text("key\ttext\n" + "\n".join(rows) + "\n")


HUGE = {
    "a.jsonl": _lines,
    "a.tsv": _tsv,
    "a.txt": lambda path, num_rows: path.write_text("\n".join(f"line {i}" if i % 7 else "" for i in range(num_rows))),
    "a.parquet": lambda path, num_rows: pq.write_table(_table(num_rows), path, row_group_size=10),
    "a.arrow": lambda path, num_rows: _arrow(path, num_rows, ipc.new_file),
    "a stream.arrow": lambda path, num_rows: _arrow(path, num_rows, ipc.new_stream),
}


def _read_in_parts(root: Path, name: str, item_bytes: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, Read]:
    monkeypatch.setattr(sources, "_ITEM_BYTES", item_bytes)
    fields = {"lines": True} if name.endswith(".txt") else {}
    items = sources.items([domain("legal", {"law": {"uri": name, **fields}})], root, {})
    assert sum(item.num_bytes for item in items) <= (root / name).stat().st_size
    return len(items), read_source(root, name, **fields)


@pytest.mark.parametrize("name", HUGE)
def test_parts_give_what_the_whole_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    HUGE[name](tmp_path / name, 100)
    one, whole = _read_in_parts(tmp_path, name, 2**20, monkeypatch)
    assert one == 1
    for item_bytes in (150, 333):
        many, parts = _read_in_parts(tmp_path, name, item_bytes, monkeypatch)
        assert many > 1
        assert (parts.ids, parts.texts, parts.faults) == (whole.ids, whole.texts, whole.faults)
    assert len(whole.ids) == 85


def test_small_files_stand_together_and_a_huge_one_is_cut_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_ITEM_BYTES", 1000)
    for name, num_texts in {"a": 5, "b": 5, "c": 150, "d": 5}.items():
        write_jsonl(tmp_path / f"{name}.jsonl", [f"{name}{i}" for i in range(num_texts)])
    legal = domain("legal", {"law": "*.jsonl"})
    items = sources.items([legal], tmp_path, {})
    assert [item.place.files for item in items] == [("a.jsonl", "b.jsonl"), *[("c.jsonl",)] * 3, ("d.jsonl",)]
    assert [item.span and (item.span.begin, item.span.end) for item in items][1:3] == [(0, 1000), (1000, 2000)]
    limited = sources.items([domain("legal", {"law": {"uri": "*.jsonl", "max_docs": 20}})], tmp_path, {})
    assert len(limited) == 1


def test_what_cannot_be_cut_safely_is_read_in_one_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_ITEM_BYTES", 10)
    for name in ("a.csv", "a.json", "a.jsonl.gz", "a.txt", "a.html", "a.warc"):
        (tmp_path / name).write_bytes(b"text\n" * 100)
        assert len(sources.items([domain("legal", {"law": name})], tmp_path, {})) == 1


def test_a_huge_file_that_is_broken_is_quarantined_by_its_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_ITEM_BYTES", 10)
    for name in ("a.parquet", "a.arrow"):
        (tmp_path / name).write_bytes(b"ARROW1\0\0 broken" * 20)
        assert len(read_source(tmp_path, name).faults) == 1


def test_shards_of_a_dataset_are_items_of_their_own(tmp_path: Path) -> None:
    for number in range(3):
        write_jsonl(tmp_path / f"set/train-{number}.jsonl", [f"{number}{i}" for i in range(3)])
    items = sources.items([domain("legal", {"law": "hf:./set"})], tmp_path, {})
    assert [item.span for item in items] == [Span(begin=i, end=i + 1) for i in range(3)]
    whole = read_source(tmp_path, "hf:./set", max_docs=100)
    assert read_source(tmp_path, "hf:./set").ids == whole.ids
    assert whole.ids[3:5] == ["law/train/1/0", "law/train/1/1"]


@given(st.integers(0, 1000))
def test_shard_spans_cover_all_shards_in_few_items(num_shards: int) -> None:
    spans = cuts.shard_spans(num_shards)
    assert [n for span in spans for n in range(span.begin, span.end)] == list(range(num_shards))
    assert len(spans) <= cuts.MAX_SHARD_ITEMS
