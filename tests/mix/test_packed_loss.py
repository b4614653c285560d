"""What packing promises, seen by a model: a real Llama, small enough for a second."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from domainlm.mix.loader import batches
from domainlm.specs.mix import MixSpec

T, DOCS = 16, {"law/acts": [3, 9, 2, 30, 22, 5, 5, 40], "web/pages": [7, 60, 2, 16, 17, 4]}


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    made = LlamaForCausalLM(LlamaConfig(vocab_size=4096, max_position_embeddings=64, **sizes)).eval()
    with torch.no_grad():
        # First weights are so small that attention hardly matters; larger ones show any leak between documents.
        for parameter in made.parameters():
            parameter.mul_(10 if parameter.ndim > 1 else 1)
    return made


def loss_sum(model, tokens: np.ndarray, positions: np.ndarray, targets: np.ndarray) -> tuple[float, int]:
    with torch.no_grad():
        logits = model(
            torch.from_numpy(tokens), position_ids=torch.from_numpy(positions).long(), use_cache=False
        ).logits
    labels = torch.from_numpy(targets)
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-1, reduction="sum").item(), int(
        (labels >= 0).sum()
    )


@pytest.mark.parametrize("packing", ["concat", "best_fit"])
def test_the_loss_of_packed_rows_is_that_of_their_documents_one_by_one(model, tokens_of, mix_of, packing):
    """To 1e-5 of the loss: fp32 sums over 32 places in another order, through two layers."""
    tokens = tokens_of(DOCS)
    ratio = {"law": 0.5, "web": 0.5}
    spec = MixSpec(name="test", token_ratio=ratio, budget_tokens=T * 16, packing=packing)
    mix = mix_of(spec, tokens, sequence_tokens=T)
    packed = alone = 0.0
    num_packed = num_alone = 0
    for (batch,) in batches(mix, tokens, rank=0, num_ranks=1, micro_batch_rows=8, start_row=0):
        loss, count = loss_sum(model, batch.tokens_BT, batch.position_BT, batch.target_BT)
        packed, num_packed = packed + loss, num_packed + count
        # The documents as the cumulative lengths part them, each by itself.
        flat_tokens, flat_targets = batch.tokens_BT.reshape(-1), batch.target_BT.reshape(-1)
        for start, stop in zip(batch.cu_seqlens[:-1], batch.cu_seqlens[1:], strict=True):
            piece, targets = flat_tokens[None, start:stop], flat_targets[None, start:stop]
            if (targets >= 0).any():
                loss, count = loss_sum(model, piece, np.arange(stop - start)[None], targets)
                alone, num_alone = alone + loss, num_alone + count
    assert num_packed == num_alone > 200
    assert packed == pytest.approx(alone, rel=1e-5)


def test_a_leak_between_documents_would_show(model, tokens_of, mix_of):
    tokens = tokens_of(DOCS)
    mix = mix_of(MixSpec(name="test", token_ratio={"law": 1.0}, budget_tokens=T * 8), tokens, sequence_tokens=T)
    ((batch,),) = batches(mix, tokens, rank=0, num_ranks=1, micro_batch_rows=8, start_row=0)
    right, _ = loss_sum(model, batch.tokens_BT, batch.position_BT, batch.target_BT)
    whole = np.broadcast_to(np.arange(T), batch.tokens_BT.shape).copy()
    assert abs(loss_sum(model, batch.tokens_BT, whole, batch.target_BT)[0] - right) > 1e-3 * right
