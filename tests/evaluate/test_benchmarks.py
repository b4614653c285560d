"""Tasks whose items lie in local files are read without lm-eval; of the others the cause is told; the key follows."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import pytest
import zstandard

from domainlm.errors import DataError
from domainlm.evaluate import benchmarks
from domainlm.evaluate.benchmarks import sources

EVALS = Path(__file__).parents[2] / "evals"
RECORDS = [
    {"question": "Who wrote it?", "choices": {"text": ["A clerk", "A judge"]}, "answer": 1, "licence": "CC0"},
    {"question": "When?", "choices": {"text": ["Now", "Then"]}, "answer": 0, "licence": "CC0"},
]


def task(folder: Path, data: Path | str, **fields: object) -> Path:
    """A project's `evals` with one task whose test split is `data`."""
    path = folder / "evals" / "legal" / "who.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    config = {"task": "who", "dataset_path": "json", "test_split": "test", "doc_to_text": "{{question}}"}
    config |= {"doc_to_choice": "{{choices.text}}", "dataset_kwargs": {"data_files": {"test": str(data), "train": "x"}}}
    path.write_bytes(orjson.dumps(config | fields))  # JSON is YAML
    return folder / "evals"


def texts(source: benchmarks.Source) -> list[tuple[str, str]]:
    [benchmark] = benchmarks.benchmarks([source])
    return list(benchmark.items)


def fingerprint(evals: Path) -> str:
    return benchmarks.fingerprint(sources(evals))


def lines() -> bytes:
    return b"".join(orjson.dumps(record) + b"\n" for record in RECORDS)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("items.jsonl", lines()),
        ("items.json", orjson.dumps(RECORDS)),
        ("items.jsonl.gz", gzip.compress(lines(), mtime=0)),
        ("items.jsonl.zst", zstandard.compress(lines()[:40]) + zstandard.compress(lines()[40:])),
    ],
)
def test_items_are_the_question_with_what_is_shown_of_it_and_the_question(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    [source] = sources(task(tmp_path, tmp_path / name))
    [benchmark] = benchmarks.benchmarks([source])
    assert (benchmark.name, benchmark.not_read) == ("who", "")
    assert list(benchmark.items) == [
        ("0", "Who wrote it?\nA clerk\nA judge"),
        ("0", "Who wrote it?"),
        ("1", "When?\nNow\nThen"),
        ("1", "When?"),
    ]


def test_every_field_counts_where_a_function_decides_what_is_shown(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_bytes(lines())
    evals = task(tmp_path, tmp_path / "items.jsonl")
    path = evals / "legal" / "who.yaml"
    path.write_text(path.read_text().replace('"{{question}}"', "!function shown.question"))
    [source] = sources(evals)
    assert texts(source)[0][1] == "Who wrote it?\nA clerk\nA judge\nCC0"


def test_a_table_of_values_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text('question,choices\n"Who,\nthen?",None\n')
    [source] = sources(task(tmp_path, tmp_path / "items.csv", dataset_path="csv"))
    assert texts(source)[0] == ("0", "Who,\nthen?\nNone")


def test_what_cannot_be_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "items.jsonl").write_bytes(lines())
    causes = {
        "${ITEMS}/legal.jsonl": "its items are made from held-out documents",
        "${QUESTIONS}/items.jsonl": "there is no file ${QUESTIONS}/items.jsonl",
    }
    for data, cause in causes.items():
        [source] = sources(task(tmp_path, data))
        assert source.not_read.startswith(cause) and texts(source) == []
    [source] = sources(task(tmp_path, "", dataset_path="lex_glue"))
    assert source.not_read == "its items are on the hub, lex_glue, and the run names no folder of data"
    monkeypatch.setenv("QUESTIONS", str(tmp_path))
    [source] = sources(task(tmp_path, "${QUESTIONS}/items.jsonl"))
    assert list(source.files.values()) == [tmp_path / "items.jsonl"] and not source.not_read
    (tmp_path / "items.jsonl").write_bytes(b"[[]]")
    with pytest.raises(DataError, match="wanted an object for each item, got list"):
        texts(source)


def test_the_key_is_that_of_the_items_and_of_what_is_shown(tmp_path: Path) -> None:
    data = tmp_path / "items.jsonl"
    data.write_bytes(lines())
    first = fingerprint(task(tmp_path, data))
    assert fingerprint(task(tmp_path, data, metric_list=[{"metric": "acc"}])) == first
    assert fingerprint(task(tmp_path, data, doc_to_text="{{question}} {{licence}}")) != first
    data.write_bytes(lines() * 2)
    assert fingerprint(task(tmp_path, data)) != first


def test_items_are_found_in_a_folder_of_data_by_name_and_of_two_files_that_of_the_suite(tmp_path: Path) -> None:
    evals = task(tmp_path, "", dataset_path="owner/who", metadata={"group": "ask"})
    data = tmp_path / "data"
    (data / "legal").mkdir(parents=True)
    (data / "who_test.jsonl").write_bytes(lines()[:90])
    [source] = sources(evals, data)
    assert source.files == {"test": data / "who_test.jsonl"}
    (data / "legal" / "who_test.json").write_bytes(orjson.dumps(RECORDS))
    [source] = sources(evals, data)
    assert texts(source)[2] == ("who/1", "When?\nNow\nThen")
    (data / "legal" / "who_test.csv").write_text("a\n")
    [source] = sources(evals, data)
    assert source.not_read.startswith("there are 2 files who_test.*")
    [source] = sources(evals, tmp_path / "nowhere")
    assert source.not_read.startswith("no file who_test.jsonl (.zst, .gz; or .json, .csv, .parquet) in ")


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("who_test.jsonl", b'{"a": 1}\n{"b"', "2: no JSON"),
        ("who_test.jsonl.gz", b"no gzip", "cannot be unpacked"),
        ("who_test.jsonl.zst", b"no zstd", "cannot be unpacked"),
        ("who_test.parquet", b"no parquet", "is no Parquet file"),
        ("who_test.csv", b"a\n\xff", "is no CSV in UTF-8"),
        ("who_test.jsonl", b"\n", "holds no items"),
        ("who_test.jsonl", b'{"question": 1}', "record 1 is not of the shape 'mmlu': no field 'answer'"),
    ],
)
def test_a_broken_file_of_items_is_named_with_what_is_wrong(
    tmp_path: Path, name: str, content: bytes, cause: str
) -> None:
    evals = task(tmp_path, "", dataset_path="owner/who", metadata={"local": {"shape": "mmlu"}})
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).write_bytes(content)
    [source] = sources(evals, tmp_path / "data")
    with pytest.raises(DataError, match=cause) as caught:
        source.records()
    assert name in str(caught.value)


def test_every_shipped_task_is_read_or_says_why_not() -> None:
    found = sources(EVALS)
    assert {source.task.path for source in found} == set(EVALS.glob("*/**/*.yaml"))
    for source in found:
        assert bool(source.files) != bool(source.not_read)
        assert not source.task.broken
