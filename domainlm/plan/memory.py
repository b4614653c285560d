"""Bytes that training takes on each GPU, by component and strategy, and the least sharding that fits.

Weights, gradients and optimizer states are counted exactly. What moves follows FSDP2 as `domainlm.train` uses it: the
root's weights (embeddings, output) stay gathered from the forward to the end of the backward pass, a layer's are
gathered while the one before it works, gradients are freed between steps and reduced in fp32, the optimizer is fused
and needs no copies: within 10% of torch's own simulation on up to 512 ranks. Our DDP is FSDP2 with one shard and many
replicas: nothing is gathered from elsewhere, and a layer's bf16 copies live for its own work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from domainlm.plan.activations import Checkpointing, ends_bytes, layer_bytes
from domainlm.plan.shape import Shape, matrices
from domainlm.specs.recipe import ParallelSpec

RULE_OF_THUMB = {"weights": 4, "optimizer": 8, "gradients": 4, "activations and temporary": 8}
"""The lecture's bytes a parameter for training in FP32 with Adam: six times what storing it takes."""


def rule_of_thumb(num_parameters: int) -> dict[str, int]:
    """Bytes for training in FP32, by component, by the lecture's rule.

    >>> sum(rule_of_thumb(10**9).values()) / 1e9, sum(rule_of_thumb(175 * 10**9).values()) / 1e9
    (24.0, 4200.0)
    """
    return {component: each * num_parameters for component, each in RULE_OF_THUMB.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Precision:
    """Bytes a parameter."""

    name: str
    weight_bytes: float
    """The weights that the optimizer updates, where they are not counted among its states."""
    compute_bytes: float
    """The copies that layers multiply with; 0 where they multiply with the weights themselves."""
    gradient_bytes: float
    optimizer_bytes: float

    @property
    def multiply_bytes(self) -> float:
        """What layers multiply with, and what activations are kept in."""
        return self.compute_bytes or self.weight_bytes


PRECISIONS = {
    "bf16": Precision(name="bf16", weight_bytes=4, compute_bytes=2, gradient_bytes=4, optimizer_bytes=8),
    "fp32": Precision(name="fp32", weight_bytes=4, compute_bytes=0, gradient_bytes=4, optimizer_bytes=8),
    "zero": Precision(name="zero", weight_bytes=2, compute_bytes=0, gradient_bytes=2, optimizer_bytes=12),
}
"""`bf16` and `fp32`: our trainer's. `zero`: fp16 weights and gradients, and among the optimizer's states fp32 weights
and Adam's two moments, as in arXiv:1910.02054, section 3.1, and in BloombergGPT."""


def with_8bit_adam(precision: Precision) -> Precision:
    """Adam's two moments in a byte each instead of four, with an fp32 scale for each 256 of them (arXiv:2110.02861)."""
    return replace(
        precision,
        name=f"{precision.name}, 8-bit Adam",
        optimizer_bytes=precision.optimizer_bytes - 8 + 2 * (1 + 4 / 256),
    )


def lora_parameters(shape: Shape, rank: int) -> int:
    """Parameters that LoRA (arXiv:2106.09685) trains on all matrices of all layers: rank x (inputs + outputs) each."""
    return shape.num_layers * sum(rank * (i + o) for i, o in matrices(shape))


@dataclass(frozen=True, kw_only=True, slots=True)
class Strategy:
    """Over how many ranks each component is spread."""

    name: str
    weight_shards: int = 1
    gradient_shards: int = 1
    optimizer_shards: int = 1
    layer_by_layer: bool = True
    """A layer's weights are gathered for its own work only; otherwise all of them are there at once."""
    offload: bool = False
    """Shards live in the host's memory."""


def strategies(num_gpus: int) -> list[Strategy]:
    """Ways to share a model out over so many GPUs, least sharding first; ours are all but those of `NOT_OURS`."""
    n = num_gpus
    if n == 1:
        return [Strategy(name="one GPU"), _full(1, name="CPU offload", offload=True)]
    groups = [size for size in range(2, n) if n % size == 0]
    return [
        Strategy(name="DDP"),
        Strategy(name="ZeRO-1", optimizer_shards=n),
        _full(n, name="ZeRO-2", layer_by_layer=False),
        *[_full(size, name=f"hybrid {size}x{n // size}") for size in groups],
        _full(n, name="ZeRO-3"),
        _full(n, name="CPU offload", offload=True),
    ]


def strategy_of(parallel: ParallelSpec, num_ranks: int) -> Strategy:
    """The strategy that a recipe asks for.

    >>> strategy_of(ParallelSpec(strategy="hybrid", shard_ranks=2), 8).name
    'hybrid 2x4'
    """
    name = {"ddp": "DDP", "zero2": "ZeRO-2", "fsdp": "ZeRO-3", "single": "one GPU"}.get(parallel.strategy)
    if parallel.strategy == "hybrid":
        shards = parallel.shard_ranks or 1
        name = {1: "DDP", num_ranks: "ZeRO-3"}.get(shards, f"hybrid {shards}x{num_ranks // shards}")
    name = "one GPU" if num_ranks == 1 else name
    found = next(strategy for strategy in strategies(num_ranks) if strategy.name == name)
    return replace(found, offload=parallel.offload)


def in_recipe(name: str) -> str:
    """What a recipe's `parallel` says for the strategy of that name.

    >>> in_recipe("hybrid 128x4")
    '{strategy: hybrid, shard_ranks: 128}'
    """
    if name.startswith("hybrid "):
        return f"{{strategy: hybrid, shard_ranks: {name.removeprefix('hybrid ').partition('x')[0]}}}"
    written = {"one GPU": "single", "DDP": "ddp", "ZeRO-2": "zero2", "CPU offload": "fsdp, offload: true"}
    return f"{{strategy: {written.get(name, 'fsdp')}}}"


def _full(shards: int, *, name: str, offload: bool = False, layer_by_layer: bool = True) -> Strategy:
    spread = {"weight_shards": shards, "gradient_shards": shards, "optimizer_shards": shards}
    return Strategy(name=name, layer_by_layer=layer_by_layer, offload=offload, **spread)


NOT_OURS = {"ZeRO-1": "our trainer shards the gradients too, which costs the network nothing more: ZeRO-2"}
"""Strategies that are planned for comparison and never picked, each with the reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """Bytes on each GPU at the moment of a step that needs most."""

    strategy: str
    moment: str
    """`start of backward`, `first layer` (the first that the backward pass comes to) or `end of backward`."""
    weights: int
    gradients: int
    optimizer: int
    activations: int
    temporary: int
    """Gathered weights, gradients on their way, what is recomputed, and the gradients of the logits."""
    host: int
    """In the host's memory, for each GPU; not on the GPU."""

    @property
    def total(self) -> int:
        """On the GPU."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.temporary


def memory(
    shape: Shape,
    strategy: Strategy,
    *,
    precision: Precision,
    rows: int,
    sequence_tokens: int,
    checkpointing: Checkpointing = "none",
    micro_batches: int = 1,
    lora_rank: int | None = None,
    accumulate: Literal["sharded", "whole"] = "sharded",
) -> Memory:
    """Bytes on each GPU for micro-batches of `rows` rows of `sequence_tokens`, so many a step.

    From the second micro-batch on, the gradients of those before are there all along: each rank's shard where they are
    reduced after every micro-batch, or whole where that is done once a step.
    With LoRA, the frozen weights are kept in fp32 as those that learn, and activations count as if all were trained: an
    upper bound.
    """
    trained = shape.num_parameters if lora_rank is None else lora_parameters(shape, lora_rank)
    frozen = 0 if lora_rank is None else shape.num_parameters
    weights = round((trained + frozen) * precision.weight_bytes / strategy.weight_shards)
    gradients = round(trained * precision.gradient_bytes / strategy.gradient_shards)
    optimizer = round(trained * precision.optimizer_bytes / strategy.optimizer_shards)
    states = {"weights": weights, "optimizer": optimizer, "host": 0}
    if strategy.offload:
        states = {"weights": 0, "optimizer": 0, "host": weights + gradients + optimizer}
        gradients = 0
    tokens, width = rows * sequence_tokens, precision.multiply_bytes
    layer = tokens * layer_bytes(shape, sequence_tokens, width, checkpointing)
    again = tokens * layer_bytes(shape, sequence_tokens, width, "none") - layer
    kept = shape.num_layers * layer
    whole = micro_batches > 1 and accumulate == "whole"
    early = round(trained * precision.gradient_bytes) if whole else gradients if micro_batches > 1 else 0
    moving = _moving(shape, strategy, precision, trained / (trained + frozen), whole)
    # Two fp32 gradients of the logits: of the logarithms, and of what went into them.
    logits = 8 * tokens * shape.vocab_size
    moments = [
        ("start of backward", early, kept + tokens * ends_bytes(shape, width), logits + moving.start),
        ("first layer", early, kept, again + moving.first_layer),
        ("end of backward", gradients, layer, again + moving.end),
    ]
    moment, on_way, activations, temporary = max(moments, key=lambda m: m[1] + m[2] + m[3])
    return Memory(
        strategy=strategy.name,
        moment=moment,
        gradients=on_way,
        activations=round(activations),
        temporary=round(temporary),
        **states,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Moving:
    """Bytes of gathered weights, and of gradients that are not reduced yet, at each moment."""

    start: float
    first_layer: float
    end: float


def _moving(shape: Shape, strategy: Strategy, precision: Precision, trained_share: float, whole: bool) -> _Moving:
    """`whole`: gradients of earlier micro-batches are kept unreduced."""
    alone = strategy.weight_shards == 1
    width, layer, root = precision.multiply_bytes, shape.layer_parameters, shape.root_parameters
    output = shape.vocab_size * shape.hidden_size
    ahead = 0 if alone else layer * width
    reduced = 0 if alone else 4 * trained_share
    returned = width * trained_share
    # What is reduced takes the place of what was accumulated.
    take_place = 0 if whole else layer * reduced
    gathered = 0 if strategy.layer_by_layer else shape.num_layers * layer * width
    return _Moving(
        start=root * width + (gathered or ahead),
        first_layer=root * width + (gathered or layer * width + ahead) + (output + layer) * returned + take_place,
        end=root * width + root * returned + root * reduced,
    )
