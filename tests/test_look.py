"""`domainlm corpus why | stats | sample` on a corpus that a real stage made."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from domainlm import cli

SPEC = "data_specs/runs/tiny.yaml"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, write_project: Callable[[Path], Path]) -> Path:
    """A project whose legal text has copies, near copies and a broken line."""
    root = tmp_path_factory.mktemp("project")
    write_project(root)
    path = root / "text" / "legal.jsonl"
    text = path.read_text(encoding="utf-8")
    first, *others = [json.loads(line)["text"] for line in text.splitlines()]
    more = [first, first, others[0] + " And so on.", others[1]]
    lines = [json.dumps({"id": f"copy-{number}", "text": copy}) for number, copy in enumerate(more)]
    path.write_text(text + "\n".join([*lines, "{"]) + "\n", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def look(project: Path) -> Callable[..., object]:
    """Runs `domainlm corpus ...` in the project; the corpus is built first."""
    runner = CliRunner()

    def run(command: str, *arguments: str) -> object:
        chosen = [command, str(project / SPEC), *arguments, "--json"]
        ended = runner.invoke(cli.app, ["corpus", *chosen], catch_exceptions=False)
        assert ended.exit_code == 0, ended.output
        return json.loads(ended.output.splitlines()[-1])

    run("build", "--progress", "none")
    return run


def test_at_each_stage_what_came_in_went_out_or_is_counted_as_lost(look) -> None:
    found = look("stats")
    assert found["sources"]
    for own in found["sources"].values():
        left = None
        for row in own["stages"]:
            assert row["in"] == row["out"] + sum(row["dropped"].values()) + row["quarantined"]
            assert left in (None, row["in"])
            left = row["out"]
        assert left == sum(own["kept"].values())
        assert sum(own["lengths"]["kept"]) == left


def test_every_document_that_a_sample_shows_has_the_fate_that_why_tells(look) -> None:
    kept = look("sample", "--docs", "3")
    assert [look("why", row["id"])[0]["stage"] for row in kept] == ["kept"] * 3
    for reason in {reason for own in look("stats")["sources"].values() for reason in own["dropped"]}:
        for row in look("sample", "--dropped", reason, "--docs", "2"):
            fates = [fate for fate in look("why", row["id"]) if f"{fate['domain']}/{fate['source']}" == row["source"]]
            assert reason in [fate["reason"] for fate in fates]
            if "duplicate" in reason:
                assert all(fate["kept_for"]["id"] == row["duplicate_of"] for fate in fates)


def test_the_tables_for_people_hold_the_same_sources(look, project: Path) -> None:
    shown = CliRunner().invoke(cli.app, ["corpus", "stats", str(project / SPEC)], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    found = look("stats")
    assert all(label in shown.output for label in found["sources"])
    assert found["examples"] and all(row["id"] in shown.output for row in found["examples"])
    heads = [row["text_head"] for row in found["examples"]] + [row["head"] for row in found["largest_clusters"]]
    assert all(line in shown.output for head in heads for line in head.split("\n") if 0 < len(line) < 80)
    sampled = CliRunner().invoke(cli.app, ["corpus", "sample", str(project / SPEC), "--docs", "1"])
    assert "  | " in sampled.output


def test_examples_are_of_the_reasons_that_took_most(look) -> None:
    found = look("stats")
    total: Counter[str] = Counter()
    for own in found["sources"].values():
        total.update(own["dropped"])
    assert {total[row["reason"]] for row in found["examples"]} == {number for _, number in total.most_common(12)}
    for row in found["examples"]:
        fates = [fate for fate in look("why", row["id"]) if f"{fate['domain']}/{fate['source']}" == row["source"]]
        assert row["reason"] in [fate["reason"] for fate in fates]


def test_a_document_that_was_never_read_is_an_error(look, project: Path) -> None:
    ended = CliRunner().invoke(cli.app, ["corpus", "why", str(project / SPEC), "no/such"])
    assert ended.exit_code == 1
    assert "no document 'no/such' was read" in str(ended.exception)


def test_clean_lists_and_deletes_only_what_no_run_uses(look, project: Path) -> None:
    read = project / "workspace/read"
    used = {path.name for path in read.iterdir()}
    old = read / "legal-0123456789ab"
    (old / "parts").mkdir(parents=True)
    (old / "parts/text.arrow").write_bytes(b"12345")
    assert look("clean") == {"deleted": False, "folders": {str(old): 5}}
    assert old.exists()
    assert look("clean", "--delete")["folders"] == {str(old): 5}
    assert {path.name for path in read.iterdir()} == used
    assert look("clean") == {"deleted": False, "folders": {}}
    assert look("stats")["sources"]
