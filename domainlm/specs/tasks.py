"""The tasks of `evals` as their files say, read without lm-eval: names, suites, settings, and the files of their items.

A file is a task, or one for each value of its key `each` (a list), which stands for `${EACH}` in it. `${LM_EVAL}` is
the folder of lm-eval's own tasks, so that a file can `include` one of them. YAML is read by PyYAML, as lm-eval does.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

FORMATS = tuple(f".{kind}{packed}" for kind in ("jsonl", "json", "csv", "parquet") for packed in ("", ".zst", ".gz"))
"""How a local file of items may end."""
FUNCTION = "!function"
LOCAL_PATHS = ("json", "csv", "parquet")
"""`dataset_path` of a task that names its own data files."""
LOCAL_ONLY = "local"
"""`dataset_path` of a task whose items are in no hub: they must lie in the folder of `evaluate.data`."""
_EACH = re.compile(r"^each:.*?(?=^\S|\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One task of a suite."""

    suite: str
    """The folder of `evals` that holds it."""
    name: str
    """lm-eval's name; of a file that cannot be read, the file's in its suite."""
    path: Path
    place: str
    """Where its YAML goes in a copy of `evals`, relative to it."""
    text: str
    """Its YAML, with the value of `each` filled in."""
    config: Mapping[str, Any]
    """Its settings with those it includes; functions are named, not loaded."""
    broken: str = ""
    """Why its file is no task; empty where it is one."""

    @property
    def evaluated_split(self) -> str:
        return self.config.get("test_split") or self.config.get("validation_split") or "test"

    @property
    def metadata(self) -> Mapping[str, Any]:
        return self.config.get("metadata") or {}

    @property
    def title(self) -> str:
        """What it is called in results: `metadata.group`, which a benchmark's subtasks share, or its own name."""
        return str(self.metadata.get("group") or self.name)

    @property
    def shots(self) -> int:
        return int(self.config.get("num_fewshot") or 0)

    @property
    def metrics(self) -> list[str]:
        return [str(metric["metric"]) for metric in self.config.get("metric_list") or ()]

    @property
    def takes_local(self) -> bool:
        """Whether its items are taken from the folder of `evaluate.data`, where there is one."""
        return not self.broken and self.config.get("dataset_path") not in LOCAL_PATHS

    @property
    def hub(self) -> str:
        """The dataset of the hub that holds its items; empty where they are in no hub."""
        path = str(self.config.get("dataset_path") or "")
        return "" if path in (*LOCAL_PATHS, LOCAL_ONLY) else path

    @property
    def local(self) -> Mapping[str, Any]:
        """`metadata.local`: the names of its local files by split (`files`), rows (`where`), their `shape`."""
        return self.metadata.get("local") or {}

    @property
    def splits(self) -> list[str]:
        """The splits that it needs: the one that is evaluated and, where it shows examples, theirs."""
        examples = self.config.get("fewshot_split")
        if not self.shots or not examples or examples == self.evaluated_split:
            return [self.evaluated_split]
        return [self.evaluated_split, examples]

    @property
    def local_names(self) -> dict[str, str]:
        """Names of the local files that must be there, without what they end in, by split; joined files by name."""
        named = self.local.get("files") or {}
        files = {split: named.get(split, f"{self.name}_{split}") for split in self.splits}
        return files | {join["file"]: join["file"] for join in (self.local.get("join") or {}).values()}


def lm_eval_tasks() -> Path:
    """The folder of lm-eval's own tasks. Importing lm-eval would take seconds; this does not."""
    found = importlib.util.find_spec("lm_eval")
    assert found is not None and found.submodule_search_locations
    return Path(next(iter(found.submodule_search_locations))) / "tasks"


def read_tasks(evals: Path, suites: Collection[str] | None = None) -> list[Task]:
    """The tasks of `evals`, or those of `suites`, by file. A file that is no task is there with its reason."""
    folders = sorted(path for path in evals.glob("*") if path.is_dir() and (suites is None or path.name in suites))
    return [task for folder in folders for path in sorted(folder.rglob("*.yaml")) for task in _of_file(path, evals)]


def suite_names(evals: Path) -> list[str]:
    """The folders of `evals` that hold a task."""
    return sorted({path.relative_to(evals).parts[0] for path in evals.glob("*/**/*.yaml")})


def chosen(evals: Path, suites: Sequence[str], names: Sequence[str]) -> list[Task]:
    """The tasks of `suites`, and those of any suite that are named, by themselves or by the title that they share."""
    if not names:
        return read_tasks(evals, suites)
    return [task for task in read_tasks(evals) if task.suite in suites or {task.name, task.title} & set(names)]


def _of_file(path: Path, evals: Path) -> Iterator[Task]:
    suite, place = path.relative_to(evals).parts[0], path.relative_to(evals).as_posix()
    stem = path.relative_to(evals / suite).with_suffix("").as_posix()
    try:
        whole = path.read_text(encoding="utf-8")
        match = _EACH.search(whole)
        values = yaml.load(match[0], Loader=_Loader)["each"] if match else [None]  # noqa: S506
        if not isinstance(values, list):
            raise ValueError(f"`each` is {values!r}, not a list")
    except (OSError, ValueError, yaml.YAMLError) as error:
        yield Task(suite=suite, name=stem, path=path, place=place, text="", config={}, broken=_reason(error))
        return
    for value in values:
        text = whole if value is None else _EACH.sub("", whole).replace("${EACH}", str(value))
        # In the same folder as the file, so that what it includes and the functions that it names are found.
        where = place if value is None else place.removesuffix("yaml") + f"{value}.yaml"
        config, broken = {}, ""
        try:
            config = _config(text, path.parent)
            if not isinstance(config.get("task"), str):
                raise ValueError("it names no `task`" if "task" not in config else "it is a group, and no task")
        except (OSError, ValueError, yaml.YAMLError) as error:
            broken = _reason(error)
        name = config["task"] if not broken else stem
        yield Task(suite=suite, name=name, path=path, place=where, text=text, config=config, broken=broken)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def _config(text: str, folder: Path) -> dict[str, Any]:
    """Settings in YAML with those it includes, which it overrides."""
    config = yaml.load(text.replace("${LM_EVAL}", str(lm_eval_tasks())), Loader=_Loader) or {}  # noqa: S506
    if not isinstance(config, dict):
        raise ValueError(f"wanted a mapping, got {type(config).__name__}")
    included = config.pop("include", ())
    whole: dict[str, Any] = {}
    for name in [included] if isinstance(included, str) else included:
        whole |= _included(folder / name)
    return whole | config


@lru_cache(maxsize=256)
def _read_included(path: Path, modified_ns: int) -> dict[str, Any]:
    return _config(path.read_text(encoding="utf-8"), path.parent)


def _included(path: Path) -> dict[str, Any]:
    return _read_included(path, path.stat().st_mtime_ns)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML whose functions are named, not loaded."""


_Loader.add_constructor(FUNCTION, lambda loader, node: f"{FUNCTION} {loader.construct_scalar(node)}")


def local_files(data: Path) -> dict[str, list[Path]]:
    """Files of items below `data` by name, without what they end in."""
    found: dict[str, list[Path]] = {}
    for path in sorted(data.rglob("*")):
        name = next((path.name.removesuffix(end) for end in FORMATS if path.name.endswith(end)), None)
        if name and path.is_file():
            found.setdefault(name, []).append(path)
    return found


def find(task: Task, data: Path, files: Mapping[str, Sequence[Path]]) -> tuple[dict[str, Path], list[str]]:
    """The local files of a task by split, and what is wrong with the others: each names the file looked for."""
    found, wrong = {}, []
    for split, name in task.local_names.items():
        there = files.get(name, [])
        own = [path for path in there if path.relative_to(data).parts[0] == task.suite]
        if len(own or there) == 1:
            found[split] = (own or there)[0]
        elif there:
            many = f"there are {len(own or there)} files {name}.* in the folder of data"
            wrong.append(f"{many}; keep one, or one in {task.suite}/")
        else:
            wrong.append(f"no file {name}.jsonl (.zst, .gz; or .json, .csv, .parquet) in the folder of data")
    return found, wrong
