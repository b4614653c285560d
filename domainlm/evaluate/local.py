"""Local files of a task's items: read as they are, brought into the fields that the task asks for, no network.

`metadata.local` of a task says where its items lie in the folder of `evaluate.data` and what they look like there:
`files` (name by split), `where` (only these rows, by field), `join` (a field of another file's row) and `shape` (a
function of `shapes`). Without it the files are called `<task>_<split>` and have the hub's fields.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
import zstandard

from domainlm.errors import DataError
from domainlm.evaluate import shapes
from domainlm.specs.tasks import Task

_ORIGIN = ("license", "url")
"""What a file says of where an item comes from is not part of it."""


def items(task: Task, file: Path, files: Mapping[str, Path]) -> list[dict[str, Any]]:
    """The items of a task in `file`, in the task's own fields.

    Raises DataError, naming the file and the record, where it is no table of records or a record lacks a field.
    """
    where = {name: str(value) for name, value in (task.local.get("where") or {}).items()}
    shape = getattr(shapes, task.local["shape"]) if "shape" in task.local else None
    joined = {field: _joined(files[name], where, field, name) for field, name in (task.local.get("join") or {}).items()}
    found: list[dict[str, Any]] = []
    for number, record in enumerate(_table(file, file.stat().st_mtime_ns), 1):
        if any(str(record.get(name)) != value for name, value in where.items()):
            continue
        item = {name: value for name, value in record.items() if name not in _ORIGIN} | joined
        if shape is None:
            found.append(item)
            continue
        try:
            found += shape(item)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            cause = f"no field {error}" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
            raise DataError(f"{file}: record {number} is not of the shape {shape.__name__!r}: {cause}") from error
    if not found:
        raise DataError(f"{file} holds no items" + (f" where {where}" if where else ""))
    return found


def _joined(file: Path, where: Mapping[str, str], field: str, name: str) -> Any:
    for record in _table(file, file.stat().st_mtime_ns):
        if all(str(record.get(key)) == value for key, value in where.items()):
            return record[field]
    raise DataError(f"{file}: {name} has no record where {dict(where)}")


def dataset(files: Mapping[str, str], **metadata: Any) -> Any:
    """What lm-eval calls for the dataset of a task: a split from each file of JSON lines that `items` were written to.

    lm-eval passes the task's metadata too. Fields that only some items have are None in the others.
    """
    import datasets

    splits = datasets.DatasetDict()
    for split, file in files.items():
        records = [orjson.loads(line) for line in Path(file).read_bytes().splitlines()]
        fields = dict.fromkeys(name for record in records for name in record)
        splits[split] = datasets.Dataset.from_dict({name: [r.get(name) for r in records] for name in fields})
    return splits


@lru_cache(maxsize=8)
def _table(file: Path, modified_ns: int) -> tuple[dict[str, Any], ...]:
    """Fifty-seven subjects of MMLU are in one file, which is read once."""
    return tuple(records(file))


def records(file: Path) -> Iterator[dict[str, Any]]:
    """Records of a file as `datasets` reads it. Raises DataError where it is no table of records."""
    name = file.name.removesuffix(".gz").removesuffix(".zst")
    try:
        content = _unpacked(file)
    except (OSError, EOFError, zstandard.ZstdError) as error:
        raise DataError(f"{file} cannot be unpacked: {error}") from error
    if name.endswith(".parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            yield from pq.read_table(io.BytesIO(content)).to_pylist()
        except pa.ArrowException as error:
            raise DataError(f"{file} is no Parquet file: {error}") from error
    elif name.endswith(".csv"):
        yield from csv.DictReader(io.StringIO(content.decode(), newline=""))
    else:
        yield from _json_records(file, content)


def _json_records(file: Path, content: bytes) -> Iterator[dict[str, Any]]:
    is_list = content.lstrip().startswith(b"[")
    parts = [content] if is_list else content.split(b"\n")
    for number, part in enumerate(parts, 1):
        if not part.strip():
            continue
        try:
            parsed = orjson.loads(part)
        except json.JSONDecodeError as error:
            raise DataError(f"{file}:{number}: no JSON: {error}") from error
        for record in parsed if is_list else [parsed]:
            if not isinstance(record, dict):
                raise DataError(f"{file}:{number}: wanted an object for each item, got {type(record).__name__}")
            yield record


def _unpacked(file: Path) -> bytes:
    content = file.read_bytes()
    if file.suffix == ".gz":
        return gzip.decompress(content)
    if file.suffix == ".zst":
        decompressor = zstandard.ZstdDecompressor(max_window_size=2**31)
        with decompressor.stream_reader(content, read_across_frames=True) as reader:
            return reader.read()
    return content
