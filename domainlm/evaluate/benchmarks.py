"""Items of the tasks of `evals`, without lm-eval: what training text is compared with, before and after training.

Before training every task counts, whether a run uses its suite or not: those whose data lie in local files, be it that
the task names them or that they are found in the folder of `evaluate.data`. Of the others the cause is told. Of an item
the question (the fields that `doc_to_text` names) and the question with all that the task shows of it are taken; where
a function of the task decides what is shown, every field.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domainlm.corpus.benchmark import Benchmark
from domainlm.digest import digest, file_digest, known_digest
from domainlm.evaluate import local
from domainlm.evaluate.local import Record
from domainlm.specs import tasks
from domainlm.specs.tasks import FUNCTION, Task

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_SHOWN = ("doc_to_text", "doc_to_choice", "doc_to_target")
_ITEMS = "${ITEMS}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where the items of a task come from."""

    task: Task
    files: Mapping[str, Path] = field(default_factory=dict)
    """By split; of joined files, by name."""
    not_read: str = ""
    """Why its items cannot be read before a model is there; empty where they can."""

    def records(self) -> list[Record]:
        """Its items in their order. Raises DataError where a file is not what it should be."""
        if self.task.takes_local:
            return local.items(self.task, self.task.evaluated_split, self.files)
        return [record for file in self.files.values() for record in local.records(file)]


def sources(evals: Path, data: Path | None = None, chosen: Sequence[Task] | None = None) -> list[Source]:
    """Where the items of tasks (by default of all that are in `evals`) lie, here or in the folder `data`."""
    files = tasks.local_files(data) if data is not None else {}
    return [_source(task, data, files) for task in (tasks.read_tasks(evals) if chosen is None else chosen)]


def _source(task: Task, data: Path | None, files: Mapping[str, Sequence[Path]]) -> Source:
    if task.broken:
        return Source(task=task, not_read=task.broken)
    if not task.takes_local:
        return _named(task)
    if data is None:
        where = f"on the hub, {task.hub}" if task.hub else "in no hub"
        return Source(task=task, not_read=f"its items are {where}, and the run names no folder of data")
    found, wrong = tasks.find(task, data, files)
    return Source(task=task, files=found, not_read=wrong[0] if wrong else "")


def _named(task: Task) -> Source:
    """Of a task that names its own data files."""
    given = (task.config.get("dataset_kwargs") or {}).get("data_files") or ()
    if isinstance(given, Mapping):
        given = given.get(task.evaluated_split, ())
    files = {}
    for name in [given] if isinstance(given, str) else given:
        if _ITEMS in name:
            cause = "its items are made from held-out documents after the corpus, which are kept out by themselves"
            return Source(task=task, not_read=cause)
        file = _PLACEHOLDER.sub(lambda match: os.environ.get(match[1]) or match[0], name)
        if not Path(file).is_file():
            return Source(task=task, not_read=f"there is no file {name}")
        files[name] = Path(file)
    return Source(task=task, files=files, not_read="" if files else "it names no data files for its test split")


def benchmarks(found: Sequence[Source]) -> list[Benchmark]:
    """What text is kept free of, by title: the items of all of its tasks that can be read, or why none can."""
    by_title: dict[str, list[Source]] = {}
    for source in found:
        by_title.setdefault(source.task.title, []).append(source)
    return [_benchmark(title, group) for title, group in by_title.items()]


def _benchmark(title: str, group: Sequence[Source]) -> Benchmark:
    read = [source for source in group if not source.not_read]
    return Benchmark(name=title, items=_Items(tuple(read)), not_read="" if read else group[0].not_read)


@dataclass(frozen=True, slots=True)
class _Items:
    """Texts of items, read anew each time that they are asked for."""

    sources: tuple[Source, ...]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for source in self.sources:
            for number, record in enumerate(source.records()):
                name = item_name(source.task, str(number))
                yield from ((name, text) for text in texts(source.task.config, record))


def item_name(task: Task, name: str) -> str:
    """What an item is called among all of its title's."""
    return name if task.title == task.name else f"{task.name}/{name}"


def texts(config: Mapping[str, Any], record: Record) -> list[str]:
    """Of an item: all that the task shows, then the question by itself where that is less."""
    shown = _fields(record, [config.get(key) for key in _SHOWN], config)
    asked = _fields(record, [config.get("doc_to_text")], config)
    whole, question = (_text([record[name] for name in names]) for names in (shown, asked))
    return [whole] if question in ("", whole) else [whole, question]


def fingerprint(found: Sequence[Source], *, whole: bool = False) -> str:
    """Digest of the items that can be read and of what is shown of them; the same wherever the files lie.

    With `whole`, of all that the tasks' files say.
    """
    keys = (*_SHOWN, "process_docs")
    shapes = [file_digest(Path(__file__).with_name(name)) for name in ("local.py", "shapes.py")]
    return digest(
        [
            shapes,
            *(
                [source.task.name, _settings(source.task, None if whole else keys), _digests(source)]
                for source in found
                if whole or not source.not_read
            ),
        ]
    )


def _settings(task: Task, keys: Sequence[str] | None) -> Any:
    if keys is None:
        return [task.text, repr(sorted(task.config.items())).replace(str(tasks.lm_eval_tasks()), "")]
    return [[task.config.get(key) for key in keys], repr(task.local)]


def _digests(source: Source) -> dict[str, str]:
    return {name: known_digest(file) for name, file in source.files.items()}


def _fields(record: Record, templates: Sequence[Any], config: Mapping[str, Any]) -> list[str]:
    """Fields of the record that the templates name, those of the first template first; all where a function decides."""
    said = [template if isinstance(template, str) else str(template) for template in templates if template is not None]
    if "process_docs" in config or any(text.startswith(FUNCTION) for text in said):
        return list(record)
    named = [name for text in said for name in record if re.search(rf"\b{re.escape(name)}\b", text)]
    return list(dict.fromkeys(named))


def _text(value: Any) -> str:
    """All strings in a value of JSON, a line each."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        value = list(value.values())
    return "\n".join(filter(None, map(_text, value))) if isinstance(value, list) else ""
