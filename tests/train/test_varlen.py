"""The kernel itself is a GPU's: here the same lengths go to torch's attention, sequence by sequence."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from domainlm import named
from domainlm.train import model as models
from domainlm.train import varlen
from domainlm.train.packed import Inputs

from .test_families import SETTING, batch_of, model_of

CPU = torch.device("cpu")


def one_by_one(query: Tensor, key: Tensor, value: Tensor, cu: Tensor, longest: int, scale: float | None) -> Tensor:
    assert cu.dtype == torch.int32 and max(b - a for a, b in pairwise(cu.tolist())) <= longest
    return torch.cat(
        [
            functional.scaled_dot_product_attention(
                *(t[begin:end].transpose(0, 1) for t in (query, key, value)), is_causal=True, scale=scale
            ).transpose(0, 1)
            for begin, end in pairwise(cu.tolist())
        ]
    )


def gradients(family: str, *, own: bool, begins: list[list[int]]) -> dict[str, Tensor]:
    model, objective, batch = model_of(family), named.load("domainlm.train.objectives", "causal"), batch_of(begins)
    if own:
        model.set_attn_implementation(varlen.NAME)
    inputs: Inputs = {**objective.inputs(batch, SETTING), "cu_seqlens": torch.from_numpy(batch.cu_seqlens)}
    loss = models.Learner(model, objective.logits)(inputs)
    loss.backward()
    return {"loss": loss.detach(), **{n: p.grad for n, p in model.named_parameters() if p.grad is not None}}


@pytest.mark.parametrize("family", sorted(varlen._FAMILIES))
def test_by_lengths_a_model_learns_what_it_does_by_masks(family: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(varlen, "_varlen", one_by_one)
    begins = [[0, 11, 12, 30], [0, 20]]
    ours, masked = (gradients(family, own=own, begins=begins) for own in (True, False))
    for name, theirs in masked.items():
        most = max(1e-5 * theirs.abs().max().item(), 1e-6)
        torch.testing.assert_close(ours[name], theirs, rtol=1e-4, atol=most, msg=f"{family}, {name}")


def test_rows_of_one_document_are_left_to_causal_attention(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(varlen, "_varlen", lambda *_: pytest.fail("lengths for documents that are rows"))
    ours, masked = (gradients("llama", own=own, begins=[[0], [0]]) for own in (True, False))
    torch.testing.assert_close(ours["loss"], masked["loss"])


def test_a_model_that_is_not_told_of_documents_does_not_run():
    model = model_of("llama")
    model.set_attn_implementation(varlen.NAME)
    with pytest.raises(AssertionError):
        model(input_ids=torch.ones(1, 8, dtype=torch.long), use_cache=False)


def test_a_kernel_that_lets_documents_see_each_other_is_found_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(varlen, "_varlen", one_by_one)
    assert varlen._difference(CPU) == ""
    rows = torch.tensor([0, 96, 192], dtype=torch.int32)
    monkeypatch.setattr(varlen, "_varlen", lambda q, k, v, cu, longest, scale: one_by_one(q, k, v, rows, 96, scale))
    assert "away from attention" in varlen._difference(CPU)


def test_where_there_is_no_kernel_it_says_so_and_a_model_keeps_its_masks():
    assert "cannot run" in varlen._difference(CPU)
    model = model_of("llama")
    assert varlen.choose(model, CPU, "bf16") == "" and model.config._attn_implementation != varlen.NAME


def test_this_torch_takes_the_call():
    query, key, value = torch.empty(3, 12, 4, 64, dtype=torch.bfloat16, device="meta")
    lengths = torch.empty(4, dtype=torch.int32, device="meta")
    assert varlen._varlen(query, key, value, lengths, 8, 0.3).shape == (12, 4, 64)
