"""How a model is trained: its objective, learning rate, optimizer, what is trained of it, and over which devices."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from domainlm.specs.architecture import Objective, not_a_multiple
from domainlm.specs.spec import Mistake, Positive, PositiveFloat, Share, Spec
from domainlm.specs.units import Amount
from domainlm.specs.watch import WatchSpec

Steps = Annotated[int, Field(ge=0)]
_DECAYS = ("wsd", "infinite")


class ScheduleSpec(Spec):
    """Learning rate over the optimizer steps: linear (re-)warm-up, then what its shape says."""

    shape: Literal["cosine", "wsd", "infinite", "constant"] = "cosine"
    """`cosine`: from `peak` to `floor`; re-warming and re-decaying from a trained model is this same shape anew
    (arXiv:2403.08763). `wsd`: `peak` until the last `decay_share` of the steps, then down by 1 - sqrt
    (arXiv:2405.18392). `infinite`: by a cosine to `plateau`, there until the last `decay_share`, then down
    exponentially (arXiv:2403.08763, section 7.4): training can go on from the plateau without warming up again.
    `constant`: `peak` to the end."""
    peak: PositiveFloat = Field(examples=[3e-4])
    """Highest learning rate."""
    floor: Annotated[float, Field(ge=0)] = 0.0
    """Learning rate at the end."""
    warmup_share: Share | None = None
    """Share of the steps that warm up; 0.05 where `warmup_steps` does not say it."""
    warmup_steps: Steps | None = None
    """Steps that warm up, instead of a share."""
    plateau: PositiveFloat | None = Field(default=None, examples=[1.5e-4])
    """`infinite`: the rate that lasts."""
    cooldown_share: Share = 0.3
    """`infinite`: share of the steps, after the warm-up, in which the rate falls to `plateau`. A guess."""
    decay_share: Share = 0.1
    """`wsd` and `infinite`: share of the steps, at the end, in which the rate falls to `floor`."""

    @model_validator(mode="after")
    def _falls(self) -> Self:
        if self.shape == "constant" and self.floor:
            want = "nothing: a constant rate has none"
            raise Mistake("floor", got=f"{self.floor:g}", want=want, fix="delete `floor`, or write `shape: cosine`")
        top = self.plateau or self.peak
        if self.floor > top:
            want = f"at most the {'plateau' if self.plateau else 'peak'}, {top:g}"
            raise Mistake("floor", got=f"{self.floor:g}", want=want, changes={"floor": top / 10})
        if self.plateau is not None and self.plateau > self.peak:
            want = f"at most the peak, {self.peak:g}"
            raise Mistake("plateau", got=f"{self.plateau:g}", want=want, changes={"plateau": self.peak / 2})
        return self

    @model_validator(mode="after")
    def _has_what_its_shape_takes(self) -> Self:
        if self.shape == "infinite":
            if self.plateau is None:
                raise Mistake("plateau", got="nothing", want="a rate", changes={"plateau": self.peak / 2})
            if not self.floor:
                want = "more than 0: the rate falls exponentially"
                raise Mistake("floor", got="0", want=want, changes={"floor": self.peak / 100})
        elif self.plateau is not None:
            fix = "delete `plateau`, or write `shape: infinite`"
            raise Mistake("plateau", got=f"{self.plateau:g}", want=f"nothing: `{self.shape}` has none", fix=fix)
        if self.warmup_share is not None and self.warmup_steps is not None:
            raise Mistake("warmup_steps", got="both", want="a share or steps", fix="delete `warmup_steps`")
        parts = (self.warmup_share or 0.0) + (self.decay_share if self.shape in _DECAYS else 0.0)
        parts += self.cooldown_share if self.shape == "infinite" else 0.0
        if parts > 1:
            want = "at most 1 for the shares together"
            raise Mistake("decay_share", got=f"{parts:g} together", want=want, fix="lower one of the shares")
        return self

    def num_warmup_steps(self, num_steps: int) -> int:
        """Steps of `num_steps` that warm up."""
        if self.warmup_steps is not None:
            return min(self.warmup_steps, num_steps)
        return round((0.05 if self.warmup_share is None else self.warmup_share) * num_steps)


class ParallelSpec(Spec):
    """How a model is spread over devices. The batches, and so the loss, are the same for every choice."""

    strategy: Literal["single", "ddp", "zero2", "fsdp", "hybrid"] = "fsdp"
    """All by FSDP2. `single`: one process. `ddp`: all weights on each rank, gradients averaged. `zero2`: weights are
    gathered once a step and kept; gradients and optimizer are sharded. `fsdp`: full sharding, which is ZeRO-3.
    `hybrid`: full sharding over `shard_ranks` ranks, each such group a replica."""
    ranks: Positive | Literal["auto"] = "auto"
    """Processes; `auto`: one a GPU, or two on a machine without one; one for `single`."""
    shard_ranks: Positive | None = Field(default=None, examples=[8])
    """`hybrid`: ranks that share one model, such as those of a machine; `ranks` is a multiple of it."""
    offload: bool = False
    """Weights, gradients and optimizer live in the host's memory: slow, for what does not fit otherwise."""
    accumulate: Literal["sharded", "whole"] = "sharded"
    """Gradients between the micro-batches of a step. `sharded`: reduced over the ranks that share a model after each
    micro-batch, so that each keeps its own part. `whole`: reduced once a step, which saves the network all but one
    reduction and costs 4 bytes a parameter on every rank."""

    @model_validator(mode="after")
    def _has_its_ranks(self) -> Self:
        if self.strategy == "single" and self.ranks not in ("auto", 1):
            want = "1: `single` is one process"
            raise Mistake("ranks", got=str(self.ranks), want=want, changes={"ranks": 1})
        if self.strategy == "hybrid":
            if self.shard_ranks is None:
                want = "the ranks that share one model"
                raise Mistake(
                    "shard_ranks", got="nothing", want=want, fix="write `shard_ranks: 8`, or `strategy: fsdp`"
                )
            if self.ranks != "auto" and self.ranks % self.shard_ranks:
                raise not_a_multiple("ranks", self.ranks, "shard_ranks", self.shard_ranks)
        elif self.shard_ranks is not None:
            want = f"nothing: `{self.strategy}` has no groups"
            fix = "delete `shard_ranks`, or write `strategy: hybrid`"
            raise Mistake("shard_ranks", got=str(self.shard_ranks), want=want, fix=fix)
        return self


class LoraSpec(Spec):
    """Low-rank adapters beside all linear layers but the output, which are trained alone (arXiv:2106.09685)."""

    rank: Positive = 16
    """Width of an adapter."""
    alpha: PositiveFloat = 32.0
    """Adapters count `alpha / rank` times."""


class FreezeSpec(Spec):
    """A first phase in which only a part of the model learns, as after new tokens were added to its vocabulary."""

    share: Share | None = None
    """Share of the steps that the phase lasts."""
    steps: Positive | None = Field(default=None, examples=[100])
    """Steps that the phase lasts, instead of a share."""
    outer_layers: Annotated[int, Field(ge=0)] = 0
    """Beside the embeddings, input and output, so many of the first layers and of the last ones learn."""

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if (self.share is None) == (self.steps is None):
            got = "neither" if self.steps is None else "both"
            raise Mistake("steps", got=got, want="a share or steps", fix="write `steps: 100` or `share: 0.1`")
        return self

    def num_steps(self, num_steps: int) -> int:
        """Steps of `num_steps` that the phase lasts."""
        return min(self.steps, num_steps) if self.steps is not None else round((self.share or 0.0) * num_steps)


class AverageSpec(Spec):
    """The weights that are exported: an average over training instead of the last ones."""

    last: Annotated[int, Field(ge=2)] | None = Field(default=None, examples=[5])
    """Mean of the weights at the last so many checkpoints."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None = Field(default=None, examples=[0.999])
    """Exponential moving average with this decay a step."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.last is None) == (self.ema is None):
            got = "neither" if self.ema is None else "both"
            raise Mistake("last", got=got, want="`last` or `ema`", fix="write `last: 5` or `ema: 0.999`")
        return self


class GuardSpec(Spec):
    """When a step is not taken. One whose loss or gradient is not finite never is."""

    sigmas: PositiveFloat | None = 8.0
    """A loss, or a logarithm of the gradient's norm, that lies so many standard deviations over the mean of the last
    128 steps is skipped; `null`: none is. A guess."""
    max_skips: Positive = 3
    """After so many skips in a row, training goes back to the last checkpoint and passes the rows by."""


class RecipeSpec(Spec):
    """How a model is trained on its mix."""

    objective: Objective = "causal"
    """`causal`: predict the next token. `masked`: predict the 15% of the tokens that are hidden (arXiv:1810.04805).
    `span_corruption`: write out the spans, 15% of the tokens in threes, that are hidden (arXiv:1910.10683)."""
    sequence_tokens: Positive = Field(examples=[256])
    """Tokens in a row."""
    batch_tokens: Amount = Field(examples=[8192])
    """Tokens in an optimizer step, over all ranks and accumulation."""
    micro_batch_rows: Positive = 8
    """Rows that a rank takes through the model at once; lower it where memory is short."""
    schedule: ScheduleSpec = Field(examples=[{"peak": 3e-4}])
    """Learning rate over the steps."""
    optimizer: Literal["adamw", "adamw8bit"] = "adamw"
    """`adamw8bit`: its moments in a byte each, by torchao: `pip install domainlm[lowbit]`."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    """AdamW's decoupled decay."""
    betas: tuple[Share, Share] = (0.9, 0.95)
    """AdamW's decay rates."""
    clip_norm: PositiveFloat = 1.0
    """The gradient's norm is clipped to this."""
    precision: Literal["auto", "fp32", "bf16", "fp8"] = "auto"
    """`auto`: bf16 where the hardware multiplies in it, else fp32. `fp8`: matrices multiplied in 8 bits, the rest in
    bf16, by torchao on a GPU of compute capability 8.9 or more; slower under about a billion parameters. Weights and
    reductions stay fp32."""
    quantize: Literal["int8_qat"] | None = None
    """`int8_qat`: linear layers multiply with weights rounded to int8 while they learn, by torchao: what
    `domainlm export --dtype int8` stores loses nothing more (arXiv:1712.05877)."""
    checkpointing: Literal["none", "selective", "full"] = "none"
    """Activations that are computed anew in the backward pass instead of kept. `selective`: all but the results of
    matrix products and attention. `full`: all but the input of each layer."""
    compile: bool = False
    """Each layer through `torch.compile`: for GPUs; it takes a minute or so at the start."""
    lora: LoraSpec | None = None
    """Train adapters instead of the weights; both the adapter and the merged model are exported."""
    freeze: FreezeSpec | None = None
    """A first phase in which only embeddings, and outer layers, learn."""
    average: AverageSpec | None = None
    """Export an average of the weights."""
    guard: GuardSpec = GuardSpec()
    """When a step is not taken."""
    watch: WatchSpec = WatchSpec()
    """Held-out text while training goes on, and what may be forgotten of it."""
    checkpoint_steps: Positive = 100
    """Optimizer steps between checkpoints."""
    checkpoints_kept: Positive = 2
    """The last so many stay on disk."""
    parallel: ParallelSpec = ParallelSpec()
    """How it is spread over devices."""

    @model_validator(mode="after")
    def _whole_rows(self) -> Self:
        if self.batch_tokens % self.sequence_tokens:
            raise not_a_multiple("batch_tokens", self.batch_tokens, "sequence_tokens", self.sequence_tokens)
        ranks = self.parallel.ranks
        if ranks != "auto" and self.batch_tokens // self.sequence_tokens % ranks:
            of = "sequence_tokens x ranks"
            raise not_a_multiple("batch_tokens", self.batch_tokens, of, self.sequence_tokens * ranks)
        return self

    @model_validator(mode="after")
    def _one_thing_is_trained(self) -> Self:
        if self.lora is not None and self.freeze is not None:
            want = "one of `lora` and `freeze`: with adapters all else is frozen already"
            raise Mistake("freeze", got="both", want=want, fix="delete `freeze`, or delete `lora`")
        if self.lora is not None and self.precision == "fp8":
            want = "`bf16`: adapters are not multiplied in 8 bits"
            raise Mistake("precision", got="fp8 and lora", want=want, changes={"precision": "bf16"})
        if self.quantize is not None and self.lora is not None:
            want = "one of `quantize` and `lora`: an adapter's product is in no weight that could be rounded"
            raise Mistake("quantize", got="both", want=want, fix="delete `quantize`, or delete `lora`")
        if self.quantize is not None and self.precision == "fp8":
            want = "`bf16`: weights are rounded to int8 already"
            raise Mistake("precision", got="fp8 and int8_qat", want=want, changes={"precision": "bf16"})
        if self.watch.forgetting is not None and self.objective != "causal":
            want = f"nothing: {self.objective} models have no bits per byte"
            raise Mistake("watch", got="`forgetting`", want=want, fix="delete `forgetting` in `watch`")
        if self.parallel.offload and self.optimizer == "adamw8bit":
            want = "`adamw`: 8-bit moments are for the GPU's memory, and offload keeps them in the host's"
            raise Mistake("optimizer", got="adamw8bit and offload", want=want, changes={"optimizer": "adamw"})
        return self
