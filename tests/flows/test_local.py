"""`domainlm run` as a person starts it: a real flow on a real server of its own, over all stages in small."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from huggingface_hub import ModelCard
from transformers import AutoModelForCausalLM

from domainlm import outcome, pipeline
from domainlm.digest import canonical
from domainlm.plan.plan import shape_of
from domainlm.specs.project import load_run
from domainlm.tokens.tokenizer import load, load_folder
from domainlm.train.embeddings import is_tied
from flows import artifact

from ..export.whole_card import check_whole

ROOT = Path(__file__).parents[2]
SPEC = "data_specs/runs/tiny.yaml"
RUN = [sys.executable, "-m", "domainlm", "run", SPEC, "--workers", "1"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if "PREFECT" not in name} | {"PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, write_project: Callable[[Path], Path]) -> Path:
    root = tmp_path_factory.mktemp("project")
    write_project(root)
    return root


@pytest.fixture(scope="module")
def finished(project: Path) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(RUN, cwd=project, env=environment(), capture_output=True, text=True, timeout=500)
    assert ran.returncode == 0, ran.stderr
    return ran


def test_a_run_prints_its_table_and_the_path_of_its_report(
    project: Path, finished: subprocess.CompletedProcess[str]
) -> None:
    assert "A tiny run" in finished.stdout
    report = finished.stdout.splitlines()[-1].removeprefix("Report: ")
    assert Path(report).is_file()
    assert Path(report).is_relative_to(project / "workspace" / "report")
    assert re.search(r"^run: \d+ of 14 stages \(\d+%\)  now ", finished.stderr, re.MULTILINE)


@pytest.mark.usefixtures("finished")
def test_a_finished_run_does_nothing_and_does_not_even_import_prefect(project: Path) -> None:
    code = (
        "import sys; from domainlm import cli; cli.app(standalone_mode=False); "
        "assert not {'prefect', 'torch', 'transformers'} & {name.partition('.')[0] for name in sys.modules}"
    )
    before = sorted((path, path.stat().st_mtime_ns) for path in (project / "workspace").rglob("*"))
    command = [sys.executable, "-c", code, *RUN[3:], "--json"]
    ran = subprocess.run(command, cwd=project, env=environment(), capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    stages = [stage.id for stage in pipeline.stages(load_run(project / SPEC))]
    assert sorted(json.loads(ran.stdout)["stages"]) == sorted(stages)
    assert sorted((path, path.stat().st_mtime_ns) for path in (project / "workspace").rglob("*")) == before


@pytest.mark.usefixtures("finished")
def test_a_model_of_a_finished_run_is_exported_with_its_costs_and_a_whole_card(project: Path) -> None:
    command = [sys.executable, "-m", "domainlm", "export", SPEC, "--model", "adapted", "--license", "apache-2.0"]
    command += ["--dtype", "int8", "--dtype", "gguf-f16", "--json", "--progress", "none"]
    ran = subprocess.run(command, cwd=project, env=environment(), capture_output=True, text=True, timeout=200)
    assert ran.returncode == 0, ran.stderr
    int8, gguf = json.loads(ran.stdout)["exports"]
    assert (int8["dtype"], gguf["dtype"]) == ("int8", "gguf-f16")
    assert int8["weight_bytes"]["exported"] < int8["weight_bytes"]["original"]
    assert {of["domain"] for of in int8["difference"]["heldout"]} == {"legal", "general"}
    for of in int8["difference"]["heldout"]:
        assert of["low"] <= of["difference"] <= of["high"]
    assert set(int8["difference"]["microseconds_per_token"]) == {"original", "exported"}
    assert gguf["difference"]["microseconds_per_token"] == {}
    text = Path(int8["folder"], "README.md").read_text()
    card = ModelCard(text)
    assert check_whole(card) == []
    assert (card.data.license, card.data.pipeline_tag) == ("apache-2.0", "text-generation")
    assert {result.metric_type for result in card.data.eval_results} >= {"bits_per_byte"}
    assert card.data.get("co2_eq_emissions")["emissions"] > 0
    assert "| legal/text |" in text and "CC0-1.0 |" in text
    assert re.search(r"against base, [+-]\d\.\d+ to [+-]\d\.\d+, (not )?significant", text)
    assert re.search(r"^\| train/adapted \| `[0-9a-f]{64}` \|$", text, re.MULTILINE)
    assert "**int8**: linear layers in int8" in text


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.usefixtures("finished")
def test_a_run_that_is_ended_takes_its_server_and_all_its_processes_with_it(
    project: Path, tmp_path: Path, number: signal.Signals
) -> None:
    command = [*RUN, "--workspace", str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=project, env=environment(), stderr=pipe, text=True) as running:
        assert running.stderr is not None
        assert any(line.startswith("corpus: ") for line in running.stderr)
        processes = psutil.Process(running.pid).children(recursive=True)
        # The server and the stage, each with its supervisor.
        assert len(processes) >= 4
        running.send_signal(number)
        assert running.wait(30) != 0
        _, alive = psutil.wait_procs(processes, timeout=8)
        assert not alive


@pytest.mark.usefixtures("finished")
def test_what_an_evaluation_says_on_prefect_s_pages_is_what_the_report_says(project: Path) -> None:
    run = load_run(project / SPEC)
    made = pipeline.done(run, pipeline.place(run, None))
    summary = outcome.summary(run, made)
    assert json.loads(made["report"].only("summary").read_bytes()) == json.loads(canonical(summary))
    lines = artifact.markdown(summary, None).splitlines()
    assert lines[2] == "| measure | base | adapted |"
    assert [line.split(" | ")[0] for line in lines[4:6]] == ["| bits per byte, general", "| bits per byte, legal"]
    assert lines[-1].startswith("- ")


def domainlm(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "domainlm", *arguments]
    return subprocess.run(command, cwd=project, env=environment(), capture_output=True, text=True, timeout=300)


@pytest.mark.usefixtures("finished")
def test_a_run_is_in_the_store_once_with_its_digests_and_sums(project: Path) -> None:
    again = domainlm(project, "results", "add", SPEC, "--json")
    record = json.loads(again.stdout)["record"]
    ask = "SELECT r.*, m.base FROM results r JOIN models m USING (record, model) WHERE r.source = ''"
    rows = json.loads(domainlm(project, "results", "sql", ask, "--json").stdout)
    assert {row["record"] for row in rows} == {record}
    bits = [row for row in rows if row["metric"] == "bits_per_byte"]
    assert {(row["model"], row["base"], row["suite"]) for row in bits} == {
        (model, base, domain) for model, base in (("base", ""), ("adapted", "base")) for domain in ("legal", "general")
    }
    for row in bits:
        assert row["value"] == pytest.approx(row["numerator"] / row["denominator"])
        assert all(len(row[name]) == 64 for name in row if name.endswith("_digest"))
    for domain in ("legal", "general"):
        assert len({row["items_digest"] for row in bits if row["suite"] == domain}) == 1
    listed = json.loads(domainlm(project, "results", "--json").stdout)
    assert [(row["model"], row["domain"], row["general"]) for row in listed] == [("adapted", "legal", "general")]
    kept = project / "workspace" / "results" / "lm_eval" / record
    assert sorted(path.name for path in kept.iterdir()) == ["adapted.json", "base.json"]


@pytest.fixture(scope="module")
def judged(project: Path, finished: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """The same run with a gate and a model that is its base anew, and so gained nothing."""
    text = (project / SPEC).read_text().replace("name: tiny", "name: judged\ngate: {tolerance: 0.5}")
    spec = project / "data_specs/runs/judged.yaml"
    spec.write_text(text.replace("evaluate:", "  same: {start: base}\nevaluate:"))
    return domainlm(project, "run", "data_specs/runs/judged.yaml", "--workers", "1")


def test_a_gate_that_is_not_passed_ends_the_run_with_3_after_its_table(
    project: Path, judged: subprocess.CompletedProcess[str]
) -> None:
    assert judged.returncode == 3, judged.stderr
    assert "Report: " in judged.stdout
    said = judged.stderr[judged.stderr.index("the gate is not passed by same") :].splitlines()
    assert said[1].startswith("not held: same gains 0.0000 bits per byte on legal against base")
    rows = json.loads(domainlm(project, "results", "--run", "judged", "--json").stdout)
    assert {row["model"]: row["gate"] for row in rows} == {"adapted": "passed", "same": "not passed"}
    report = Path(judged.stdout.splitlines()[-1].removeprefix("Report: "))
    assert "Gate: adapted passed; same did not pass" in report.read_text()


@pytest.mark.usefixtures("judged")
@pytest.mark.parametrize(("model", "code"), [("adapted", 0), ("same", 3), ("base", 2)])
def test_the_gate_ends_by_its_result(project: Path, model: str, code: int) -> None:
    ended = domainlm(project, "evaluate", "gate", "data_specs/runs/judged.yaml", "--model", model, "--json")
    assert ended.returncode == code, ended.stdout + ended.stderr
    if code == 2:
        assert "continue another of the run: adapted, same" in " ".join(ended.stderr.replace("│", "").split())
    else:
        said = json.loads(ended.stdout)
        assert said["passed"] == (code == 0)
        assert [(check["asks"], check["domain"]) for check in said["checks"]] == [
            ("gain", "legal"),
            ("no loss", "general"),
        ]


EXTENDED = """name: more
extend: ./outside
new_tokens: 24
across_words: true
byte_ratio: {legal: 1.0}
max_change: {general: 0.003}
"""
FROM_OUTSIDE = """models:
  published: {start: ./outside}
  begun: {start: published, mix: half, recipe: short}
evaluate:"""


@pytest.mark.usefixtures("finished")
def test_an_extended_base_has_its_ids_and_its_general_text_costs_what_it_did(project: Path) -> None:
    tiny = load_run(project / SPEC)
    shutil.copytree(pipeline.done(tiny, project / "workspace")["train/base"].folder / "model", project / "outside")
    (project / "data_specs/tokenizers/more.yaml").write_text(EXTENDED)
    text = re.sub(r"models:.*evaluate:", lambda _: FROM_OUTSIDE, (project / SPEC).read_text(), flags=re.DOTALL)
    # So small a rate that what is evaluated is how the new embeddings began.
    for old, new in (("name: tiny", "name: more"), (": small", ": more"), ("peak: 0.001", "peak: 1.0e-12")):
        text = text.replace(old, new)
    spec = project / "data_specs/runs/more.yaml"
    spec.write_text(text)
    ended = domainlm(project, "run", str(spec.relative_to(project)), "--workers", "1")
    assert ended.returncode == 0, ended.stderr
    run = load_run(spec)
    made = pipeline.done(run, project / "workspace")
    had, have = load_folder(project / "outside").get_vocab(), load(made["tokenizer"]).get_vocab()
    assert had.items() <= have.items() and len(have) == len(had) + 24
    model = AutoModelForCausalLM.from_pretrained(made["train/begun"].folder / "model")
    assert is_tied(model) and model.config.vocab_size == len(have)
    assert (
        shape_of(run, "begun").num_parameters == model.num_parameters() == made["train/begun"].facts["num_parameters"]
    )
    general, legal = outcome.summary(run, made)["rows"][:2]
    bits = [{name: cell["value"] for name, cell in row["cells"].items()} for row in (general, legal)]
    assert bits[0]["begun"] == pytest.approx(bits[0]["published"], rel=0.02)
    assert bits[1]["begun"] < bits[1]["published"]
