"""What the training processes are told: one JSON file, read by every rank."""

from __future__ import annotations

from pydantic import Field

from domainlm.specs.architecture import ArchitectureSpec
from domainlm.specs.recipe import RecipeSpec
from domainlm.specs.run import NewRows
from domainlm.specs.spec import Spec
from domainlm.specs.watch import TrackSpec

FILE_NAME = "config.json"
FACTS_NAME = "facts.json"
CHECKPOINTS_NAME = "checkpoints"
ERROR_PREFIX = "error: "
"""How a rank begins the line that says why it stops."""
NOTE_PREFIX = "note: "
"""How a rank begins a line that a person should see."""


class TrainConfig(Spec):
    """Everything that a rank needs beyond what torchrun tells it."""

    name: str
    """What the person called the model."""
    architecture: ArchitectureSpec | None
    """Given for a model from scratch."""
    start: str | None
    """Given for continued pretraining: a folder, or `hf:OWNER/MODEL`."""
    base_name: str | None
    """What the model card calls the model that training starts from."""
    recipe: RecipeSpec
    mix: str
    """Folder of the mix's manifest."""
    tokens: str
    """Folder of the tokens' manifest."""
    tokenizer: str
    """Folder of the tokenizer's manifest."""
    folder: str
    """Where `model/`, `metrics.jsonl` and `timing.jsonl` go."""
    work: str
    """Where checkpoints go."""
    seed: int
    transfer: str | None = None
    """What the tokens that `start` does not have are made of: a file. None: it has all."""
    new_rows: NewRows | None = None
    """How their embeddings begin."""
    static: str | None = None
    """Static embeddings for `focus`: a file."""
    licenses: dict[str, str] = Field(default_factory=dict)
    """Licence by source, for the model card."""
    track: TrackSpec = TrackSpec()
    """Who else is told of each step."""
    profile: str | None = None
    """Folder for a profile of the first steps, which are then all; None where the model is trained."""
