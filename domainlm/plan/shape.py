"""A model's parameters, counted exactly, and the floating-point operations that a token costs it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from domainlm.specs.architecture import ArchitectureSpec, hub_config, objective_of

if TYPE_CHECKING:
    from transformers import PretrainedConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """What the arithmetic of a decoder needs to know of it."""

    num_parameters: int
    """All of them, each once: a tied embedding counts once."""
    num_layers: int
    hidden_size: int
    intermediate_size: int
    num_heads: int
    num_kv_heads: int
    vocab_size: int
    tied_embeddings: bool
    gated_mlp: bool
    """Three matrices in the feed-forward part (SwiGLU, with RMSNorm and no dropout, as in Llama) or two (as in GPT)."""
    decoder_layers: int = 0
    """Of an encoder-decoder: those of its decoder, which see the encoder beside themselves; the others are counted
    above."""

    @property
    def kv_size(self) -> int:
        """Width of the keys, and of the values."""
        return self.hidden_size // self.num_heads * self.num_kv_heads

    @property
    def root_parameters(self) -> int:
        """Embeddings, input and output: what belongs to no layer and is gathered with the root."""
        return self.vocab_size * self.hidden_size * (1 if self.tied_embeddings else 2)

    def with_vocabulary(self, vocab_size: int) -> Shape:
        """The same with embeddings of `vocab_size` rows. An output's bias, a number a row, keeps its old size."""
        rows = replace(self, vocab_size=vocab_size).root_parameters - self.root_parameters
        return replace(self, vocab_size=vocab_size, num_parameters=self.num_parameters + rows)

    @property
    def layer_parameters(self) -> int:
        """Parameters of one layer; what else there is outside the layers (the last norm) is spread over them."""
        return -(-(self.num_parameters - self.root_parameters) // self.num_layers)

    @property
    def matmul_parameters(self) -> int:
        """Weights that multiply activations: all matrices but the input embeddings, the output projection counted."""
        return self.num_layers * sum(i * o for i, o in matrices(self)) + self.vocab_size * self.hidden_size


def matrices(shape: Shape) -> list[tuple[int, int]]:
    """(inputs, outputs) of each matrix of one layer: query, key, value, output; then the feed-forward part."""
    wide, inner = shape.hidden_size, shape.intermediate_size
    attention = [(wide, wide), (wide, shape.kv_size), (wide, shape.kv_size), (wide, wide)]
    return [*attention, *[(wide, inner)] * (2 if shape.gated_mlp else 1), (inner, wide)]


def llama(architecture: ArchitectureSpec, vocab_size: int) -> Shape:
    """The shape of a Llama made from scratch; `num_parameters` is exactly that of transformers' `LlamaForCausalLM`."""
    a = architecture
    kv_size = a.hidden_size // a.num_heads * a.kv_heads
    attention = 2 * a.hidden_size**2 + 2 * a.hidden_size * kv_size
    layer = attention + 3 * a.hidden_size * a.intermediate_size + 2 * a.hidden_size
    embeddings = vocab_size * a.hidden_size * (1 if a.tie_embeddings else 2)
    return Shape(
        num_parameters=embeddings + a.num_layers * layer + a.hidden_size,
        num_layers=a.num_layers,
        hidden_size=a.hidden_size,
        intermediate_size=a.intermediate_size,
        num_heads=a.num_heads,
        num_kv_heads=a.kv_heads,
        vocab_size=vocab_size,
        tied_embeddings=a.tie_embeddings,
        gated_mlp=True,
    )


def bloom(*, num_layers: int, hidden_size: int, num_heads: int, vocab_size: int) -> Shape:
    """The shape of a BLOOM: GPT with ALiBi, biases, a norm after the embeddings, and tied embeddings.

    A layer has 12 h^2 + 13 h parameters. BloombergGPT is one (arXiv:2303.17564: 50.6B):

    >>> bloom(num_layers=70, hidden_size=7680, num_heads=40, vocab_size=2**17).num_parameters
    50558868480
    """
    layers = num_layers * (12 * hidden_size**2 + 13 * hidden_size)
    return Shape(
        num_parameters=vocab_size * hidden_size + 2 * hidden_size + layers + 2 * hidden_size,
        num_layers=num_layers,
        hidden_size=hidden_size,
        intermediate_size=4 * hidden_size,
        num_heads=num_heads,
        num_kv_heads=num_heads,
        vocab_size=vocab_size,
        tied_embeddings=True,
        gated_mlp=False,
    )


def from_architecture(architecture: ArchitectureSpec, vocab_size: int) -> Shape:
    """The shape of a model made from scratch, of whatever family."""
    a = architecture
    if a.family == "llama":
        return llama(a, vocab_size)
    if a.family == "bloom":
        return bloom(num_layers=a.num_layers, hidden_size=a.hidden_size, num_heads=a.num_heads, vocab_size=vocab_size)
    from transformers import AutoConfig

    return _from_config(AutoConfig.for_model(**hub_config(a, vocab_size=vocab_size, end_token_id=0)))


def from_folder(folder: Path) -> Shape:
    """The shape of the model in `folder`, counted on the real model without its weights (on the meta device)."""
    from transformers import AutoConfig

    return _from_config(AutoConfig.from_pretrained(folder, trust_remote_code=False))


def _from_config(config: PretrainedConfig) -> Shape:
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM

    loaders = {"causal": AutoModelForCausalLM, "masked": AutoModelForMaskedLM, "span_corruption": AutoModelForSeq2SeqLM}
    with torch.device("meta"):
        model = loaders[objective_of(config.model_type)].from_config(config, trust_remote_code=False)
    heads = config.num_attention_heads
    outputs = model.get_output_embeddings()
    return Shape(
        num_parameters=sum(p.numel() for p in model.parameters()),
        num_layers=config.num_hidden_layers,
        decoder_layers=config.num_decoder_layers if config.is_encoder_decoder else 0,
        hidden_size=config.hidden_size,
        # GPT-2 and BLOOM leave out, or leave None, what is four times their width.
        intermediate_size=getattr(config, "intermediate_size", None)
        or getattr(config, "n_inner", None)
        or getattr(config, "d_ff", None)
        or 4 * config.hidden_size,
        num_heads=heads,
        num_kv_heads=getattr(config, "num_key_value_heads", None) or heads,
        vocab_size=config.vocab_size,
        tied_embeddings=outputs is not None and outputs.weight is model.get_input_embeddings().weight,
        gated_mlp=any("gate_" in name or ".wi_1." in name for name, _ in model.named_parameters())
        or config.model_type == "modernbert",
    )


def flops_per_token(shape: Shape, sequence_tokens: int, *, recompute: bool = False) -> int:
    """FLOPs that training takes a token: 6 N + 12 L d T, forward and backward (arXiv:2204.02311, appendix B).

    N: weights that multiply activations; L layers of width d; T tokens in a row, causal attention counted in full.
    With `recompute`, activation checkpointing's second forward: 8 N + 16 L d T, what the hardware does, and no part of
    the model's FLOPs by which utilisation (MFU) is counted. An encoder-decoder's are those of span corruption: its
    encoder reads 0.9 of the text's tokens, its decoder writes 0.2.
    """
    once = _forward(shape, sequence_tokens)
    return round(once * (4 if recompute else 3))


_READ, _WRITTEN = 0.9, 0.2
"""Tokens that the encoder reads and the decoder writes, for each of the text: 15% are hidden in spans of three, each
with a sentinel on either side (arXiv:1910.10683, section 3.1.4)."""


def _forward(shape: Shape, sequence_tokens: int) -> float:
    scores = 4 * shape.hidden_size * sequence_tokens
    if not shape.decoder_layers:
        return 2 * shape.matmul_parameters + shape.num_layers * scores
    wide, kv, layer = shape.hidden_size, shape.kv_size, sum(i * o for i, o in matrices(shape))
    encoder = shape.num_layers * _READ * (2 * layer + _READ * scores)
    # Beside its own layer, a decoder's asks the encoder: query and output for what is written, keys and values of what
    # is read.
    asked = 2 * (2 * wide**2 * _WRITTEN + 2 * wide * kv * _READ) + _WRITTEN * _READ * scores
    decoder = shape.decoder_layers * (_WRITTEN * (2 * layer + _WRITTEN * scores) + asked)
    return encoder + decoder + 2 * _WRITTEN * shape.vocab_size * wide
