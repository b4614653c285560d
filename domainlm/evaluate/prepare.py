"""A copy of `evals` that lm-eval can read: placeholders resolved, local items in the fields that the tasks ask for.

`${ITEMS}` is the folder of the multiple-choice items made from held-out text: `<suite>.jsonl` there holds those of the
run's domains that belong to the suite. `${LM_EVAL}` is the folder of lm-eval's own tasks. Any other `${NAME}` is read
from the environment. A task whose items are found in the folder of data is wrapped: its text stays as it is, and a file
that includes it says where its items lie.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from domainlm.digest import digest, file_digest
from domainlm.errors import DataError
from domainlm.evaluate import local
from domainlm.evaluate.benchmarks import Source, fingerprint
from domainlm.evaluate.local import Record
from domainlm.evaluate.suites import domains_of
from domainlm.manifest import Manifest
from domainlm.specs.tasks import Task, lm_eval_tasks

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A task as lm-eval can read it, or why it can't."""

    source: Source
    path: Path
    """Its YAML in the copy."""
    text: str
    data: Path
    """Folder for its items, which are written when they are asked for."""
    cause: str = ""
    made: Path | None = None
    """The file of its items, where they are made from held-out text."""

    @property
    def task(self) -> Task:
        return self.source.task

    def records(self) -> list[Record]:
        """Its items in their order; none where they come from a hub. Raises DataError where a file is broken."""
        if self.made is not None:
            return list(local.records(self.made))
        return self.source.records() if self.source.files and not self.cause else []

    def digest(self) -> str:
        """Of all that decides what is asked, but for functions beside the suite."""
        made = None if self.made is None else file_digest(self.made)
        return digest([fingerprint([self.source], whole=True), made])

    def ready(self) -> Path:
        """The YAML with its items beside it, as lm-eval reads both. Raises DataError where there is none."""
        if self.cause:
            raise DataError(self.cause)
        task = self.task
        if not task.takes_local or not self.source.files:
            self.path.write_text(self.text, encoding="utf-8")
            return self.path
        written = local.write(task, self.source.files, self.data)
        inner = self.path.with_suffix(".task")
        inner.write_text(self.text, encoding="utf-8")
        self.path.write_text(_wrapper(task, inner.name, written), encoding="utf-8")
        return self.path


@dataclass(frozen=True, kw_only=True, slots=True)
class Copy:
    """What `copy` made."""

    folder: Path
    prepared: tuple[Prepared, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    """What each absolute path is called in results."""

    def said(self, text: str) -> str:
        """`text` with absolute paths called by their names."""
        for path, name in self.names.items():
            text = text.replace(path, name)
        return text


def copy(found: Sequence[Source], evals: Path, items: Manifest, data: Path | None, work: Path) -> Copy:
    """Copies what the tasks need to `work`, which is emptied first; each task itself follows when it is `ready`."""
    shutil.rmtree(work, ignore_errors=True)
    folder = work / "evals"
    known = dict(os.environ) | {"ITEMS": str(work / "items"), "LM_EVAL": str(lm_eval_tasks())}
    names = {str(folder): "evals", str(work / "data"): "data", str(lm_eval_tasks()): "${LM_EVAL}"}
    if data is not None:
        names[str(data)] = "${DATA}"

    def resolve(text: str) -> str:
        """What is not set stays as it is, and shows in the cause of the task's failure."""

        def value(match: re.Match[str]) -> str:
            said = known.get(match[1], "")
            if Path(said).is_absolute():
                names.setdefault(said, match[0])
            return said or match[0]

        return _PLACEHOLDER.sub(value, text)

    suites = sorted({source.task.suite for source in found})
    _copy_items(suites, items, work / "items")
    for path in support(suites, evals):
        target = folder / path.relative_to(evals)
        target.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes()
        target.write_bytes(resolve(content.decode()).encode() if "yaml" in path.name else content)
    prepared = tuple(_prepare(source, resolve(source.task.text), folder, work, data) for source in found)
    return Copy(folder=folder, prepared=prepared, names=names)


def support(suites: Sequence[str], evals: Path) -> list[Path]:
    """Files of the suites that are no tasks, such as functions, and those beside the suites, which several include."""
    places = [path.relative_to(evals) for path in evals.rglob("*") if path.is_file() and path.suffix != ".md"]
    return [
        evals / place
        for place in sorted(places)
        if "__pycache__" not in place.parts
        and (len(place.parts) == 1 or (place.parts[0] in suites and place.suffix != ".yaml"))
    ]


def _copy_items(suites: Sequence[str], items: Manifest, folder: Path) -> None:
    folder.mkdir(parents=True)
    all_domains = [shard.domain for shard in items.files("items")]
    for suite in suites:
        lines = [items.only("items", domain=domain).read_bytes() for domain in domains_of(suite, all_domains)]
        if any(lines):
            (folder / f"{suite}.jsonl").write_bytes(b"".join(lines))


def _prepare(source: Source, text: str, folder: Path, work: Path, data: Path | None) -> Prepared:
    task = source.task
    path = folder / task.place
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without a folder of data lm-eval asks the hub; of files that a task names itself, lm-eval says what is wrong.
    may_load = not task.broken and (not task.takes_local or (data is None and bool(task.hub)))
    made = work / "items" / f"{task.suite}.jsonl"
    is_made = "${ITEMS}" in task.text and made.is_file()
    return Prepared(
        source=source,
        path=path,
        text=text,
        data=work / "data" / task.name,
        cause="" if may_load else source.not_read,
        made=made if is_made else None,
    )


def _wrapper(task: Task, inner: str, written: Mapping[str, Path]) -> str:
    lines = [
        f"include: {inner}",
        "custom_dataset: !function domainlm.evaluate.local.dataset",
        "dataset_kwargs:",
        "  files:",
        *(f"    {split}: {json.dumps(str(path))}" for split, path in written.items()),
    ]
    for key in ("training_split", "validation_split", "test_split", "fewshot_split"):
        if (split := task.config.get(key)) is not None and split not in written:
            lines.append(f"{key}: null")
    if not task.shots:
        # Without a split to take examples from, lm-eval reads all items to draw none of them.
        lines.append("fewshot_config: {samples: []}")
    return "\n".join(lines) + "\n"
