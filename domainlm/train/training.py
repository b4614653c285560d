"""A training before its first step: the model sharded over the ranks, its optimizer, its data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from torch.optim import Optimizer
from transformers import PreTrainedModel

from domainlm import manifest, named
from domainlm.digest import digest
from domainlm.errors import StageError
from domainlm.manifest import Manifest
from domainlm.plan import shape
from domainlm.train import model, optimizer, parallel
from domainlm.train.config import TrainConfig
from domainlm.train.parallel import Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """What the steps work on."""

    config: TrainConfig
    place: Place
    mix: Manifest
    tokens: Manifest
    objective: ModuleType
    model: PreTrainedModel
    learner: model.Learner
    optimizer: Optimizer
    precision: str

    @property
    def batch_rows(self) -> int:
        return int(self.mix.facts["batch_rows"])

    @property
    def num_steps(self) -> int:
        return int(self.mix.facts["rows"]) // self.batch_rows


def begin(config: TrainConfig, place: Place) -> Training:
    """The model, sharded over the ranks, and its optimizer; StageError where model, data and recipe do not fit."""
    mix, tokens = done(config.mix), done(config.tokens)
    recipe = config.recipe
    vocab_size, end_token_id = int(tokens.facts["vocab_size"]), int(tokens.facts["end_token_id"])
    if config.architecture is not None:
        made, prepare = model.from_architecture(
            config.architecture, vocab_size=vocab_size, end_token_id=end_token_id, seed=config.seed
        )
    else:
        assert config.start is not None
        made, prepare = model.from_checkpoint(
            Path(config.start), vocab_size=vocab_size, sequence_tokens=recipe.sequence_tokens
        )
    objective = named.load("domainlm.train.objectives", recipe.objective)
    precision = parallel.precision_for(recipe.precision, place.device)
    learner = model.Learner(made, objective.loss_sum)
    parallel.shard(model.parts(learner, made, prepare), place=place, precision=precision)
    return Training(
        config=config,
        place=place,
        mix=mix,
        tokens=tokens,
        objective=objective,
        model=made,
        learner=learner,
        optimizer=optimizer.adamw(learner, recipe),
        precision=precision,
    )


def done(folder: str) -> Manifest:
    """The manifest of the finished stage in `folder`; StageError where there is none."""
    found = manifest.read(Path(folder))
    if found is None:
        raise StageError(f"{folder} holds no finished stage")
    return found


def identity(training: Training) -> str:
    """What must not change between a checkpoint and its resumption; how the work is split may."""
    config = training.config
    how = {"micro_batch_rows", "precision", "checkpoint_steps", "parallel"}
    data = [training.mix.digest(), training.tokens.digest()]
    return digest([config.architecture, config.recipe.model_dump(mode="json", exclude=how), config.seed, data])


def shape_of(training: Training) -> shape.Shape:
    """What the arithmetic of the model's FLOPs needs to know."""
    if training.config.architecture is not None:
        return shape.llama(training.config.architecture, int(training.tokens.facts["vocab_size"]))
    return shape.from_folder(Path(training.config.start or ""))
