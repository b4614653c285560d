"""Tasks whose items lie in local files are read without lm-eval; of the others the cause is told; the key follows."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import pytest
import zstandard

from domainlm.errors import DataError
from domainlm.evaluate import benchmarks
from domainlm.evaluate.benchmarks import fingerprint, sources

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
    benchmark = source.benchmark()
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
    assert next(iter(source.benchmark().items))[1] == "Who wrote it?\nA clerk\nA judge\nCC0"


def test_a_table_of_values_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text('question,choices\n"Who,\nthen?",None\n')
    [source] = sources(task(tmp_path, tmp_path / "items.csv", dataset_path="csv"))
    assert next(iter(source.benchmark().items)) == ("0", "Who,\nthen?\nNone")


def test_what_cannot_be_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "items.jsonl").write_bytes(lines())
    causes = {
        "${ITEMS}/legal.jsonl": "its items are made from held-out documents",
        "${QUESTIONS}/items.jsonl": "there is no file ${QUESTIONS}/items.jsonl",
    }
    for data, cause in causes.items():
        [source] = sources(task(tmp_path, data))
        assert source.not_read.startswith(cause) and list(source.benchmark().items) == []
    [source] = sources(task(tmp_path, "", dataset_path="lex_glue"))
    assert source.not_read == "its data are 'lex_glue', not local files"
    monkeypatch.setenv("QUESTIONS", str(tmp_path))
    [source] = sources(task(tmp_path, "${QUESTIONS}/items.jsonl"))
    assert source.files == (tmp_path / "items.jsonl",) and not source.not_read
    (tmp_path / "items.jsonl").write_bytes(b"[[]]")
    with pytest.raises(DataError, match="wanted an object for each item, got list"):
        list(source.benchmark().items)


def test_the_key_is_that_of_the_items_and_of_what_is_shown(tmp_path: Path) -> None:
    data = tmp_path / "items.jsonl"
    data.write_bytes(lines())
    first = fingerprint(task(tmp_path, data))
    assert fingerprint(task(tmp_path, data, metric_list=[{"metric": "acc"}])) == first
    assert fingerprint(task(tmp_path, data, doc_to_text="{{question}} {{licence}}")) != first
    data.write_bytes(lines() * 2)
    assert fingerprint(task(tmp_path, data)) != first


def test_every_shipped_task_is_read_or_says_why_not() -> None:
    names = {path.stem for path in EVALS.glob("*/**/*.yaml")}
    found = sources(EVALS)
    assert len(found) == len(list(EVALS.glob("*/**/*.yaml"))) and names
    for source in found:
        assert bool(source.files) != bool(source.not_read)
        for item, text in source.benchmark().items:
            assert item and text
    assert benchmarks.fingerprint(EVALS)
