"""How a training is followed while it goes on: held-out text, what may be forgotten, and who else is told."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from domainlm.specs.spec import Mistake, Name, Positive, PositiveFloat, Share, Spec
from domainlm.specs.units import Amount


class ForgettingSpec(Spec):
    """How much a training may lose of what its base knew, on held-out text of some domains."""

    domains: tuple[Name, ...] = Field(min_length=1, examples=[["general"]])
    """Those whose bits per byte may not rise."""
    tolerance_bits: PositiveFloat = Field(examples=[0.05])
    """Bits per byte over the base's, at which it is too much: 0.05 is some 2% of a usual model's."""
    action: Literal["stop", "warn"] = "stop"
    """`stop`: training ends with an error, and the model is not made. `warn`: it goes on, and the report says it."""


class WatchSpec(Spec):
    """Bits per byte on held-out text while training goes on; of masked and span-corruption models, their own loss.

    The same text each time: before the first step, which is the base's, and after the last among them.
    """

    times: Positive = 8
    """How often after the first time, evenly spread; less often where the text would be too short for the share."""
    every_steps: Positive | None = Field(default=None, examples=[500])
    """Every so many steps, instead."""
    time_share: Share = 0.02
    """Part of the training's time that it may take, by FLOPs; 0: nothing is watched. The text is cut to it."""
    text_bytes: Annotated[Amount, Field(ge=1)] = 1_000_000
    """Held-out text of each domain, at most."""
    forgetting: ForgettingSpec | None = None
    """What may be forgotten; without it, nothing stops a training."""

    @model_validator(mode="after")
    def _is_there(self) -> Self:
        if "times" in self.model_fields_set and self.every_steps is not None:
            raise Mistake("every_steps", got="both", want="`times` or `every_steps`", fix="delete `times`")
        if self.forgetting is not None and not self.time_share:
            want = "more than 0: `forgetting` is seen on what is watched"
            raise Mistake("time_share", got="0", want=want, changes={"time_share": 0.02})
        return self


class WandbSpec(Spec):
    """A run of Weights & Biases for each model, by its own client: `pip install 'domainlm[wandb]'`."""

    project: str = Field(min_length=1, examples=["domainlm"])
    """Where its runs are listed."""
    entity: str | None = None
    """A team or a user; without it, that of the key."""
    mode: Literal["online", "offline"] = "online"
    """`offline`: written beside the model; `wandb sync` sends it later."""


class MlflowSpec(Spec):
    """A run of MLflow for each model's results, by its own client: `pip install 'domainlm[mlflow]'`."""

    uri: str = Field(min_length=1, examples=["sqlite:///mlflow.db"])
    """Its server (`https://...`), or a database (`sqlite:///FILE`, from the project's folder on)."""
    experiment: str | None = None
    """By default the name of the run."""


class TrackSpec(Spec):
    """Who is told of each step beside `metrics.jsonl`, and of results beside the store.

    It changes nothing that is made, and no stage is made anew.
    """

    tensorboard: bool = False
    """Event files in `tensorboard/` beside the model: `pip install 'domainlm[tensorboard]'`."""
    wandb: WandbSpec | None = None
    """Weights & Biases."""
    mlflow: MlflowSpec | None = None
    """MLflow, which is told of results alone."""
