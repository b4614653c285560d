"""Readers lose nothing in silence: each record is a document or stands in quarantine with file, offset and reason."""

from __future__ import annotations

import gzip
from itertools import pairwise
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from datatrove.data import Document
from hypothesis import example, given
from hypothesis import strategies as st

from domainlm.corpus import places, sources, stream
from domainlm.corpus.ledger import Ledger
from domainlm.errors import DataError
from tests.corpus.conftest import domain, write_jsonl


def read(root: Path, uri: str, **fields: object) -> tuple[list[Document], Ledger]:
    """Documents of one source, and the ledger, whose sum is checked."""
    ledger = Ledger()
    items = sources.items([domain("legal", {"law": {"uri": uri, **fields}})], root, {})
    documents = [doc for item in items for doc in sources.documents(item, ledger)]
    assert ledger.num_read == len(documents) + len(ledger.dropped) + len(ledger.quarantined)
    return documents, ledger


def faults(ledger: Ledger) -> list[tuple[str, int, str]]:
    return [(row.file, row.offset, row.reason) for row in ledger.quarantined]


PACKERS = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}


@pytest.mark.parametrize("suffix", PACKERS)
def test_json_lines_come_back_as_written_with_u2028_inside(tmp_path: Path, suffix: str) -> None:
    texts = ["one\u2028line", "two\x85lines", "", "end"]
    content = b"".join(orjson.dumps({"text": text}) + b"\n" for text in texts)
    (tmp_path / f"a.jsonl{suffix}").write_bytes(PACKERS[suffix](content))
    documents, ledger = read(tmp_path, f"a.jsonl{suffix}")
    assert [doc.text for doc in documents] == texts
    assert documents[1].id == f"law/a.jsonl{suffix}/1"
    assert not ledger.quarantined


def test_bad_lines_cost_themselves_only(tmp_path: Path) -> None:
    lines = [
        b'{"text": "good 1"}',
        b'{"text": "bad \xff byte"}',
        b"[1, 2]",
        b"{broken",
        b'{"txt": "no text"}',
        b'{"text": ["a"]}',
        b'{"text": "half \\ud800"}',
        b"",
        b'{"text": "good 2"}',
    ]
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\n".join(lines))
    documents, ledger = read(tmp_path, "a.jsonl")
    assert [doc.text for doc in documents] == ["good 1", "good 2"]
    assert [reason for _, _, reason in faults(ledger)][:3] == [
        "not UTF-8: byte 0xff at 14",
        "a list where an object should be",
        "not JSON: unexpected character, expected a string key: line 1 column 2 (char 1)",
    ]
    assert [row.reason for row in ledger.quarantined[3:5]] == [
        "field 'text' is missing, not text",
        "field 'text' is a list, not text",
    ]
    assert len(ledger.quarantined) == 6
    assert ledger.quarantined[0].offset == 3 + len(lines[0]) + 1


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_truncated_file_costs_its_rest_only(tmp_path: Path, suffix: str) -> None:
    lines = [orjson.dumps({"text": f"{i} {hash((i, 7))} {hash((i, 8))}"}) + b"\n" for i in range(5000)]
    packed = PACKERS[suffix](b"".join(lines))
    (tmp_path / f"a.jsonl{suffix}").write_bytes(packed[: len(packed) * 3 // 4])
    documents, ledger = read(tmp_path, f"a.jsonl{suffix}")
    assert len(documents) > 500
    assert [doc.text for doc in documents] == [orjson.loads(line)["text"] for line in lines[: len(documents)]]
    [(_, offset, reason)] = faults(ledger)
    assert reason == f"{'gzip' if suffix == '.gz' else 'zstd'} data ends early; the rest of the file is lost"
    assert offset == len(b"".join(lines[: len(documents)]))


def test_broken_gzip_and_several_members_are_told_apart(tmp_path: Path) -> None:
    member = gzip.compress(b'{"text": "a"}\n')
    (tmp_path / "a.jsonl.gz").write_bytes(member + b"\0\0" + member)
    assert len(read(tmp_path, "a.jsonl.gz")[0]) == 2
    (tmp_path / "a.jsonl.gz").write_bytes(member + b"no gzip at all")
    documents, ledger = read(tmp_path, "a.jsonl.gz")
    assert len(documents) == 1
    assert "broken gzip data" in ledger.quarantined[0].reason


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
@example(b"\xef\xbb\xbf", [])
@example(b"\xef\xbb\xbfa\nb", [1])
def test_lines_do_not_depend_on_how_the_bytes_arrive(content: bytes, cuts: list[int]) -> None:
    bounds = [0, *sorted(cuts), len(content)]
    blocks = [content[a:b] for a, b in pairwise(bounds)]
    found = list(stream.lines(iter(blocks)))
    marked = content.removeprefix(b"\xef\xbb\xbf")
    if marked or not content:
        assert [line.content for line in found] == marked.removesuffix(b"\n").split(b"\n") * bool(marked)
    assert all(content[line.offset :].removeprefix(b"\xef\xbb\xbf").startswith(line.content) for line in found)


def test_a_line_too_long_is_quarantined_and_the_next_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(stream, "MAX_RECORD_BYTES", 1000)
    write_jsonl(tmp_path / "a.jsonl", ["x" * 5000, "short"])
    documents, ledger = read(tmp_path, "a.jsonl")
    assert [doc.text for doc in documents] == ["short"]
    assert faults(ledger) == [("a.jsonl", 0, "a record of more than 1,000 bytes")]


def test_text_files_are_one_document_each_and_binaries_none(tmp_path: Path) -> None:
    for name, content in {
        "b/two.md": b"zwei",
        "a.txt": b"\xef\xbb\xbfone",
        "notes": b"no suffix",
        "latin.txt": b"caf\xe9",
        "binary.bin": b"a\0b",
        "book.epub": b"PK",
        "cut.txt.gz": gzip.compress(b"text" * 100)[:-9],
    }.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    documents, ledger = read(tmp_path, "in")
    assert {doc.id: doc.text for doc in documents} == {
        "law/a.txt": "one",
        "law/b/two.md": "zwei",
        "law/notes": "no suffix",
    }
    assert faults(ledger) == [
        ("binary.bin", 0, "NUL bytes: not text"),
        ("book.epub", 0, "no reader for .epub files"),
        ("cut.txt.gz", 0, "gzip data ends early"),
        ("latin.txt", 0, "not UTF-8: byte 0xe9 at 3"),
    ]


def test_parquet_nulls_and_bad_bytes_cost_their_rows(tmp_path: Path) -> None:
    bad = pa.StringArray.from_buffers(3, *pa.array([b"good", b"\xff", b"fine"], pa.binary()).buffers()[1:])
    pq.write_table(pa.table({"text": bad, "key": [1, 2, 3]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": ["x", None], "key": [4, 5]}), tmp_path / "b.parquet")
    pq.write_table(pa.table({"body": ["x"]}), tmp_path / "c.parquet")
    (tmp_path / "d.parquet").write_bytes(b"PAR1 no")
    documents, ledger = read(tmp_path, "*.parquet", id_field="key")
    assert [(doc.id, doc.text) for doc in documents] == [("1", "good"), ("3", "fine"), ("4", "x")]
    assert faults(ledger)[:3] == [
        ("a.parquet", 1, "not UTF-8: byte at 0"),
        ("b.parquet", 1, "field 'text' is missing, not text"),
        ("c.parquet", 0, "no column 'text'; there is body"),
    ]
    assert ledger.quarantined[3].reason.startswith("not Parquet")


def test_own_ids_must_be_text_or_whole_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text":"a","n":7}\n{"text":"b","n":null}\n{"text":"c","n":"x"}\n')
    documents, ledger = read(tmp_path, "a.jsonl", id_field="n")
    assert [doc.id for doc in documents] == ["7", "x"]
    assert faults(ledger) == [("a.jsonl", 19, "field 'n' is missing, not an id")]


def test_a_limit_counts_documents_over_all_files(tmp_path: Path) -> None:
    for name in "abc":
        write_jsonl(tmp_path / f"{name}.jsonl", [f"{name}1", f"{name}2"])
    documents, _ = read(tmp_path, "*.jsonl", max_docs=3)
    assert [doc.text for doc in documents] == ["a1", "a2", "b1"]


def test_a_local_hugging_face_folder_is_read_split_by_split(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "set/train.jsonl", ["one", "two"])
    write_jsonl(tmp_path / "set/test.jsonl", ["three"])
    documents, _ = read(tmp_path, "hf:./set", split="test")
    assert [(doc.id, doc.text) for doc in documents] == [("law/test/0/0", "three")]


def test_a_broken_file_of_a_dataset_costs_the_rest_of_that_file(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "set/train-0.jsonl", ["one"])
    with (tmp_path / "set/train-0.jsonl").open("ab") as file:
        file.write(b"{broken\n")
    write_jsonl(tmp_path / "set/train-1.jsonl", ["two"])
    documents, ledger = read(tmp_path, "hf:./set")
    assert [(doc.id, doc.text) for doc in documents] == [("law/train/1/0", "two")]
    [(file, row, reason)] = faults(ledger)
    assert (file, row) == ("train/0", 0)
    assert reason.startswith("ArrowInvalid: JSON parse error")
    assert reason.endswith("the rest of the shard is lost")
    assert str(tmp_path) not in reason


def test_a_split_or_config_that_is_not_there_stops_the_stage(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "set/train.jsonl", ["one"])
    with pytest.raises(DataError, match=r"hf:\..* split dev .*Bad split: dev.*; correct `split`, `config` or `uri`"):
        read(tmp_path, "hf:./set", split="dev")
    with pytest.raises(DataError, match="config english"):
        read(tmp_path, "hf:./set", config="english")


def test_an_error_that_is_no_damage_is_raised_out_of_a_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datasets import IterableDataset

    write_jsonl(tmp_path / "set/train.jsonl", ["one"])

    def fails(self: IterableDataset) -> object:
        raise error

    monkeypatch.setattr(IterableDataset, "__iter__", fails)
    for error in (ConnectionError("reset"), OSError(5, "disk"), ValueError("a bug"), TimeoutError()):
        with pytest.raises(type(error)):
            read(tmp_path, "hf:./set")


def test_a_hub_dataset_without_a_lock_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="hf:owner/name: its revision is not locked; run `domainlm lock`"):
        read(tmp_path, "hf:owner/name")


def test_missing_files_and_variables_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    with pytest.raises(DataError, match="no file is there"):
        read(tmp_path, "none/*.jsonl")
    with pytest.raises(DataError, match="environment variable NOWHERE is not set"):
        read(tmp_path, "${NOWHERE}/a.jsonl")
    monkeypatch.setenv("NOWHERE", str(tmp_path))
    write_jsonl(tmp_path / "a.jsonl", ["here"])
    assert [doc.text for doc in read(Path("elsewhere"), "${NOWHERE}/a.jsonl")[0]] == ["here"]


def test_fingerprints_change_with_the_content_and_not_with_the_place(tmp_path: Path) -> None:
    legal = domain("legal", {"law": "in/*.jsonl"})
    for place in ("one", "two"):
        write_jsonl(tmp_path / place / "in/a.jsonl", ["same"])
    before = places.fingerprints([legal], tmp_path / "one")
    assert before == places.fingerprints([legal], tmp_path / "two")
    write_jsonl(tmp_path / "two/in/a.jsonl", ["other"])
    assert before != places.fingerprints([legal], tmp_path / "two")
