"""Results reach the trackers by their own clients, each once; one that is not installed is told, and how it is."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from benchmarks.against.runs import rows
from domainlm.errors import StageError
from domainlm.results import publish
from domainlm.specs.watch import TrackSpec


def track(**given: object) -> TrackSpec:
    return TrackSpec.model_validate(given)


ASKED = {"tensorboard": True, "wandb": {"project": "p"}, "mlflow": {"uri": "sqlite:///mlflow.db"}}


@pytest.mark.parametrize("name", ASKED)
def test_what_is_not_installed_is_told_before_anything_is_published(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "find_spec", lambda _: None)
    with pytest.raises(StageError) as raised:
        publish.check(track(**{name: ASKED[name]}))
    assert str(raised.value) == f"`track: {{{name}: ...}}` needs {name}: pip install 'domainlm[{name}]'"


def test_figures_are_levels_and_what_was_won_and_lost_and_only_numbers() -> None:
    _, tables = rows(2, items=4)
    found = publish.figures(tables, "mix-51")
    assert {"bits_per_byte/legal", "bits_per_byte/general", "acc/legal_continuation"} <= found.keys()
    assert found["gain/legal"] == tables["exchanges"][0]["gain"]
    assert all(math.isfinite(value) for value in found.values())
    assert not any(name.startswith("gain") for name in publish.figures(tables, "base"))


def test_one_that_fails_is_told_and_tried_again_and_the_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def fails(*_: object) -> None:
        told.append("wandb")
        raise ConnectionError("no network")

    monkeypatch.setattr(publish, "check", lambda _: None)
    monkeypatch.setattr(publish, "_PUBLISH", {"tensorboard": lambda *_: told.append("tensorboard"), "wandb": fails})
    asked = track(tensorboard=True, wandb={"project": "p"})
    record, tables = rows(0, items=4)
    for _ in range(2):
        with pytest.raises(StageError, match="could not be published \\(wandb: ConnectionError: no network\\)"):
            publish.publish(asked, record, tables, tmp_path, report=None, root=tmp_path)
    assert told == ["tensorboard", "wandb", "wandb"]
    assert json.loads((tmp_path / "published" / f"{record}.json").read_bytes()) == ["tensorboard"]


def test_tensorboard_reads_a_point_for_each_record_of_a_run(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for number in (0, 3):
        record, tables = rows(number, items=4)
        assert publish.publish(track(tensorboard=True), record, tables, tmp_path, report=None, root=tmp_path)
        assert not publish.publish(track(tensorboard=True), record, tables, tmp_path, report=None, root=tmp_path)
    found = reader.EventAccumulator(str(tmp_path / "tensorboard/nightly-legal/mix-51")).Reload()
    assert len(found.Scalars("gain/legal")) == 2
    assert found.Scalars("gain/legal")[1].value == pytest.approx(tables["exchanges"][0]["gain"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # its own
def test_mlflow_keeps_figures_digests_and_the_report(tmp_path: Path) -> None:
    tracking = pytest.importorskip("mlflow.tracking")
    page = tmp_path / "report.html"
    page.write_text("a page")
    record, tables = rows(0, items=4)
    asked = track(mlflow={"uri": "sqlite:///mlflow.db", "experiment": "law"})
    assert publish.publish(asked, record, tables, tmp_path, report=page, root=tmp_path) == ["mlflow"]
    client = tracking.MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    found = {run.info.run_name: run for run in client.search_runs([client.get_experiment_by_name("law").experiment_id])}
    assert found.keys() == {"base", "mix-51", "domain-only"}
    assert found["mix-51"].data.metrics["gain/legal"] == pytest.approx(tables["exchanges"][0]["gain"])
    assert found["mix-51"].data.tags["model_digest"] == tables["models"][1]["model_digest"]
    assert [file.path for file in client.list_artifacts(found["base"].info.run_id)] == ["report.html"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # its own
def test_weights_and_biases_keeps_a_run_of_each_model_offline(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    record, tables = rows(0, items=4)
    asked = track(wandb={"project": "domainlm", "mode": "offline"})
    assert publish.publish(asked, record, tables, tmp_path, report=None, root=tmp_path) == ["wandb"]
    kept = list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    assert len(kept) == 3 and all(path.stat().st_size > 500 for path in kept)
