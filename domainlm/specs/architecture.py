"""Architectures of models made from scratch, and which objective each family of models is trained by."""

from __future__ import annotations

from typing import Any, Literal, Self, get_args

from pydantic import Field, model_validator

from domainlm.specs.spec import Mistake, Positive, Spec

Objective = Literal["causal", "masked", "span_corruption"]
"""The files of `domainlm/train/objectives`."""
Family = Literal[
    "bert", "bloom", "gpt2", "gpt_neox", "llama", "mistral", "modernbert", "olmo2", "qwen2", "qwen3", "roberta", "t5"
]
FAMILIES = frozenset(get_args(Family))
"""As transformers' `model_type` has them. Those in which documents packed into one row were tested not to see each
other: of some others, transformers lets them, in silence."""
_MASKED = frozenset({"bert", "roberta", "modernbert"})
_GROUPED = frozenset({"llama", "mistral", "olmo2", "qwen2", "qwen3"})
_ROTARY = _GROUPED | {"gpt_neox", "modernbert"}
_ALWAYS_TIED = frozenset({"bert", "bloom", "modernbert", "roberta", "t5"})


def objective_of(family: str) -> Objective:
    """The objective of a family; causal for one that is not known.

    >>> objective_of("llama"), objective_of("bert"), objective_of("t5")
    ('causal', 'masked', 'span_corruption')
    """
    return "span_corruption" if family == "t5" else "masked" if family in _MASKED else "causal"


def not_a_multiple(key: str, value: int, of: str, step: int) -> Mistake:
    """The mistake of a `key` that should be a multiple of `step`, which is called `of`."""
    got, want = f"{value}, which is {value / step:.3f} x {step}", f"a multiple of {of}, {step}"
    return Mistake(key, got=got, want=want, changes={key: max(1, round(value / step)) * step})


class ArchitectureSpec(Spec):
    """A model made from scratch."""

    family: Family = Field(examples=["llama"])
    """Decoders: `llama`, `mistral`, `olmo2`, `qwen2`, `qwen3` (RMSNorm, rotary positions, SwiGLU, grouped-query
    attention), `gpt2` (learned positions), `gpt_neox` (rotary), `bloom` (ALiBi). Encoders, by `objective: masked`:
    `bert`, `roberta`, `modernbert`. Encoder and decoder, by `objective: span_corruption`: `t5` (version 1.1)."""
    hidden_size: Positive = Field(examples=[128])
    """Width of the residual stream."""
    intermediate_size: Positive = Field(examples=[352])
    """Width inside the feed-forward block."""
    num_layers: Positive = Field(examples=[4])
    """Blocks of attention and feed-forward; of a T5, in the encoder and again in the decoder."""
    num_heads: Positive = Field(examples=[4])
    """Heads that ask; `hidden_size` is a multiple of them, and of twice as many where positions are rotary."""
    num_kv_heads: Positive | None = Field(default=None, examples=[2])
    """Heads that hold keys and values; `num_heads` is a multiple of it, and what it is where nothing is said."""
    max_position: Positive = Field(examples=[256])
    """Longest sequence, in tokens."""
    tie_embeddings: bool = True
    """Input and output embeddings are one matrix."""

    @property
    def kv_heads(self) -> int:
        """Heads that hold keys and values."""
        return self.num_kv_heads or self.num_heads

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        # Rotary positions turn the two halves of each head.
        parts = 2 if self.family in _ROTARY else 1
        if self.hidden_size % (parts * self.num_heads):
            of = "2 x num_heads" if parts == 2 else "num_heads"
            raise not_a_multiple("hidden_size", self.hidden_size, of, parts * self.num_heads)
        if self.num_heads % self.kv_heads:
            raise not_a_multiple("num_heads", self.num_heads, "num_kv_heads", self.kv_heads)
        return self

    @model_validator(mode="after")
    def _the_family_has_it(self) -> Self:
        if self.family not in _GROUPED and self.kv_heads != self.num_heads:
            want = f"{self.num_heads}, as many as num_heads: {self.family} does not share them"
            changes = {"num_kv_heads": self.num_heads}
            raise Mistake("num_kv_heads", got=str(self.num_kv_heads), want=want, changes=changes)
        if self.family == "bloom" and self.intermediate_size != 4 * self.hidden_size:
            want = f"{4 * self.hidden_size}, four times hidden_size, as every bloom has it"
            changes = {"intermediate_size": 4 * self.hidden_size}
            raise Mistake("intermediate_size", got=str(self.intermediate_size), want=want, changes=changes)
        if self.family in _ALWAYS_TIED and not self.tie_embeddings:
            want = f"true: {self.family} has one matrix for both"
            raise Mistake("tie_embeddings", got="false", want=want, changes={"tie_embeddings": True})
        return self


def hub_config(a: ArchitectureSpec, *, vocab_size: int, end_token_id: int) -> dict[str, Any]:
    """What transformers' `AutoConfig.for_model` takes to make this architecture."""
    config = {
        "model_type": a.family,
        "vocab_size": vocab_size,
        "hidden_size": a.hidden_size,
        "intermediate_size": a.intermediate_size,
        "num_hidden_layers": a.num_layers,
        "num_attention_heads": a.num_heads,
        "max_position_embeddings": a.max_position,
        "tie_word_embeddings": a.tie_embeddings,
        "bos_token_id": end_token_id,
        "eos_token_id": end_token_id,
    }
    match a.family:
        case "llama" | "qwen2" | "qwen3" | "mistral" | "olmo2":
            # Qwen3 and Mistral state a head's width, and Mistral a window, which are those of their first models.
            own = {"head_dim": a.hidden_size // a.num_heads} if a.family in ("qwen3", "mistral") else {}
            window = {"sliding_window": None} if a.family == "mistral" else {}
            return config | {"num_key_value_heads": a.kv_heads, "pad_token_id": None} | own | window
        case "bert":
            return config | {"pad_token_id": None}
        case "roberta":
            # Its positions begin after the padding token's id.
            return config | {"pad_token_id": 0, "max_position_embeddings": a.max_position + 1}
        case "modernbert":
            ends = dict.fromkeys(("cls_token_id", "sep_token_id"), end_token_id)
            return config | {"pad_token_id": None} | ends
    renamed = {
        "gpt2": {
            "hidden_size": "n_embd",
            "intermediate_size": "n_inner",
            "num_hidden_layers": "n_layer",
            "num_attention_heads": "n_head",
            "max_position_embeddings": "n_positions",
        },
        "bloom": {
            "num_hidden_layers": "n_layer",
            "num_attention_heads": "n_head",
            "max_position_embeddings": "seq_length",
        },
        "t5": {
            "hidden_size": "d_model",
            "intermediate_size": "d_ff",
            "num_hidden_layers": "num_layers",
            "num_attention_heads": "num_heads",
            "max_position_embeddings": "n_positions",
        },
    }.get(a.family, {})
    config = {renamed.get(name, name): value for name, value in config.items()}
    if a.family == "t5":
        starts = dict.fromkeys(("pad_token_id", "decoder_start_token_id"), end_token_id)
        config |= {"d_kv": a.hidden_size // a.num_heads, "feed_forward_proj": "gated-gelu"} | starts
    return config
