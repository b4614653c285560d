from __future__ import annotations

from pathlib import Path

import pytest

from domainlm.specs import packages
from domainlm.specs.project import load_run

RUN = Path("data_specs/runs/trial.yaml")


@pytest.mark.parametrize(
    ("old", "new", "package", "said"),
    [
        ("name: trial", "name: trial\ntrack: {tensorboard: true}", "tensorboard", "2:22: track.tensorboard"),
        ("name: trial", "name: trial\ntrack:\n  wandb: {project: p}", "wandb", "3:10: track.wandb"),
        ("name: trial", 'name: trial\ntrack: {mlflow: {uri: "sqlite:///m.db"}}', "mlflow", "2:17: track.mlflow"),
        ("precision: auto", "optimizer: adamw8bit", "torchao", "recipes.make.optimizer"),
        ("precision: auto", "precision: fp8", "torchao", "recipes.make.precision"),
        ("precision: auto", "quantize: int8_qat", "torchao", "recipes.make.quantize"),
    ],
)
def test_a_package_that_is_asked_for_and_not_installed_is_told_with_what_installs_it(
    project, edit, problems_of, monkeypatch: pytest.MonkeyPatch, old: str, new: str, package: str, said: str
) -> None:
    edit("runs/trial", old, new)
    assert problems_of(RUN) == ()
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name == package else object())
    (problem,) = problems_of(RUN)
    extra = "lowbit" if package == "torchao" else package
    asked = new.split()[-1] if package == "torchao" else package
    assert f"{RUN}:{problem.line}:{problem.column}: {problem.key}".endswith(said)
    assert problem.got == f"{asked}, but {package} is not installed"
    assert problem.fix == f"pip install 'domainlm[{extra}]'"
    load_run(RUN)  # a plan and a report need none
