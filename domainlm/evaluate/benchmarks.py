"""Texts of the tasks of `evals`, without lm-eval: what training text is decontaminated against, read before any model.

Every task counts, whether a run uses its suite or not. Read are those whose data lie in local files; of the others the
cause is told. Of a record the question (the fields that `doc_to_text` names) and the question with all that the task
shows of it are taken; where a function of the task decides what is shown, every field.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import zstandard
from ruamel.yaml import YAML

from domainlm.corpus.benchmark import Benchmark
from domainlm.digest import digest, file_digest
from domainlm.errors import DataError

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_SHOWN = ("doc_to_text", "doc_to_choice", "doc_to_target")
_FUNCTION = "!function"


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where the items of a task come from."""

    task: str
    files: tuple[Path, ...] = ()
    config: Mapping[str, Any]
    not_read: str = ""
    """Why its items cannot be read before the corpus is made; empty where they can."""

    def benchmark(self) -> Benchmark:
        """Its items, read when they are asked for."""
        return Benchmark(name=self.task, items=_items(self), not_read=self.not_read)


def sources(evals: Path) -> list[Source]:
    """The tasks of all suites in `evals`, by file. A file that is no task, such as a group, has none."""
    found = []
    for path in sorted(evals.glob("*/**/*.yaml")):
        config = _config(path)
        if isinstance(config.get("task"), str) and "group" not in config:
            found.append(_source(config))
    return found


def fingerprint(evals: Path) -> str:
    """Digest of the items that can be read and of what is shown of them; the same wherever the files lie."""
    shown = (*_SHOWN, "process_docs")
    return digest(
        [
            [source.task, [source.config.get(key) for key in shown], [file_digest(file) for file in source.files]]
            for source in sources(evals)
            if source.files
        ]
    )


def _source(config: Mapping[str, Any]) -> Source:
    task = config["task"]
    if config.get("dataset_path") not in ("json", "csv", "parquet"):
        cause = f"its data are {config.get('dataset_path')!r}, not local files"
        return Source(task=task, config=config, not_read=cause)
    given = (config.get("dataset_kwargs") or {}).get("data_files") or ()
    if isinstance(given, Mapping):
        split = config.get("test_split") or config.get("validation_split")
        given = given.get(split, ())
    files = []
    for name in [given] if isinstance(given, str) else given:
        if "${ITEMS}" in name:
            cause = "its items are made from held-out documents after the corpus, which are kept out by themselves"
            return Source(task=task, config=config, not_read=cause)
        file = _PLACEHOLDER.sub(lambda match: os.environ.get(match[1]) or match[0], name)
        if not Path(file).is_file():
            return Source(task=task, config=config, not_read=f"there is no file {name}")
        files.append(Path(file))
    cause = "" if files else "it names no data files for its test split"
    return Source(task=task, files=tuple(files), config=config, not_read=cause)


def _config(path: Path) -> dict[str, Any]:
    """A task's YAML with what it includes; functions of Python are named, not loaded."""
    yaml = YAML(typ="safe", pure=True)
    yaml.constructor.add_constructor(_FUNCTION, lambda _, node: f"{_FUNCTION} {node.value}")
    config = yaml.load(path) or {}
    if not isinstance(config, dict):
        raise DataError(f"{path}: wanted a mapping, got {type(config).__name__}")
    included = config.pop("include", ())
    whole: dict[str, Any] = {}
    for name in [included] if isinstance(included, str) else included:
        whole |= _config(path.parent / name)
    return whole | config


def _items(source: Source) -> Iterator[tuple[str, str]]:
    number = 0
    for file in source.files:
        for record in _records(file):
            shown = _fields(record, [source.config.get(key) for key in _SHOWN], source.config)
            asked = _fields(record, [source.config.get("doc_to_text")], source.config)
            whole, question = (_text([record[name] for name in names]) for names in (shown, asked))
            yield str(number), whole
            if question not in ("", whole):
                yield str(number), question
            number += 1


def _fields(record: Mapping[str, Any], templates: Sequence[Any], config: Mapping[str, Any]) -> list[str]:
    """Fields of the record that the templates name, those of the first template first; all where a function decides."""
    texts = [template if isinstance(template, str) else str(template) for template in templates if template is not None]
    if "process_docs" in config or any(text.startswith(_FUNCTION) for text in texts):
        return list(record)
    named = [name for text in texts for name in record if re.search(rf"\b{re.escape(name)}\b", text)]
    return list(dict.fromkeys(named))


def _text(value: Any) -> str:
    """All strings in a value of JSON, a line each."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        value = list(value.values())
    return "\n".join(filter(None, map(_text, value))) if isinstance(value, list) else ""


def _records(file: Path) -> Iterator[dict[str, Any]]:
    """Records of a file as `datasets` reads it. Raises DataError where it is no table of records."""
    name = file.name.removesuffix(".gz").removesuffix(".zst")
    if name.endswith(".parquet"):
        import pyarrow.parquet as pq

        yield from pq.read_table(file).to_pylist()
        return
    content = _unpacked(file)
    if name.endswith(".csv"):
        yield from csv.DictReader(io.StringIO(content.decode(), newline=""))
        return
    if content.lstrip().startswith(b"["):
        records = orjson.loads(content)
    else:
        records = (orjson.loads(line) for line in content.split(b"\n") if line.strip())
    for record in records:
        if not isinstance(record, dict):
            raise DataError(f"{file}: wanted an object for each item, got {type(record).__name__}")
        yield record


def _unpacked(file: Path) -> bytes:
    content = file.read_bytes()
    if file.suffix == ".gz":
        return gzip.decompress(content)
    if file.suffix == ".zst":
        with zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(
            content, read_across_frames=True
        ) as reader:
            return reader.read()
    return content
