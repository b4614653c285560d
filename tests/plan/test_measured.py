"""The memory planned, against what torch counts: in autograd's saved tensors, and in its own simulation of FSDP2."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.fsdp2_mem_tracker import FSDPMemTracker
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.testing._internal.distributed.fake_pg import FakeStore
from transformers import LlamaConfig, LlamaForCausalLM

from domainlm.plan.activations import layer_bytes
from domainlm.plan.memory import PRECISIONS, memory, strategies, strategy_of
from domainlm.plan.shape import llama
from domainlm.specs.recipe import ParallelSpec
from domainlm.specs.run import ArchitectureSpec
from domainlm.train.parallel import Place, accumulate, mesh_of

TOKENS = 256
FEW_TOKENS = 32
"""Pretended tensors get a causal mask, tokens x tokens, that real ones do without: kept small here."""


def architecture(num_layers: int, tied: bool = False) -> ArchitectureSpec:
    # As many key heads as heads: attention on CPUs repeats shared ones, which GPUs do not.
    return ArchitectureSpec(
        family="llama",
        hidden_size=512,
        intermediate_size=1408,
        num_layers=num_layers,
        num_heads=8,
        num_kv_heads=8,
        max_position=TOKENS,
        tie_embeddings=tied,
    )


def model_of(a: ArchitectureSpec, vocab_size: int) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=a.hidden_size,
        intermediate_size=a.intermediate_size,
        num_hidden_layers=a.num_layers,
        num_attention_heads=a.num_heads,
        num_key_value_heads=a.num_kv_heads,
        max_position_embeddings=a.max_position,
        tie_word_embeddings=a.tie_embeddings,
    )
    return LlamaForCausalLM(config)


def saved_bytes(num_layers: int, dtype: torch.dtype) -> int:
    """Bytes that autograd saves for the backward pass, parameters apart."""
    seen: dict[int, tuple[int, torch.Tensor]] = {}
    with FakeTensorMode():
        torch.set_default_dtype(dtype)
        try:
            model = model_of(architecture(num_layers), 64)
        finally:
            torch.set_default_dtype(torch.float32)
        parameters = {p.untyped_storage()._cdata for p in model.parameters()}

        def note(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage._cdata not in parameters:
                seen[storage._cdata] = (storage.nbytes(), tensor)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            model(input_ids=torch.zeros(1, FEW_TOKENS, dtype=torch.long), use_cache=False).logits.sum()
        return sum(num_bytes for num_bytes, _ in seen.values())


@pytest.mark.parametrize(("dtype", "element_bytes"), [(torch.bfloat16, 2), (torch.float32, 4)])
def test_a_llama_layers_activations_are_what_autograd_saves(dtype, element_bytes):
    each = (saved_bytes(2, dtype) - saved_bytes(1, dtype)) / FEW_TOKENS
    # 1%: attention's normalisers, the norms' scales and the mask, none of which grow with the width.
    planned = layer_bytes(llama(architecture(1), 64), FEW_TOKENS, element_bytes, "none")
    assert planned == pytest.approx(each, rel=0.01)


class Learner(nn.Module):
    """The root: as in training, its forward ends in the loss."""

    def __init__(self, model: LlamaForCausalLM):
        super().__init__()
        self.model = model

    def forward(self, input_BT: torch.Tensor) -> torch.Tensor:
        logits_BTV = self.model(input_ids=input_BT, use_cache=False).logits
        return nn.functional.cross_entropy(logits_BTV.float().flatten(0, 1), input_BT.flatten(), reduction="sum")


@contextmanager
def pretended_ranks(num_ranks: int) -> Iterator[None]:
    dist.init_process_group("fake", rank=0, world_size=num_ranks, store=FakeStore())
    try:
        yield
    finally:
        dist.destroy_process_group()


def tracked_bytes(
    a: ArchitectureSpec,
    *,
    vocab_size: int,
    num_ranks: int,
    rows: int,
    bf16: bool,
    again: bool,
    micro_batches: int = 1,
    parallel: ParallelSpec = ParallelSpec(),
) -> int:
    """torch's own count of the peak of forward and backward passes; it pretends to all but the sizes."""
    policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32) if bf16 else MixedPrecisionPolicy()
    with pretended_ranks(num_ranks):
        mesh = mesh_of(parallel, Place(rank=0, num_ranks=num_ranks, device=torch.device("cpu")))
        with FakeTensorMode():
            model = model_of(a, vocab_size)
            if again:
                model.activation_checkpointing_enable()
            learner = Learner(model)
            kept = False if parallel.strategy == "zero2" else None
            for part in (*model.model.layers, learner):
                fully_shard(part, mesh=mesh, mp_policy=policy, reshard_after_forward=kept)
            tracker = FSDPMemTracker(learner)
            input_BT = torch.zeros(rows, TOKENS, dtype=torch.long)
            tracker.track_inputs((input_BT,))
            with tracker:
                for index in range(micro_batches):
                    accumulate(learner, parallel, last=index == micro_batches - 1)
                    learner(input_BT).backward()
                    tracker.reset_mod_stats()
            return tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"]


@pytest.mark.parametrize(
    ("num_ranks", "layers", "vocab_size", "rows", "bf16", "again", "tied", "micro_batches"),
    [
        (1, 3, 4096, 8, True, False, False, 1),
        (1, 3, 4096, 8, False, True, False, 1),
        (8, 3, 4096, 8, True, False, False, 1),
        (8, 3, 4096, 8, True, True, False, 1),
        (8, 3, 32000, 2, False, False, True, 1),
        (512, 4, 32000, 2, True, True, False, 1),
        (8, 3, 4096, 2, True, True, False, 2),
        (8, 3, 4096, 2, False, False, True, 2),
        pytest.param(64, 12, 4096, 8, True, True, True, 1, marks=pytest.mark.slow),
        pytest.param(512, 12, 4096, 8, False, False, False, 1, marks=pytest.mark.slow),
    ],
)
def test_planned_memory_is_within_ten_percent_of_torchs_own_simulation_of_fsdp(
    num_ranks, layers, vocab_size, rows, bf16, again, tied, micro_batches
):
    a = architecture(layers, tied)
    asked = {"vocab_size": vocab_size, "num_ranks": num_ranks, "rows": rows, "bf16": bf16, "again": again}
    tracked = tracked_bytes(a, **asked, micro_batches=micro_batches, parallel=ParallelSpec(accumulate="whole"))
    planned = memory(
        llama(a, vocab_size),
        next(s for s in strategies(num_ranks) if s.name in ("one GPU", "ZeRO-3")),
        # No optimizer: the tracker counts what sharding propagation pretends to in its step, which no GPU holds.
        precision=dataclasses.replace(PRECISIONS["bf16" if bf16 else "fp32"], optimizer_bytes=0),
        rows=rows,
        sequence_tokens=TOKENS,
        checkpointing="full" if again else "none",
        micro_batches=micro_batches,
        accumulate="whole",
    )
    assert planned.total == pytest.approx(tracked, rel=0.1)


@pytest.mark.parametrize("micro_batches", [1, 2])
@pytest.mark.parametrize("bf16", [True, False])
@pytest.mark.parametrize("kind", ["fsdp", "zero2", "ddp"])
def test_planned_memory_of_each_strategy_is_within_ten_percent_of_torchs_own_simulation(kind, bf16, micro_batches):
    a, parallel = architecture(3), ParallelSpec(strategy=kind)
    asked = {"vocab_size": 4096, "num_ranks": 8, "rows": 8, "bf16": bf16, "again": False}
    tracked = tracked_bytes(a, **asked, micro_batches=micro_batches, parallel=parallel)
    planned = memory(
        llama(a, 4096),
        strategy_of(parallel, 8),
        precision=dataclasses.replace(PRECISIONS["bf16" if bf16 else "fp32"], optimizer_bytes=0),
        rows=8,
        sequence_tokens=TOKENS,
        micro_batches=micro_batches,
    )
    assert planned.total == pytest.approx(tracked, rel=0.1)
