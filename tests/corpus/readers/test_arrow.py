"""Arrow, as a file and as a stream: rows in order, and what is broken costs the batch or the rest."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import feather, ipc

from tests.corpus.readers.conftest import ReadFile, read_source


def _bytes(batches: list[dict[str, list[object]]], *, stream: bool) -> bytes:
    tables = [pa.table(batch) for batch in batches]
    sink = pa.BufferOutputStream()
    with (ipc.new_stream if stream else ipc.new_file)(sink, tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)
    return sink.getvalue().to_pybytes()


BATCHES: list[dict[str, list[object]]] = [
    {"text": ["a", None], "key": [1, 2], "title": ["A", "B"]},
    {"text": ["c", "d"], "key": [3, 4], "title": ["C", "D"]},
]


@pytest.mark.parametrize("stream", [False, True], ids=["file", "stream"])
def test_rows_come_in_order_and_one_without_text_costs_itself(read_file: ReadFile, stream: bool) -> None:
    content = _bytes(BATCHES, stream=stream)
    found = read_file("a.arrow", content)
    assert found.texts == ["a", "c", "d"]
    assert found.ids == ["law/a.arrow/0.0", "law/a.arrow/1.0", "law/a.arrow/1.1"]
    assert found.faults == [("a.arrow", 1, "field 'text' is missing, not text")]
    both = read_file("a.arrow", content, text="{title}: {text}", id_field="key")
    assert list(zip(both.ids, both.texts, strict=True)) == [("1", "A: a"), ("3", "C: c"), ("4", "D: d")]


def test_feather_is_arrow(tmp_path: Path) -> None:
    feather.write_feather(pa.table({"text": ["a"] * 3}), tmp_path / "a.feather", compression="zstd")
    assert read_source(tmp_path, "a.feather").texts == ["a"] * 3


def test_a_truncated_stream_costs_its_rest(read_file: ReadFile) -> None:
    content = _bytes([{"text": ["x" * 500] * 4}, {"text": ["y" * 500] * 4}], stream=True)
    found = read_file("a.arrow", content[:-1500])
    assert found.texts == ["x" * 500] * 4
    [(_, offset, reason)] = found.faults
    assert offset == 1
    assert reason.startswith("not Arrow: ")
    assert reason.endswith("the rest of the file is lost")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "an empty file"), (b"no arrow at all" * 9, "not Arrow"), (b"ARROW1\0\0 and no more", "not Arrow")],
)
def test_what_is_no_arrow_is_quarantined(read_file: ReadFile, content: bytes, reason: str) -> None:
    [(_, _, why)] = read_file("a.arrow", content).faults
    assert why.startswith(reason)


def test_a_missing_column_is_named(read_file: ReadFile) -> None:
    found = read_file("a.arrow", _bytes(BATCHES, stream=False), text_field="body")
    assert found.faults == [("a.arrow", 0, "no column 'body'; there is text, key, title")]
