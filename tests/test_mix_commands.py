from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from domainlm import manifest, pipeline
from domainlm.errors import DataError
from domainlm.planned import planned
from domainlm.specs.project import load_run

ROOT = Path(__file__).parents[1]
TABLE_1 = "data_specs/mixes/bloomberggpt-table-1.yaml"


def domainlm(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "domainlm", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=250)


@pytest.fixture(scope="module")
def spec(tmp_path_factory, write_project) -> Path:
    return write_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def workspace(spec: Path) -> Path:
    """The tiny run, made up to its mixes; what a plan says of the text alone stands in `guess.json`."""
    run, place = load_run(spec), spec.parents[2] / "workspace"
    for stage in pipeline.stages(run):
        if stage.kind in ("read", "corpus", "tokenizer", "tokens", "mix"):
            if stage.kind == "tokenizer":
                told = {
                    one.model: [one.sizes, one.mix.sources[0].tokens_on_disk] for one in planned(spec, workspace=place)
                }
                (spec.parents[2] / "guess.json").write_text(json.dumps(told))
            pipeline.run_stage(run, stage.id, place, workers=1)
    return place


def test_a_plan_before_there_is_any_text_says_what_is_wanted(spec, tmp_path):
    with pytest.raises(DataError, match="nothing says how large the sources of only-general are: run `domainlm corpus"):
        planned(spec, workspace=tmp_path / "empty")


def test_the_plan_of_a_run_is_the_mix_that_is_made(spec, workspace):
    by_model = {one.model: one for one in planned(spec, workspace=workspace)}
    assert set(by_model) == {"base", "adapted"}
    run = load_run(spec)
    finished = pipeline.done(run, workspace)
    for model, one in by_model.items():
        made = planned(finished[f"mix/{model}"].folder)[0].mix
        assert one.mix.sources == made.sources and one.mix.phases == made.phases
        assert one.sizes.startswith("the tokens in ")


def test_a_plan_from_the_text_alone_says_that_it_guesses(spec, workspace):
    told = json.loads((spec.parents[2] / "guess.json").read_bytes())
    sizes, tokens = told["adapted"]
    assert sizes.endswith("4 bytes a token (a guess)") and tokens > 1000


def test_a_mix_without_sizes_is_planned_on_the_run_that_names_it(spec, workspace):
    (one,) = planned(spec.parents[1] / "mixes/half.yaml", workspace=workspace)
    assert one.model == "adapted" and {source.name for source in one.mix.sources} == {"general/text", "legal/text"}
    # Phases in proportion, caps and all: another budget needs no other spec.
    (more,) = planned(spec.parents[1] / "mixes/half.yaml", workspace=workspace, budget_tokens=10**9)
    assert more.shortage and more.mix.rows > one.mix.rows


def test_a_changed_ratio_writes_a_manifest_and_no_tokens_and_a_rebuild_is_the_same_to_the_byte(spec, workspace):
    mix = spec.parents[1] / "mixes/half.yaml"
    before = {path: path.stat().st_mtime_ns for path in workspace.rglob("*") if path.is_file()}
    as_was = mix.read_text()
    mix.write_text(as_was.replace("legal: 0.51, general: 0.49", "legal: 0.7, general: 0.3"))
    try:
        made = pipeline.run_stage(load_run(spec), "mix/adapted", workspace)
        after = {path: path.stat().st_mtime_ns for path in workspace.rglob("*") if path.is_file()}
        assert {path: at for path, at in after.items() if path in before} == before
        assert {path.name for path in set(after) - set(before)} == {"mix.json", manifest.FILE_NAME}
        content = {path.name: path.read_bytes() for path in made.folder.iterdir()}
        shutil.rmtree(made.folder)
        again = pipeline.run_stage(load_run(spec), "mix/adapted", workspace)
        assert {path.name: path.read_bytes() for path in again.folder.iterdir()} == content
    finally:
        mix.write_text(as_was)


def test_a_locked_mix_that_would_differ_is_not_made(spec, workspace):
    run = load_run(spec)
    path = pipeline.hold_mixes(run, workspace)
    mix, as_was = spec.parents[1] / "mixes/half.yaml", (spec.parents[1] / "mixes/half.yaml").read_text()
    mix.write_text(as_was + "seed: 7\n")
    try:
        with pytest.raises(DataError, match="the sources are as they were locked, but the ratio, the rows or the seed"):
            pipeline.run_stage(load_run(spec), "mix/adapted", workspace)
    finally:
        mix.write_text(as_was)
        path.unlink()


def test_plan_shows_what_is_asked_and_missing_and_takes_less_than_a_second():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    shown = domainlm("mix", "plan", TABLE_1, "--json")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # CPU-seconds: other tests may be running beside this one.
    assert after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime < 2
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["bloomberggpt-table-1"]["missing_tokens"] == 0
    refused = domainlm("mix", "plan", TABLE_1, "--budget", "800B")
    assert refused.returncode == 1 and "finpile/web" in refused.stdout and "38.3B" in refused.stdout
    assert "are missing" in refused.stdout and "Lower `budget_tokens` to" in refused.stdout
    wrong = domainlm("mix", "plan", TABLE_1, "--budget", "lots")
    assert wrong.returncode == 2 and "'lots' is no number of tokens" in wrong.stderr


def test_diff_says_what_changes_for_each_source(spec, workspace):
    mixes = [f"data_specs/mixes/{name}.yaml" for name in ("only-general", "half")]
    shown = domainlm("mix", "diff", *mixes, "--workspace", str(workspace), "--json", cwd=spec.parents[2])
    assert shown.returncode == 0, shown.stderr
    told = json.loads(shown.stdout)
    assert (told["before"], told["after"]) == ("only-general for base", "half for adapted")
    assert told["sources"]["legal/text"]["tokens"]["before"] == 0
    assert told["sources"]["legal/text"]["share"]["after"] == pytest.approx(0.51, abs=0.02)
    assert "general/text" in domainlm("mix", "diff", *mixes, "--workspace", str(workspace), cwd=spec.parents[2]).stdout
