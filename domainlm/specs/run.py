"""The spec of a run: corpora, tokenizer, models with their mixes and recipes, and how they are judged."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from domainlm.specs.spec import Mistake, Name, Positive, PositiveFloat, Share, Spec
from domainlm.specs.units import Amount


def _not_a_multiple(key: str, value: int, of: str, step: int) -> Mistake:
    got, want = f"{value}, which is {value / step:.3f} x {step}", f"a multiple of {of}, {step}"
    return Mistake(key, got=got, want=want, changes={key: max(1, round(value / step)) * step})


class NearDuplicates(Spec):
    """MinHash with banding: documents that share a band are duplicates."""

    ngram_words: Positive = 5
    """Words in a shingle."""
    bands: Positive = 14
    """With 14 bands of 8 rows, a pair of Jaccard similarity 0.8 is found with probability 0.92; 0.75 with 0.77."""
    rows: Positive = 8
    """Hashes in a band."""


class CorpusSpec(Spec):
    """What text a run reads and what is removed from it."""

    domains: tuple[Name, ...] = Field(min_length=1, examples=[["legal", "general"]])
    """Files of `data_specs/domains`. The order is the priority: of two duplicates, the earlier domain keeps its own."""
    exact_duplicates: Literal["remove", "keep"] = "remove"
    """Documents with the same text after normalisation."""
    near_duplicates: NearDuplicates | None = NearDuplicates()
    """How near-duplicates are found; `null` keeps them."""


class ArchitectureSpec(Spec):
    """A model made from scratch."""

    family: Literal["llama"] = Field(examples=["llama"])
    """Llama: RMSNorm, rotary positions, SwiGLU, grouped-query attention."""
    hidden_size: Positive = Field(examples=[128])
    """Width of the residual stream."""
    intermediate_size: Positive = Field(examples=[352])
    """Width inside the feed-forward block."""
    num_layers: Positive = Field(examples=[4])
    """Blocks of attention and feed-forward."""
    num_heads: Positive = Field(examples=[4])
    """Heads that ask; `hidden_size` is a multiple of twice as many."""
    num_kv_heads: Positive = Field(examples=[2])
    """Heads that hold keys and values; `num_heads` is a multiple of it."""
    max_position: Positive = Field(examples=[256])
    """Longest sequence, in tokens."""
    tie_embeddings: bool = True
    """Input and output embeddings are one matrix."""

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden_size % (2 * self.num_heads):  # rotary positions turn the two halves of each head
            raise _not_a_multiple("hidden_size", self.hidden_size, "2 x num_heads", 2 * self.num_heads)
        if self.num_heads % self.num_kv_heads:
            raise _not_a_multiple("num_heads", self.num_heads, "num_kv_heads", self.num_kv_heads)
        return self


class ScheduleSpec(Spec):
    """Learning rate over the optimizer steps: linear (re-)warm-up, then decay."""

    shape: Literal["cosine"] = "cosine"
    """Re-warming and re-decaying from a trained model is this same shape anew: arXiv:2403.08763."""
    peak: PositiveFloat = Field(examples=[3e-4])
    """Highest learning rate."""
    floor: Annotated[float, Field(ge=0)] = 0.0
    """Learning rate at the end."""
    warmup_share: Share = 0.05
    """Share of the steps that warm up."""

    @model_validator(mode="after")
    def _falls(self) -> Self:
        if self.floor > self.peak:
            want = f"at most the peak, {self.peak:g}"
            raise Mistake("floor", got=f"{self.floor:g}", want=want, changes={"floor": self.peak / 10})
        return self


class ParallelSpec(Spec):
    """How a model is spread over devices. The batches, and so the loss, are the same for every choice."""

    strategy: Literal["fsdp"] = "fsdp"
    """`fsdp`: FSDP2 with full sharding, which is ZeRO-3."""
    ranks: Positive | Literal["auto"] = "auto"
    """Processes; `auto`: one a GPU, or two on a machine without one."""


class RecipeSpec(Spec):
    """How a model is trained on its mix."""

    objective: Literal["causal"] = "causal"
    """`causal`: predict the next token. The files of `domainlm/train/objectives`."""
    sequence_tokens: Positive = Field(examples=[256])
    """Tokens in a row."""
    batch_tokens: Amount = Field(examples=[8192])
    """Tokens in an optimizer step, over all ranks and accumulation."""
    micro_batch_rows: Positive = 8
    """Rows that a rank takes through the model at once; lower it where memory is short."""
    schedule: ScheduleSpec = Field(examples=[{"peak": 3e-4}])
    """Learning rate over the steps."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    """AdamW's decoupled decay."""
    betas: tuple[Share, Share] = (0.9, 0.95)
    """AdamW's decay rates."""
    clip_norm: PositiveFloat = 1.0
    """The gradient's norm is clipped to this."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto`: bf16 where the hardware multiplies in it, else fp32. Weights and reductions stay fp32."""
    checkpoint_steps: Positive = 100
    """Optimizer steps between checkpoints."""
    parallel: ParallelSpec = ParallelSpec()
    """How it is spread over devices."""

    @model_validator(mode="after")
    def _whole_rows(self) -> Self:
        if self.batch_tokens % self.sequence_tokens:
            raise _not_a_multiple("batch_tokens", self.batch_tokens, "sequence_tokens", self.sequence_tokens)
        return self


class ModelSpec(Spec):
    """A model of the run: made from scratch, or continued from another."""

    architecture: ArchitectureSpec | None = None
    """Given for a model made from scratch."""
    start: str | None = None
    """Given for continued pretraining: a model of this run, `hf:OWNER/MODEL`, or a folder that `transformers` loads."""
    mix: Name | None = None
    """What it is trained on: a file of `data_specs/mixes`. Without it the model is evaluated as it is."""
    recipe: Name | None = None
    """How: a key of `recipes`."""

    @model_validator(mode="after")
    def _one_beginning(self) -> Self:
        if (self.architecture is None) == (self.start is None):
            want = "either `architecture` (from scratch) or `start` (continued pretraining)"
            if self.start is None:
                raise Mistake("start", got="neither", want=want, fix="add `start: hf:OWNER/MODEL`, or `architecture`")
            raise Mistake("start", got="both", want=want, fix="delete `start`, or delete `architecture`")
        if (self.mix is None) != (self.recipe is None):
            missing, given = ("mix", "recipe") if self.mix is None else ("recipe", "mix")
            fix = f"add `{missing}: NAME`, or delete `{given}`"
            raise Mistake(missing, got=f"`{given}` alone", want="`mix` and `recipe` together", fix=fix)
        if self.architecture is not None and self.mix is None:
            want = "a `mix` and a `recipe`: a model from scratch knows nothing yet"
            raise Mistake("mix", got="nothing", want=want, fix="add `mix: NAME` and `recipe: NAME`")
        return self


class EvaluateSpec(Spec):
    """How models are judged: bits per byte on held-out text, and lm-eval's tasks."""

    suites: tuple[Name, ...] = ()
    """Folders of `evals`: each of their tasks is run on each model."""
    window_tokens: Positive = 512
    """Bits per byte: longest context, in tokens; a model's own limit if that is lower."""
    stride_tokens: Positive = 256
    """Bits per byte: tokens scored per window; the rest is context."""
    max_docs_per_source: Positive | None = None
    """Bits per byte: at most so many held-out documents of a source, chosen by hash."""
    items_per_domain: Positive = 200
    """Multiple-choice items made from each domain's held-out text."""
    max_items_per_task: Positive | None = None
    """lm-eval: at most so many items of a task, from its start."""
    bootstrap_samples: Positive = 1000
    """Resamples behind each interval."""

    @model_validator(mode="after")
    def _no_gaps(self) -> Self:
        if self.stride_tokens > self.window_tokens:
            got, want = str(self.stride_tokens), f"at most window_tokens, {self.window_tokens}: no token is left out"
            raise Mistake("stride_tokens", got=got, want=want, changes={"stride_tokens": self.window_tokens})
        return self


class RunSpec(Spec):
    """One run, from text to report."""

    name: Name = Field(examples=["law"])
    """The file has the same name."""
    title: str = ""
    """The report's headline."""
    seed: int = 0
    """From it, by name, comes every random choice."""
    corpus: CorpusSpec = Field(examples=[{"domains": ["legal", "general"]}])
    """The text of the run."""
    tokenizer: Name = Field(examples=["demo"])
    """A file of `data_specs/tokenizers`."""
    recipes: dict[Name, RecipeSpec] = Field(default_factory=dict)
    """Ways of training, by name."""
    models: dict[Name, ModelSpec] = Field(min_length=1, examples=[{"base": {"start": "hf:OWNER/MODEL"}}])
    """The models, by name, in the order of the report; the first is what the others are compared with."""
    evaluate: EvaluateSpec = EvaluateSpec()
    """How the models are judged."""
