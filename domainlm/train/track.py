"""The one door to TensorBoard and Weights & Biases, which are optional: figures of each step, by their own clients."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from domainlm.digest import digest
from domainlm.errors import StageError
from domainlm.specs.watch import TrackSpec, WandbSpec


class Tracker(Protocol):
    """Is told of figures by name, after so many steps."""

    def tell(self, step: int, figures: Mapping[str, float]) -> None: ...
    def close(self) -> None: ...


def check(track: TrackSpec) -> None:
    """StageError, with what installs it, where a tracker that is asked for is not installed."""
    for asked, name in ((track.tensorboard, "tensorboard"), (track.wandb, "wandb")):
        if asked and find_spec(name) is None:
            raise StageError(f"`track: {{{name}: ...}}` needs {name}: pip install 'domainlm[{name}]'")


def trackers(track: TrackSpec, folder: Path, *, name: str, step: int, config: Mapping[str, Any]) -> list[Tracker]:
    """Those that are asked for; what they were told past `step` steps, by an earlier attempt, is told anew."""
    check(track)
    made: list[Tracker] = [_TensorBoard(folder / "tensorboard", step)] if track.tensorboard else []
    return [*made, _Wandb(track.wandb, folder, name, config)] if track.wandb is not None else made


class _TensorBoard:
    def __init__(self, folder: Path, step: int):
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=step + 1)

    def tell(self, step: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _Wandb:
    def __init__(self, spec: WandbSpec, folder: Path, name: str, config: Mapping[str, Any]):
        import wandb  # pyrefly: ignore[missing-import]

        self._run = wandb.init(
            project=spec.project,
            entity=spec.entity,
            mode=spec.mode,
            name=name,
            # The same run for every attempt at the same stage.
            id=digest(folder.name)[:16],
            resume="allow" if spec.mode == "online" else None,
            dir=str(folder),
            config=dict(config),
            settings=wandb.Settings(console="off", x_disable_stats=True),
        )

    def tell(self, step: int, figures: Mapping[str, float]) -> None:
        # Its own step only rises: a resumed training tells some steps twice.
        self._run.log({**figures, "step": step})

    def close(self) -> None:
        self._run.finish()
