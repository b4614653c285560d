"""The files of the store: a record is added by renames, many records are joined into one file, and readers never wait.

A table is a folder. `RECORD.parquet` holds the rows of one record, `part-*.parquet` those of many, whose names stand
in its footer. A reader takes all parts, and of the single files those that no part holds: so it sees every record once,
before, while and after files are joined.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from domainlm import exclusive
from domainlm.evaluate import store
from domainlm.results.schema import TABLES

JOIN_FROM = 128
"""So many single files of a table are joined. A guess: a file costs a query about 0.1 ms, whatever it holds."""
_KEY = b"records"


def has(folder: Path, record: str) -> bool:
    """Whether a record is in the store at `folder`."""
    return (folder / "models" / f"{record}.parquet").is_file() or record in _joined(_parts(folder, "models"))


def add(folder: Path, record: str, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Adds a record, its rows by table: all of it, or nothing that a reader sees.

    Two that add at once do not meet: their files have different names, or the same bytes.
    """
    with exclusive.refused(folder.parent):
        for table, schema in TABLES.items():
            store.write(folder / table / f"{record}.parquet", rows[table], schema)
    if len(_singles(folder, "models")) >= JOIN_FROM:
        join(folder)


def add_many(folder: Path, records: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]) -> None:
    """Adds many records as one file a table: to bring over what another store or tool has kept."""
    with exclusive.held(folder, "results"):
        for table, schema in TABLES.items():
            found = [dict(row) for rows in records.values() for row in rows[table]]
            _write_part(folder / table, pa.Table.from_pylist(found, schema=schema), list(records))


def join(folder: Path) -> int:
    """Joins the single files of each table; returns how many records that were."""
    with exclusive.held(folder, "results"):
        joined = _joined(_parts(folder, "models"))
        singles = _singles(folder, "models")
        records = [path.stem for path in singles if path.stem not in joined]
        for table in TABLES if records else ():
            read = [pq.read_table(folder / table / f"{record}.parquet") for record in records]
            _write_part(folder / table, pa.concat_tables(read), records)
        # What a part holds is deleted only when the part is there in every table.
        for table in TABLES:
            for path in singles:
                (folder / table / path.name).unlink(missing_ok=True)
        return len(records)


def _write_part(folder: Path, rows: pa.Table, records: Sequence[str]) -> None:
    footer = (rows.schema.metadata or {}) | {_KEY: json.dumps(records).encode()}
    name = f"part-{hashlib.sha256(''.join(records).encode()).hexdigest()[:16]}.parquet"
    store.write_table(folder / name, rows.replace_schema_metadata(footer))


def listing(folder: Path, tables: Iterable[str]) -> dict[str, list[Path]]:
    """The files of each of `tables`, in which each record is once. Of records that are being added, none."""
    # Single files before parts: what is joined meanwhile is then in both, and taken from the part.
    records = [path.stem for path in _singles(folder, "models")]
    found = {}
    for table in tables:
        parts = _parts(folder, table)
        joined = _joined(parts)
        found[table] = parts + [folder / table / f"{record}.parquet" for record in records if record not in joined]
    return found


def stamp(folder: Path) -> tuple[str, ...]:
    """Changes when the store does."""
    return tuple(sorted(path.name for path in (folder / "models").glob("*.parquet")))


def _singles(folder: Path, table: str) -> list[Path]:
    return sorted(path for path in (folder / table).glob("[0-9a-f]*.parquet") if not path.name.startswith("part-"))


def _parts(folder: Path, table: str) -> list[Path]:
    return sorted((folder / table).glob("part-*.parquet"))


def _joined(parts: Iterable[Path]) -> set[str]:
    """The records that parts hold."""
    found: set[str] = set()
    for path in parts:
        found.update(json.loads((pq.read_schema(path).metadata or {})[_KEY]))
    return found
