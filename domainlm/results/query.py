"""The one door to DuckDB: the store's tables as views, for reading only, and nothing else of the machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from domainlm.errors import DataError
from domainlm.results import files
from domainlm.results.schema import TABLES

_TRIES = 5
"""Files that are joined while they are listed: who lists again finds them elsewhere."""


class Store:
    """The tables of `schema.TABLES` under their names, as they are now."""

    def __init__(self, folder: Path):
        self.folder = folder

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows that a query gives, as dicts. DataError, with DuckDB's own words, where it is no query."""
        for left in reversed(range(_TRIES)):
            try:
                with self._opened(sql) as connection:
                    _only_reads(connection, sql)
                    found = connection.execute(sql, list(values))
                    names = [column[0] for column in found.description or ()]
                    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
            except duckdb.IOException as error:
                if not left:
                    raise DataError(f"{self.folder}: {error}") from error
            except duckdb.Error as error:
                raise DataError(f"the query failed: {error}") from error
        raise AssertionError

    def tables(self, record: str) -> dict[str, list[dict[str, Any]]]:
        """The rows of one record, by table."""
        ask = "SELECT * FROM {} WHERE record = ?"
        return {table: self.rows(ask.format(table), [record]) for table in TABLES}

    @contextlib.contextmanager
    def _opened(self, sql: str) -> Iterator[duckdb.DuckDBPyConnection]:
        # A view costs a look at its files' footers: only the tables that the query could mean.
        tables = [table for table in TABLES if table in sql.lower()]
        with duckdb.connect(":memory:") as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for table, paths in files.listing(self.folder, tables).items():
                if paths:
                    source = f"read_parquet([{', '.join(_quoted(str(path)) for path in paths)}])"
                else:
                    connection.register(f"_{table}", TABLES[table].empty_table())
                    source = f"_{table}"
                connection.execute(f'CREATE VIEW "{table}" AS SELECT * FROM {source}')  # noqa: S608 (paths are ours)
            # Nothing but the store's own files from here on, whatever a query says.
            connection.execute(f"SET allowed_directories = [{_quoted(str(self.folder.absolute()))}]")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            yield connection


def _only_reads(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    kinds = [statement.type for statement in connection.extract_statements(sql)]
    if kinds != [duckdb.StatementType.SELECT]:
        said = ", ".join(kind.name for kind in kinds) or "nothing"
        raise DataError(f"the query is {said}; wanted one SELECT: the store is only read")


def _quoted(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"
