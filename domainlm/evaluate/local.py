"""Local files of a task's items: read as they are, brought into the fields that the task asks for, no network.

`metadata.local` of a task says where its items lie in the folder of `evaluate.data` and what they look like there:
`files` (name by split), `where` (only rows with these values, `*` standing for anything), `join` (a field of the row of
another file that agrees in a field: `prompt: {file: legalbench_base_prompts, by: task}`) and `shape` (a function of
`shapes`). Without it the files are called `<task>_<split>` and have the hub's fields.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
import zstandard

from domainlm.errors import DataError
from domainlm.evaluate import shapes
from domainlm.specs.tasks import Task

Record = dict[str, Any]
_ORIGIN = ("license", "url")
"""What a file says of where an item comes from is no part of it."""


def items(task: Task, split: str, files: Mapping[str, Path]) -> list[Record]:
    """The items of a task's split in its own fields, from `files` (by split, and by name those that are joined).

    Raises DataError, naming the file and the record, where it is no table of records or a record lacks a field.
    """
    file, where = files[split], {name: str(value) for name, value in (task.local.get("where") or {}).items()}
    shape = getattr(shapes, task.local["shape"]) if "shape" in task.local else None
    joins = [(field, join["by"], files[join["file"]]) for field, join in (task.local.get("join") or {}).items()]
    found: list[Record] = []
    for number, record in _rows(file, where):
        item = {name: value for name, value in record.items() if name not in _ORIGIN}
        for field, on, other in joins:
            item[field] = _joined(other, on, item.get(on), field)
        try:
            found += [item] if shape is None else shape(item)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            cause = f"no field {error}" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
            raise DataError(f"{file}: record {number} is not of the shape {task.local['shape']!r}: {cause}") from error
    if not found:
        raise DataError(f"{file} holds no items" + (f" where {where}" if where else ""))
    return found


def _rows(file: Path, where: Mapping[str, str]) -> Sequence[tuple[int, Record]]:
    """Numbered records of a file, those with the values of `where`."""
    exact = {name: value for name, value in where.items() if "*" not in value}
    rows = _by_value(file, file.stat().st_mtime_ns, tuple(exact)).get(tuple(exact.values()), ())
    globs = [(name, value) for name, value in where.items() if name not in exact]
    return [row for row in rows if all(fnmatchcase(str(row[1].get(name)), value) for name, value in globs)]


@lru_cache(maxsize=8)
def _by_value(file: Path, modified_ns: int, names: tuple[str, ...]) -> dict[tuple[str, ...], list[tuple[int, Record]]]:
    """Fifty-seven subjects of MMLU are in one file, which is read once."""
    found: dict[tuple[str, ...], list[tuple[int, Record]]] = {}
    for number, record in enumerate(records(file), 1):
        found.setdefault(tuple(str(record.get(name)) for name in names), []).append((number, record))
    return found


def _joined(file: Path, on: str, value: Any, field: str) -> Any:
    rows = _rows(file, {on: str(value)})
    if not rows or field not in rows[0][1]:
        raise DataError(f"{file} has no {field} where {on} is {value}")
    return rows[0][1][field]


def write(task: Task, files: Mapping[str, Path], folder: Path) -> dict[str, Path]:
    """Writes the items of each split that the task needs to `folder`, as JSON lines; returns where each is."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for split in task.splits:
        written[split] = folder / f"{split}.jsonl"
        written[split].write_bytes(b"".join(orjson.dumps(item) + b"\n" for item in items(task, split, files)))
    return written


def dataset(files: Mapping[str, str], **metadata: Any) -> Any:
    """What lm-eval calls for the dataset of a task: a split from each file of JSON lines that `items` were written to.

    lm-eval passes the task's metadata too. Fields that only some items have are None in the others.
    """
    import datasets

    splits = datasets.DatasetDict()
    for split, file in files.items():
        records = [orjson.loads(line) for line in Path(file).read_bytes().split(b"\n") if line]
        fields = dict.fromkeys(name for record in records for name in record)
        splits[split] = datasets.Dataset.from_dict({name: [r.get(name) for r in records] for name in fields})
    return splits


def records(file: Path) -> Iterator[Record]:
    """Records of a file: JSON lines, a JSON list or one JSON object, CSV or Parquet, packed or not.

    Raises DataError where it is none of these.
    """
    name = file.name.removesuffix(".gz").removesuffix(".zst")
    try:
        content = _unpacked(file)
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise DataError(f"{file} cannot be unpacked: {error}") from error
    if name.endswith(".parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            yield from pq.read_table(io.BytesIO(content)).to_pylist()
        except pa.ArrowException as error:
            raise DataError(f"{file} is no Parquet file: {error}") from error
    elif name.endswith(".csv"):
        try:
            yield from csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        except UnicodeDecodeError as error:
            raise DataError(f"{file} is no CSV in UTF-8: {error}") from error
    else:
        yield from _json_records(file, content, name.endswith(".json"))


def _json_records(file: Path, content: bytes, is_whole: bool) -> Iterator[Record]:
    is_list = content.lstrip().startswith(b"[")
    # Of .json, one object may be spread over lines; many collections also call JSON lines so.
    whole = is_list or (is_whole and b"{" not in content.split(b"\n", 1)[-1].lstrip()[:1])
    parts = [content] if whole else content.split(b"\n")
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
