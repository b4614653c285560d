"""A training before its first step: the model sharded over the ranks, its optimizer, its data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
from torch import Tensor, nn
from torch.optim import Optimizer
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from domainlm import named
from domainlm.digest import digest
from domainlm.errors import StageError
from domainlm.manifest import Manifest
from domainlm.mix import remote
from domainlm.tokens import transfer
from domainlm.tokens.transfer import Transfer
from domainlm.train import average, device, embeddings, lowbit, model, optimizer, parallel, quantize, varlen
from domainlm.train.config import NOTE_PREFIX, TrainConfig
from domainlm.train.packed import Setting
from domainlm.train.parallel import Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """What the steps work on."""

    config: TrainConfig
    place: Place
    mix: Manifest
    tokens: Manifest
    objective: ModuleType
    setting: Setting
    tokenizer: PreTrainedTokenizerBase | None
    """With the tokens that the objective needs; None where it needs none."""
    model: PreTrainedModel
    learner: model.Learner
    optimizer: Optimizer
    precision: str
    first_phase: frozenset[nn.Parameter]
    """What learns while the rest is frozen."""
    vocabulary: str = ""
    """How it differs from that of the model that is continued, in words; empty where it does not."""
    average: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def batch_rows(self) -> int:
        return int(self.mix.facts["batch_rows"])

    @property
    def num_steps(self) -> int:
        return int(self.mix.facts["rows"]) // self.batch_rows


def begin(config: TrainConfig, place: Place) -> Training:
    """The model, sharded over the ranks, and its optimizer; StageError where model, data and recipe do not fit."""
    mix, tokens, recipe = done(config.mix), done(config.tokens), config.recipe
    objective = named.load("domainlm.train.objectives", recipe.objective)
    vocab_size, end_token_id = int(tokens.facts["vocab_size"]), int(tokens.facts["end_token_id"])
    folder = done(config.tokenizer).folder / "tokenizer"
    special_ids, tokenizer = model.special_ids(folder, objective.special_tokens(recipe.sequence_tokens))
    num_ids = max(vocab_size, *(number + 1 for number in special_ids), 0)
    precision = device.precision_for(recipe.precision)
    made_of = transfer.load(Path(config.transfer)) if config.transfer is not None else None
    vocabulary = ""
    if config.architecture is not None:
        made, prepare = model.from_architecture(
            config.architecture, vocab_size=num_ids, end_token_id=end_token_id, seed=config.seed
        )
    else:
        assert config.start is not None
        made, prepare = model.from_checkpoint(
            Path(config.start),
            objective=recipe.objective,
            vocab_size=num_ids,
            sequence_tokens=recipe.sequence_tokens,
            renew=_renew(config, made_of, end_token_id) if made_of is not None else None,
        )
        if made_of is not None:
            method = embeddings.method_for(made, config.new_rows)
            vocabulary = f"{made_of.num_new:,} tokens that the base did not have; their embeddings began by {method}"
    if recipe.lora is not None:
        from domainlm.train import lora  # peft takes a second to import

        lora.adapt(made, recipe.lora, config.seed)
    if precision == "fp8":
        lowbit.to_fp8(made)
    if recipe.quantize is not None:
        quantize.make_aware(made)
    unfit = varlen.choose(made, place.device, precision)
    if unfit and place.rank == 0:
        print(f"{NOTE_PREFIX}documents of a row are kept apart by dense masks: {unfit}", flush=True)
    # Before they are sharded, which gives them other classes; by module, for their parameters become others too.
    layers = [layer for _, layer in model.layers(made)]
    learner = model.Learner(made, objective.logits)
    parallel.shard(model.parts(learner, made, prepare), place=place, precision=precision, recipe=recipe)
    return Training(
        config=config,
        place=place,
        mix=mix,
        tokens=tokens,
        objective=objective,
        setting=Setting(
            seed=config.seed,
            vocab_size=vocab_size,
            end_token_id=end_token_id,
            special_ids=special_ids,
            start_token_id=getattr(made.config, "decoder_start_token_id", None) or 0,
        ),
        tokenizer=tokenizer,
        model=made,
        learner=learner,
        optimizer=optimizer.adamw(learner, recipe),
        precision=precision,
        first_phase=_first_phase(made, layers, recipe.freeze.outer_layers if recipe.freeze else 0),
        vocabulary=vocabulary,
        average=average.begin(learner) if recipe.average else {},
    )


def _renew(config: TrainConfig, made_of: Transfer, end_token_id: int) -> Callable[[PreTrainedModel], None]:
    """Gives a model the embeddings of the run's tokenizer."""
    static_VD = np.load(config.static, allow_pickle=False) if config.static is not None else None

    def renew(made: PreTrainedModel) -> None:
        embeddings.renew(made, made_of, config.new_rows, static_VD)
        if made_of.first_id == 0:  # none of the base's ids means what it did
            for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
                setattr(made.config, name, end_token_id)

    return renew


def _first_phase(made: PreTrainedModel, layers: list[nn.Module], outer_layers: int) -> frozenset[nn.Parameter]:
    ends = [made.get_input_embeddings(), made.get_output_embeddings()]
    outer = layers[:outer_layers] + layers[len(layers) - outer_layers :]
    return frozenset(p for part in [*ends, *outer] if part is not None for p in part.parameters())


def done(folder: str) -> Manifest:
    """The manifest of the finished stage in `folder`, or at a URL; StageError where there is none."""
    found = remote.manifest_at(folder)
    if found is None:
        raise StageError(f"{folder} holds no finished stage")
    return found


def identity(training: Training) -> str:
    """What must not change between a checkpoint and its resumption; how the work is split may."""
    config = training.config
    how = {"micro_batch_rows", "precision", "checkpoint_steps", "checkpoints_kept", "checkpointing", "compile"}
    how |= {"parallel", "optimizer", "watch"}
    data = [training.mix.digest(), training.tokens.digest()]
    return digest([config.architecture, config.recipe.model_dump(mode="json", exclude=how), config.seed, data])
