"""A record is in the store whole and once, whoever writes, joins or dies meanwhile."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from benchmarks.against.runs import rows
from domainlm.errors import DataError
from domainlm.evaluate import store as parquet
from domainlm.results import files
from domainlm.results.query import Store
from domainlm.results.schema import TABLES


def add(folder: Path, *numbers: int) -> list[str]:
    records = []
    for number in numbers:
        record, tables = rows(number, items=4)
        files.add(folder, record, tables)
        records.append(record)
    return records


def count(folder: Path, table: str) -> int:
    (found,) = Store(folder).rows(f"SELECT count(*) AS n FROM {table}")
    return found["n"]


def test_an_empty_store_has_all_its_tables_and_no_rows(tmp_path: Path) -> None:
    assert {table: count(tmp_path / "results", table) for table in TABLES} == dict.fromkeys(TABLES, 0)


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    record, tables = rows(3, items=4)
    files.add(tmp_path, record, tables)
    assert files.has(tmp_path, record) and not files.has(tmp_path, "0" * 16)
    (found,) = Store(tmp_path).rows("SELECT * FROM results WHERE model = 'base' AND suite = 'legal' AND task = metric")[
        :1
    ]
    wanted = tables["results"][0]
    assert {name: found[name] for name in wanted} == wanted


def test_joining_changes_no_answer_and_a_record_is_never_there_twice(tmp_path: Path) -> None:
    add(tmp_path, *range(6))
    ask = "SELECT run, model, round(sum(numerator), 3) AS n, count(*) AS rows FROM results GROUP BY ALL ORDER BY ALL"
    before = Store(tmp_path).rows(ask)
    copies = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    assert files.join(tmp_path) == 6
    assert [path.name[:5] for path in (tmp_path / "results").iterdir()] == ["part-"]
    assert Store(tmp_path).rows(ask) == before
    # As if the process had died before it deleted what it had joined; and once more, with new ones beside.
    for path, content in copies.items():
        path.write_bytes(content)
    assert Store(tmp_path).rows(ask) == before
    (more,) = add(tmp_path, 6)
    assert files.join(tmp_path) == 1 and files.has(tmp_path, more)
    assert count(tmp_path, "models") == 7 * 3


def test_a_record_whose_writer_died_is_not_seen_and_comes_whole_with_the_next_attempt(tmp_path: Path) -> None:
    record, tables = rows(0, items=4)
    for table in ("items", "results"):
        parquet.write(tmp_path / table / f"{record}.parquet", tables[table], TABLES[table])
    assert count(tmp_path, "results") == 0 and not files.has(tmp_path, record)
    files.add(tmp_path, record, tables)
    assert count(tmp_path, "results") == len(tables["results"])


def test_many_writers_and_a_joiner_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=add, args=(tmp_path, *range(k, 24, 3))) for k in range(3)]
    for writer in writers:
        writer.start()
    seen = []
    while any(writer.is_alive() for writer in writers):
        files.join(tmp_path)
        seen.append(count(tmp_path, "models"))
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert seen == sorted(seen) and all(number % 3 == 0 for number in seen)
    assert count(tmp_path, "models") == 24 * 3


def test_sums_over_rows_give_accuracy_and_bits_alike(tmp_path: Path) -> None:
    add(tmp_path, 0, 1)
    found = Store(tmp_path).rows(
        "SELECT metric, sum(numerator) / sum(denominator) AS value, sum(value * num_items) / sum(num_items) AS by_hand "
        "FROM results WHERE source = '' GROUP BY metric ORDER BY metric"
    )
    assert [row["metric"] for row in found] == ["acc", "bits_per_byte"]
    for row in found:
        assert row["value"] == pytest.approx(row["by_hand"])


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM read_text('/etc/hostname')", "Cannot access file"),
        ("COPY (SELECT 1) TO 'x.csv'", "wanted one SELECT"),
        ("DROP VIEW results", "wanted one SELECT"),
        ("SELECT 1; SELECT 2", "wanted one SELECT"),
        ("SELECT colour FROM results", 'column "colour" not found'),
        ("", "the query is nothing"),
    ],
)
def test_a_query_reads_the_store_and_does_nothing_else(tmp_path: Path, query: str, said: str) -> None:
    add(tmp_path, 0)
    with pytest.raises(DataError) as raised:
        Store(tmp_path).rows(query)
    assert said in str(raised.value)
    assert not Path("x.csv").exists()
