"""The one door by which results reach Weights & Biases, MLflow and TensorBoard: their own clients, all optional.

What a record was published to is written beside the store, so that each is told once, and one that failed is told again
by the next attempt.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from domainlm.digest import canonical, digest
from domainlm.errors import StageError
from domainlm.manifest import write_atomically
from domainlm.specs.watch import TrackSpec

Rows = Mapping[str, Sequence[Mapping[str, Any]]]


def check(track: TrackSpec) -> None:
    """StageError, with what installs it, where something that is asked for is not installed."""
    for name in _asked(track):
        if find_spec(name) is None:
            raise StageError(f"`track: {{{name}: ...}}` needs {name}: pip install 'domainlm[{name}]'")


def publish(track: TrackSpec, record: str, rows: Rows, folder: Path, *, report: Path | None, root: Path) -> list[str]:
    """Publishes a record's rows to what `track` asks for and has not had them; returns the names of these.

    `folder`: of the store. `report`: the run's page, which MLflow keeps. `root`: of the project, where relative places
    begin. Raises StageError where a client fails; the others have been told then.
    """
    check(track)
    told = _told(record, folder)
    failed: dict[str, Exception] = {}
    todo = [name for name in _asked(track) if name not in told]
    for name in todo:
        try:
            _PUBLISH[name](track, rows, folder, report, root)
        except Exception as error:
            failed[name] = error
        else:
            told.add(name)
            write_atomically(_marker(record, folder), canonical(sorted(told)))
    if failed:
        said = "; ".join(f"{name}: {type(error).__name__}: {error}" for name, error in failed.items())
        raise StageError(f"results are in {folder}, but could not be published ({said}); the same command tries again")
    return todo


def done(track: TrackSpec, record: str, folder: Path) -> bool:
    """Whether all that `track` asks for has had a record."""
    return set(_asked(track)) <= _told(record, folder)


def _told(record: str, folder: Path) -> set[str]:
    marker = _marker(record, folder)
    return set(json.loads(marker.read_bytes())) if marker.is_file() else set()


def _marker(record: str, folder: Path) -> Path:
    return folder / "published" / f"{record}.json"


def figures(rows: Rows, model: str) -> dict[str, float]:
    """What a tracker is told of a model, by name: levels, and gain, forgetting and rate; only numbers."""
    found = {}
    for row in rows["results"]:
        if row["model"] == model and not row["source"]:
            place = row["suite"] if row["task"] == row["metric"] else row["task"]
            found[f"{row['metric']}/{place}"] = row["value"]
    for row in rows["exchanges"]:
        if row["adapted"] == model:
            found[f"gain/{row['domain']}"] = row["gain"]
            found[f"forgetting/{row['general']}"] = row["forgetting"]
            found[f"exchange_rate/{row['domain']}"] = row["rate"]
    # MLflow takes no commas in names, as `exact_match,strict-match` has one.
    return {name.replace(",", " "): value for name, value in found.items() if math.isfinite(value)}


def _asked(track: TrackSpec) -> list[str]:
    given = {"tensorboard": track.tensorboard, "wandb": track.wandb, "mlflow": track.mlflow}
    return [name for name, value in given.items() if value]


def _about(row: Mapping[str, Any]) -> dict[str, str]:
    """What names a model: its run, mix and digests."""
    names = ("run", "record", "base", "mix", "recipe", "gate")
    digests = [name for name in row if name.endswith("_digest")]
    return {name: str(row[name]) for name in (*names, *digests) if row[name] != ""}


def _tensorboard(track: TrackSpec, rows: Rows, folder: Path, report: Path | None, root: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    for row in rows["models"]:
        when: datetime = row["recorded_at"]
        writer = SummaryWriter(str(folder / "tensorboard" / row["run"] / row["model"]))
        for name, value in figures(rows, row["model"]).items():
            # One curve a run and model: a point for each time that it was recorded.
            writer.add_scalar(name, value, int(when.timestamp()), walltime=when.timestamp())
        writer.close()


def _wandb(track: TrackSpec, rows: Rows, folder: Path, report: Path | None, root: Path) -> None:
    import wandb  # pyrefly: ignore[missing-import]

    assert track.wandb is not None
    for row in rows["models"]:
        made = wandb.init(
            project=track.wandb.project,
            entity=track.wandb.entity,
            mode=track.wandb.mode,
            name=f"{row['model']}: results",
            group=row["run"],
            job_type="evaluate",
            id=digest([row["record"], row["model"]])[:16],
            resume="allow" if track.wandb.mode == "online" else None,
            dir=str(folder),
            config=_about(row),
            settings=wandb.Settings(console="off", x_disable_stats=True),
        )
        made.log(figures(rows, row["model"]))
        made.finish()


def _mlflow(track: TrackSpec, rows: Rows, folder: Path, report: Path | None, root: Path) -> None:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.tracking import MlflowClient  # pyrefly: ignore[missing-import]

    assert track.mlflow is not None
    uri, files = track.mlflow.uri, None
    if uri.startswith("sqlite:"):
        # A database has no place for files: they would go into the working folder.
        files = (folder / "mlflow").absolute().as_uri()
    if uri.startswith("sqlite:///") and not uri.startswith("sqlite:////"):
        uri = uri.replace("sqlite:///", f"sqlite:///{root.absolute()}/")
    client = MlflowClient(tracking_uri=uri)
    for row in rows["models"]:
        name = track.mlflow.experiment or row["run"]
        known = client.get_experiment_by_name(name)
        experiment = known.experiment_id if known else client.create_experiment(name, artifact_location=files)
        run = client.create_run(experiment, run_name=row["model"], tags=_about(row))
        for figure, value in figures(rows, row["model"]).items():
            client.log_metric(run.info.run_id, figure, value)
        if report is not None:
            client.log_artifact(run.info.run_id, str(report))
        client.set_terminated(run.info.run_id)


_PUBLISH: dict[str, Callable[[TrackSpec, Rows, Path, Path | None, Path], None]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
}
