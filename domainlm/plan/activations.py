"""Bytes that the forward pass keeps for the backward pass, layer by layer."""

from __future__ import annotations

from typing import Literal

from domainlm.plan.shape import Shape

Checkpointing = Literal["none", "selective", "full"]
"""Keep all; keep each layer's input and the results of products and attention; keep its input only."""


def layer_bytes(shape: Shape, sequence_tokens: int, element_bytes: float, checkpointing: Checkpointing) -> float:
    """Bytes that a layer keeps for each token, in elements of `element_bytes`.

    Without a gate (GPT): arXiv:2205.05198, table 2, without tensor parallelism: 34 h + 5 a s in 16 bits, dropout's
    masks included; 2 h in full. Selective: 2 h for the input, and the results of the products and of attention, 20 h.

    With a gate (Llama): counted in the same way on transformers' own layer with fused attention, where nothing
    quadratic is kept. Two norms keep their input in fp32 and what they scale; the products keep their inputs; attention
    keeps queries, keys, values and result; SiLU and the gate keep 3 f. Within 2% of what autograd saves. Selective:
    the input, and the results of seven products and of attention.

    >>> from domainlm.plan.shape import bloom
    >>> gpt = bloom(num_layers=1, hidden_size=1024, num_heads=16, vocab_size=1)
    >>> layer_bytes(gpt, 2048, 2, "none") / 1024, layer_bytes(gpt, 2048, 2, "selective") / 1024
    (194.0, 22.0)
    """
    h, f, k = shape.hidden_size, shape.intermediate_size, shape.kv_size
    if checkpointing == "full":
        return element_bytes * h
    if checkpointing == "selective":
        return element_bytes * ((5 * h + 2 * k + 2 * f) if shape.gated_mlp else (7 * h + f))
    if shape.gated_mlp:
        norms = 2 * (4 + element_bytes) * h
        return norms + element_bytes * (4 * h + 2 * k + 4 * f)
    return (34 * h + 5 * shape.num_heads * sequence_tokens) * element_bytes / 2


def ends_bytes(shape: Shape, element_bytes: float) -> float:
    """Bytes kept for each token after the layers: the last norm, the output's input, and the logits.

    Logits are kept in fp32, as logarithms of probabilities: 4 V (arXiv:2205.05198, section 4.3).
    """
    return (4 + 2 * element_bytes) * shape.hidden_size + 4 * shape.vocab_size
