"""The suites, tasks and data that a run is judged by are there, or it is said before a byte is read."""

from __future__ import annotations

import difflib
from pathlib import Path

from domainlm.specs import tasks
from domainlm.specs.flow import line, one_of, shown
from domainlm.specs.read import Problems, Reading
from domainlm.specs.run import EvaluateSpec, RunSpec
from domainlm.specs.uri import expanded, unset

_LISTED = 12


def data_folder(spec: EvaluateSpec, root: Path) -> Path | None:
    """The folder of the tasks' items, absolute; None where none is asked for."""
    return None if spec.data is None else (root / expanded(spec.data)).absolute()


def check_tasks(run: Reading[RunSpec], root: Path, problems: Problems) -> list[str]:
    """Add unknown suites and tasks, and a folder of data that is not there; returns what a person should know."""
    assert run.spec is not None
    asked, evals = run.spec.evaluate, root / "evals"
    known = tasks.suite_names(evals)
    for index, suite in enumerate(asked.suites):
        if suite not in known:
            near = difflib.get_close_matches(suite, known, 1)
            fix = f"write `- {near[0]}`" if near else f"delete it, or write a task: evals/{suite}/TASK.yaml"
            problems.add(run, ("evaluate", "suites", index), got=suite, want=one_of(known), fix=fix)
    if asked.tasks:
        _check_names(run, asked, evals, problems)
    if asked.data is not None:
        return _check_data(run, asked, root, problems)
    return []


def _check_names(run: Reading[RunSpec], asked: EvaluateSpec, evals: Path, problems: Problems) -> None:
    names = {name for task in tasks.read_tasks(evals) for name in (task.name, task.title)}
    for index, name in enumerate(asked.tasks):
        if name not in names:
            near = difflib.get_close_matches(name, names, _LISTED, 0.4)
            want = one_of(near) if near else "a task of `evals`: domainlm evaluate tasks lists them"
            fix = f"write `- {near[0]}`" if near else "delete it"
            problems.add(run, ("evaluate", "tasks", index), got=name, want=want, fix=fix)


def _check_data(run: Reading[RunSpec], asked: EvaluateSpec, root: Path, problems: Problems) -> list[str]:
    assert asked.data is not None
    key = ("evaluate", "data")
    if missing := unset(asked.data):
        got = f"{asked.data}, but the environment has no {missing[0]}"
        want, fix = f"{missing[0]} set, to a folder", f"export {missing[0]}=/path/to/it"
        problems.add(run, key, got=got, want=want, fix=fix)
        return []
    folder = data_folder(asked, root)
    assert folder is not None
    if not folder.is_dir():
        near = difflib.get_close_matches(folder.name, [p.name for p in folder.parent.glob("*/")], 1)
        said = line("data", (Path(asked.data).parent / near[0]).as_posix()) if near else ""
        fix = f"write `{said}`" if near else f"mkdir -p {shown(folder)}, and put the tasks' items there"
        problems.add(run, key, got=f"{asked.data}, which is no folder", want="a folder of tasks' items", fix=fix)
        return []
    files = tasks.local_files(folder)
    wanted = [t for t in tasks.chosen(root / "evals", asked.suites, asked.tasks) if t.takes_local]
    absent = list(dict.fromkeys(task.title for task in wanted if tasks.find(task, folder, files)[1]))
    if not absent:
        return []
    named = ", ".join(absent[:_LISTED]) + (f" and {len(absent) - _LISTED} more" if len(absent) > _LISTED else "")
    tell = f"domainlm evaluate tasks {run.tree.file} lists the files that they want"
    return [f"{run.tree.file}: evaluate.data: nothing there for {named}; {tell}"]
