"""A small project in which every spec is right, for tests that make one thing wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm.errors import Problem, SpecError
from domainlm.specs import packages
from domainlm.specs.project import check

FILES = {
    "data/law/a.jsonl": '{"text": "Whereas the parties agree."}\n',
    "data/plain/a.txt": "A plain text.\n",
    "evals/law/next.yaml": "task: law_next\n",
    "data_specs/domains/law.yaml": """\
name: law
description: Statutes.
sources:
  - name: statutes
    uri: data/law/*.jsonl
    license: CC0-1.0
  - name: rulings
    uri: hf:./data/law
    license: CC0-1.0
heldout_share: 0.1
filters:
  length:
    min_chars: 10
""",
    "data_specs/domains/plain.yaml": """\
name: plain
sources:
  - name: texts
    uri: data/plain
    license: CC0-1.0
""",
    "data_specs/mixes/plain-all.yaml": """\
name: plain-all
token_ratio: {plain: 1.0}
budget_tokens: 300k
""",
    "data_specs/mixes/law-51.yaml": """\
name: law-51
description: Half and half.
token_ratio:
  law: 0.51
  plain: 0.49
budget_tokens: 300k
max_epochs: 4
""",
    "data_specs/tokenizers/small.yaml": """\
name: small
algorithm: bpe
vocab_size: 2048
split_digits: true
byte_ratio:
  law: 0.5
  plain: 0.5
""",
    "data_specs/runs/trial.yaml": """\
name: trial
title: A trial
seed: 1
corpus:
  domains:
    - law
    - plain
  exact_duplicates: remove
tokenizer: small
recipes:
  make:
    sequence_tokens: 256
    batch_tokens: 4096
    schedule:
      peak: 1e-3
      floor: 1e-4
    betas: [0.9, 0.95]
    precision: auto
    parallel:
      ranks: 2
models:
  base:
    architecture:
      family: llama
      hidden_size: 128
      intermediate_size: 352
      num_layers: 4
      num_heads: 4
      num_kv_heads: 2
      max_position: 256
    mix: plain-all
    recipe: make
  adapted:
    start: base
    mix: law-51
    recipe: make
evaluate:
  suites:
    - law
""",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a project without a mistake, and every optional package installed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(packages, "find_spec", lambda name: name)
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


Edit = Callable[[str, str, str], Path]


@pytest.fixture
def edit(project: Path) -> Edit:
    """A function that replaces text, found once, in a spec (`runs/trial`), and returns the spec's path."""

    def edit(spec: str, old: str, new: str) -> Path:
        path = Path("data_specs", f"{spec}.yaml")
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
        path.write_text(text.replace(old, new), encoding="utf-8")
        return path

    return edit


ProblemsOf = Callable[[Path], tuple[Problem, ...]]


@pytest.fixture
def problems_of() -> ProblemsOf:
    """A function from the path of a spec to what `check` finds wrong."""
    return _problems_of


@pytest.fixture
def paste() -> Callable[[Problem], None]:
    """A function that does what a fix says, at the place that its problem names."""
    return _paste


def _problems_of(path: Path) -> tuple[Problem, ...]:
    try:
        check(path)
    except SpecError as error:
        return error.problems
    return ()


def _paste(problem: Problem) -> None:
    path = Path(problem.file)
    lines = path.read_text(encoding="utf-8").splitlines()
    at = problem.line - 1
    pasted = re.search(r"`([^`]*)`", problem.fix)
    assert pasted is not None, f"nothing to paste in: {problem.fix}"
    text = pasted[1]
    if problem.fix.startswith("write"):
        key = text.partition(":")[0]
        if text.startswith("- "):
            lines[at] = re.sub(r"- .*", lambda _: text, lines[at])
        elif re.search(rf"{re.escape(key)}:", lines[at]):
            lines[at] = re.sub(rf"{re.escape(key)}:.*", lambda _: text, lines[at])
            indent = _indent(lines[at])
            while at + 1 < len(lines) and _indent(lines[at + 1]) > indent:
                del lines[at + 1]
        else:
            lines.insert(at + 1, " " * (problem.column + 1) + text)
    elif problem.fix.startswith("rename"):
        start = problem.column - 1
        lines[at] = lines[at][:start] + text + ":" + lines[at][start:].partition(":")[2]
    elif problem.fix.startswith("add"):
        nested = problem.key.rpartition(".")[0]
        indent = problem.column - 1 + (2 if nested and not nested[-1].isdigit() else 0)
        lines.insert(at + 1, " " * indent + text)
    elif problem.fix.startswith("delete"):
        del lines[at]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" -"))
