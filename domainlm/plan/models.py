"""Open base models by what their publishers state of them, and a ranked shortlist for a domain, hardware and budget."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import Field

from domainlm.plan.choice import choose
from domainlm.plan.devices import USABLE_SHARE, Device
from domainlm.plan.memory import PRECISIONS, memory, strategies
from domainlm.plan.scaling import CHINCHILLA, TOKENS_PER_PARAMETER, gpu_hours
from domainlm.plan.shape import Shape, flops_per_token
from domainlm.specs.read import read
from domainlm.specs.spec import Name, Positive, Spec
from domainlm.specs.units import Amount

BYTES_PER_TOKEN = 4.0
"""English text in a vocabulary of 32k to 128k, where the domain's own figure is not at hand. A guess."""


class BaseModelSpec(Spec):
    """A published base model."""

    name: Name
    """How plans call it."""
    hub: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    """`OWNER/MODEL` on the Hugging Face hub."""
    family: Literal["bloom", "gpt2", "gpt_neox", "llama", "mistral", "olmo2", "qwen2"]
    """Architecture, as transformers' `model_type` has it."""
    num_parameters: Amount
    """Exactly, tied embeddings counted once."""
    num_layers: Positive
    hidden_size: Positive
    intermediate_size: Positive
    num_heads: Positive
    num_kv_heads: Positive
    vocab_size: Positive
    """Rows of the embeddings."""
    tie_embeddings: bool
    context_tokens: Positive
    """Longest sequence."""
    trained_tokens: Amount | None = None
    """What it was trained on, as far as its publisher says."""
    license: str
    """Identifier of the licence on the model's card."""
    url: str
    """The model card."""

    def shape(self) -> Shape:
        return Shape(
            num_parameters=self.num_parameters,
            num_layers=self.num_layers,
            hidden_size=self.hidden_size,
            intermediate_size=self.intermediate_size,
            num_heads=self.num_heads,
            num_kv_heads=self.num_kv_heads,
            vocab_size=self.vocab_size,
            tied_embeddings=self.tie_embeddings,
            gated_mlp=self.family in ("llama", "mistral", "olmo2", "qwen2"),
        )


class ModelsSpec(Spec):
    """The registry: add a model by adding its facts."""

    models: tuple[BaseModelSpec, ...] = Field(min_length=1)


REGISTRY = "data_specs/models.yaml"


def registry(root: Path) -> tuple[BaseModelSpec, ...]:
    """The models of the project at `root`. Raises SpecError with every mistake of the file, or where there is none."""
    return read(root / REGISTRY, ModelsSpec).models


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What a base model is looked for: a domain's text, and the means to train on it."""

    text_bytes: int
    """UTF-8 bytes of the text to be trained on, all domains of the mix together."""
    device: Device
    num_gpus: int
    mfu: float
    price_per_hour: float
    """Of one GPU."""
    budget: float = math.inf
    """In the price's currency."""
    licenses: Collection[str] = ()
    """Those that will do; empty: all."""
    sequence_tokens: int = 2048
    bytes_per_token: Mapping[str, float] = field(default_factory=dict)
    """Fertility on the domain's own text, by model name, where it was measured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A base model, seen from a task."""

    name: str
    license: str
    url: str
    num_parameters: int
    num_tokens: int
    """The task's text in the model's own tokens."""
    strategy: str | None
    """The least sharding that fits, in bf16, with full activation checkpointing, a row at a time; None: none does."""
    hours: float
    cost: float
    bits_per_byte: float
    """What Chinchilla's law gives for its parameters and all its tokens; to rank by, no promise on a domain."""
    obstacles: tuple[str, ...]
    """Why it won't do; empty where it will."""
    guesses: tuple[str, ...]


def shortlist(models: Sequence[BaseModelSpec], task: Task) -> list[Candidate]:
    """All of `models`: those that will do first, and of them those first that the law expects the most of."""
    candidates = [_candidate(model, task) for model in models]
    return sorted(candidates, key=lambda c: (len(c.obstacles), c.bits_per_byte, c.cost, c.name))


def _candidate(model: BaseModelSpec, task: Task) -> Candidate:
    shape, guesses = model.shape(), []
    fertility = task.bytes_per_token.get(model.name)
    if fertility is None:
        fertility = BYTES_PER_TOKEN
        guesses.append(f"{BYTES_PER_TOKEN:g} bytes a token")
    trained = model.trained_tokens
    if trained is None:
        trained = TOKENS_PER_PARAMETER * model.num_parameters
        guesses.append(f"trained on {TOKENS_PER_PARAMETER} tokens a parameter")
    num_tokens = round(task.text_bytes / fertility)
    length = min(task.sequence_tokens, model.context_tokens)
    flops = flops_per_token(shape, length) * num_tokens
    hours = gpu_hours(flops, task.device.peak_flops, task.mfu)
    strategy = _strategy(shape, task, length)
    if strategy == "CPU offload":
        guesses.append("no time lost to offloading, and memory enough in the host")
    obstacles = _obstacles(model, task, strategy, hours * task.price_per_hour)
    nats_per_token = CHINCHILLA.loss(model.num_parameters, trained + num_tokens)
    return Candidate(
        name=model.name,
        license=model.license,
        url=model.url,
        num_parameters=model.num_parameters,
        num_tokens=num_tokens,
        strategy=strategy,
        hours=hours / task.num_gpus,
        cost=hours * task.price_per_hour,
        bits_per_byte=nats_per_token / math.log(2) / fertility,
        obstacles=tuple(obstacles),
        guesses=tuple(guesses),
    )


def _strategy(shape: Shape, task: Task, sequence_tokens: int) -> str | None:
    asked = {"precision": PRECISIONS["bf16"], "rows": 1, "sequence_tokens": sequence_tokens}
    memories = [memory(shape, s, checkpointing="full", **asked) for s in strategies(task.num_gpus)]
    return choose(memories, int(task.device.memory_bytes * USABLE_SHARE)).pick


def _obstacles(model: BaseModelSpec, task: Task, strategy: str | None, cost: float) -> list[str]:
    obstacles = []
    if task.licenses and model.license not in task.licenses:
        obstacles.append(f"its licence is {model.license}")
    if strategy is None:
        obstacles.append(f"does not fit {task.num_gpus} x {task.device.name}, even with CPU offload")
    if cost > task.budget:
        obstacles.append(f"costs {cost:,.0f}, {cost - task.budget:,.0f} over the budget")
    return obstacles
