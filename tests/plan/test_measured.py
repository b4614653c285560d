"""The memory planned, against what torch counts: in autograd's saved tensors, and in its own simulation of FSDP2."""

import sys

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from benchmarks.memory import (
    CASES,
    CONFIGS,
    STRATEGY_CASES,
    Case,
    Config,
    model_of,
    planned,
    planned_bytes,
    tracked_bytes,
    train,
)
from domainlm.plan.activations import layer_bytes
from domainlm.plan.shape import llama

FEW_TOKENS = 32
"""Pretended tensors get a causal mask, tokens x tokens, that real ones do without: kept small here."""


def saved_bytes(num_layers: int, dtype: torch.dtype) -> int:
    """Bytes that autograd saves for the backward pass, parameters apart."""
    seen: dict[int, tuple[int, torch.Tensor]] = {}
    with FakeTensorMode():
        torch.set_default_dtype(dtype)
        try:
            model = model_of(Case(num_ranks=1, layers=num_layers).architecture, 64)
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
    planned = layer_bytes(llama(Case(num_ranks=1, layers=1).architecture, 64), FEW_TOKENS, element_bytes, "none")
    assert planned == pytest.approx(each, rel=0.01)


def case_id(case: Case) -> str:
    return f"{case.parallel.strategy}-{case.num_ranks}-{case.layers}-{case.bf16}-{case.again}-{case.micro_batches}"


@pytest.mark.parametrize(
    "case",
    [
        *[pytest.param(c, marks=[pytest.mark.slow] if c.layers > 4 else [], id=case_id(c)) for c in CASES],
        *[pytest.param(c, id=case_id(c)) for c in STRATEGY_CASES],
    ],
)
def test_planned_memory_is_within_ten_percent_of_torchs_own_simulation_of_fsdp(case: Case):
    assert planned_bytes(case) == pytest.approx(tracked_bytes(case), rel=0.1)


def test_the_configurations_of_the_gpu_table_are_planned_and_can_be_trained():
    assert len(CONFIGS) >= 6
    assert all(planned(config).total > 0 for config in CONFIGS.values())
    tiny = {"hidden_size": 32, "intermediate_size": 64, "num_layers": 2, "num_heads": 2, "num_kv_heads": 2}
    for name in ("two micro-batches", "LoRA", "full checkpointing"):
        config = Config(recipe=CONFIGS[name].recipe, model=tiny)
        # On a CPU nothing counts the bytes; that it trains is what can be seen.
        assert train(config, vocab_size=64, sequence_tokens=16) is None or torch.cuda.is_available()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", CONFIGS)
def test_planned_memory_is_within_ten_percent_of_what_the_gpu_allocated(name: str):
    import json
    import subprocess

    command = [sys.executable, "benchmarks/memory.py", "--one", name]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    assert planned(CONFIGS[name]).total == pytest.approx(found, rel=0.1)
