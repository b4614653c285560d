from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMMANDS = (
    "check",
    "lock",
    "plan",
    "models",
    "run",
    "corpus",
    "tokenizer",
    "mix",
    "train",
    "evaluate",
    "report",
    "export",
)
SPEC = "data_specs/runs/tiny.yaml"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, write_project: Callable[[Path], Path]) -> Path:
    root = tmp_path_factory.mktemp("project")
    write_project(root)
    return root


def domainlm(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "domainlm", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=250)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_shows_an_example_with_a_spec_that_is_there(command: str) -> None:
    shown = domainlm(command, "--help")
    assert shown.returncode == 0
    example = re.search(rf"Example: domainlm {command} (\S+)", " ".join(shown.stdout.split()))
    assert example is not None
    assert list(ROOT.glob(example.group(1)))


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, domainlm.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not set(printed.split()) & {"torch", "transformers", "prefect", "pydantic", "numpy", "pyarrow", "ruamel"}


def test_check_passes_a_good_spec(project: Path) -> None:
    checked = domainlm("check", SPEC, "--json", cwd=project)
    assert (checked.returncode, json.loads(checked.stdout)["problems"]) == (0, [])


def test_check_tells_the_mistakes_of_all_files_once_and_exits_with_2(project: Path) -> None:
    for name, mistake in {"bad-a": "seeed: 1", "bad-b": "title: [1]"}.items():
        text = (project / SPEC).read_text().replace("name: tiny", f"name: {name}\n{mistake}")
        (project / f"data_specs/runs/{name}.yaml").write_text(text.replace("title: A tiny run\n", ""))
    files = ["data_specs/runs/bad-a.yaml", "data_specs/runs/bad-b.yaml", "data_specs/runs/bad-b.yaml"]
    checked = domainlm("check", *files, cwd=project)
    assert checked.returncode == 2
    assert "data_specs/runs/bad-a.yaml:3:1: seeed" in checked.stdout
    assert "fix:" in checked.stdout
    assert checked.stdout.count("data_specs/runs/bad-b.yaml:3:") == 1
    as_json = domainlm("check", *files, "--json", cwd=project)
    assert as_json.returncode == 2
    assert [problem["key"] for problem in json.loads(as_json.stdout)["problems"]] == ["seeed", "title"]


@pytest.mark.parametrize("command", ["run", "corpus", "train"])
def test_a_spec_that_is_wrong_ends_every_command_with_2_before_any_work(command: str, tmp_path: Path) -> None:
    ended = domainlm(command, "data_specs/runs/none.yaml", "--workspace", str(tmp_path / "w"))
    assert ended.returncode == 2
    assert "data_specs/runs/none.yaml" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "w").exists()


def test_a_model_that_the_run_does_not_have_is_a_wrong_usage(project: Path) -> None:
    ended = domainlm("train", SPEC, "--model", "bse", cwd=project)
    assert ended.returncode == 2
    assert "nothing for 'bse'; there is train/base, train/adapted" in " ".join(ended.stderr.split())


@pytest.mark.parametrize("command", ["run", "corpus"])
def test_an_engine_that_is_not_there_is_a_wrong_usage(project: Path, command: str) -> None:
    ended = domainlm(command, SPEC, "--engine", "spark", cwd=project)
    assert ended.returncode == 2
    assert "no engine 'spark'; there is local, ray, slurm" in " ".join(ended.stderr.split())


def test_a_stage_whose_input_is_missing_names_the_command_to_paste(project: Path, tmp_path: Path) -> None:
    ended = domainlm("tokenizer", SPEC, "--workspace", str(tmp_path), cwd=project)
    assert ended.returncode == 1
    assert ended.stderr.strip() == f"tokenizer needs corpus, which is not made yet: domainlm corpus {SPEC}"


def test_a_stage_is_made_once_and_told_as_json(project: Path, tmp_path: Path) -> None:
    arguments = ("corpus", SPEC, "--workspace", str(tmp_path), "--workers", "1", "--json", "--progress", "json")
    first, second = (domainlm(*arguments, cwd=project) for _ in range(2))
    assert first.returncode == second.returncode == 0, first.stderr
    assert first.stdout.startswith('progress {"label":"corpus')
    lines = [json.loads(line) for line in first.stdout.splitlines() if not line.startswith("progress ")]
    assert [line["stage"] for line in lines] == ["read/legal", "read/general", "corpus"]
    told = lines[-1]
    assert (told["stage"], told["name"], told["made"]) == ("corpus", "tiny", True)
    assert told["counts"]["sources"]["legal/text"]["read"] == 200
    assert Path(told["folder"], "manifest.json").is_file()
    again = [json.loads(line) for line in second.stdout.splitlines() if not line.startswith("progress ")]
    assert again == [line | {"made": False} for line in lines]
