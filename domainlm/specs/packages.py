"""What a run asks of packages that are optional: told by `check`, in its place, where one is not installed here."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from domainlm.specs.read import Problems
from domainlm.specs.run import RunSpec
from domainlm.specs.tree import Key

_EXTRAS = {"torchao": "lowbit"}
"""Which of ours installs a package; the others are called as it is."""


def check_packages(path: Path) -> None:
    """Raises SpecError with each tracker, and each way to train, whose package is not installed. Plans and reports of
    the run at `path` don't need them."""
    problems = Problems()
    run = problems.read(path, RunSpec)
    if run is not None and run.spec is not None:
        for key, asked, package in _wanted(run.spec):
            if find_spec(package) is None:
                got = f"{asked}, but {package} is not installed"
                fix = f"pip install 'domainlm[{_EXTRAS.get(package, package)}]'"
                problems.add(run, key, got=got, want=f"{package} installed where the run trains", fix=fix)
    problems.raise_any()


def _wanted(spec: RunSpec) -> Iterator[tuple[Key, str, str]]:
    """Keys of the run, what they ask for, and the package that it needs."""
    for tracker in ("tensorboard", "wandb", "mlflow"):
        if getattr(spec.track, tracker):
            yield ("track", tracker), tracker, tracker
    for name, recipe in spec.recipes.items():
        for key, asked in (("optimizer", "adamw8bit"), ("precision", "fp8"), ("quantize", "int8_qat")):
            if getattr(recipe, key) == asked:
                yield ("recipes", name, key), asked, "torchao"
