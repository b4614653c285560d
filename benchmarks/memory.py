"""The memory that `domainlm plan` plans, against what torch counts: on a GPU, and in its own simulation of FSDP2.

On a GPU: `max_memory_allocated` of real steps of our trainer in twelve configurations, each in a process of its own.
Anywhere: torch's FSDPMemTracker over a fake process group of up to 512 ranks, which pretends to all but the sizes.
Prints both tables and, as its last line, one JSON object. `--one NAME` is what each process of the first runs.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from rich.console import Console
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.fsdp2_mem_tracker import FSDPMemTracker
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.testing._internal.distributed.fake_pg import FakeStore
from transformers import LlamaConfig, LlamaForCausalLM

from domainlm.plan.memory import PRECISIONS, Memory, memory, strategies, strategy_of, with_8bit_adam
from domainlm.plan.shape import llama
from domainlm.plan.wording import count, table
from domainlm.specs.architecture import ArchitectureSpec
from domainlm.specs.recipe import ParallelSpec, RecipeSpec
from domainlm.train.parallel import Place, accumulate, mesh_of

VOCAB_SIZE = 32000
WIDE = {"hidden_size": 1024, "intermediate_size": 2816, "num_layers": 24, "num_heads": 16, "num_kv_heads": 16}
SMALL = {"hidden_size": 768, "intermediate_size": 2048, "num_layers": 12, "num_heads": 12, "num_kv_heads": 12}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """One training whose memory is planned and measured on a GPU."""

    recipe: dict[str, Any] = field(default_factory=dict)
    """What differs from bf16, 8 rows of 1,024 tokens, one micro-batch."""
    model: dict[str, int] = field(default_factory=lambda: dict(SMALL))
    rows: int = 8


CONFIGS = {
    "fp32": Config(recipe={"precision": "fp32"}),
    "bf16": Config(),
    "bf16, 32 rows": Config(rows=32),
    "full checkpointing": Config(recipe={"checkpointing": "full"}, rows=32),
    "selective checkpointing": Config(recipe={"checkpointing": "selective"}, rows=32),
    "two micro-batches": Config(recipe={"micro_batch_rows": 4}),
    "8-bit Adam": Config(recipe={"optimizer": "adamw8bit"}),
    "LoRA": Config(recipe={"lora": {"rank": 16}}),
    "offload": Config(recipe={"parallel": {"offload": True}}),
    "370M": Config(model=WIDE),
    "370M, full checkpointing": Config(model=WIDE, recipe={"checkpointing": "full"}, rows=16),
    "370M, 8-bit Adam": Config(model=WIDE, recipe={"optimizer": "adamw8bit"}),
}
SEQUENCE_TOKENS = 1024


def recipe_of(config: Config, sequence_tokens: int = SEQUENCE_TOKENS) -> RecipeSpec:
    usual = {"sequence_tokens": sequence_tokens, "batch_tokens": config.rows * sequence_tokens, "precision": "bf16"}
    usual |= {"micro_batch_rows": config.rows, "schedule": {"peak": 1e-4}}
    return RecipeSpec.model_validate(usual | config.recipe)


def architecture_of(config: Config, sequence_tokens: int = SEQUENCE_TOKENS) -> ArchitectureSpec:
    return ArchitectureSpec.model_validate({"family": "llama", "max_position": sequence_tokens} | config.model)


def planned(config: Config) -> Memory:
    """By `domainlm plan`."""
    recipe = recipe_of(config)
    precision = PRECISIONS["fp32" if recipe.precision == "fp32" else "bf16"]
    return memory(
        llama(architecture_of(config), VOCAB_SIZE),
        strategy_of(recipe.parallel, 1),
        precision=with_8bit_adam(precision) if recipe.optimizer == "adamw8bit" else precision,
        rows=recipe.micro_batch_rows,
        sequence_tokens=recipe.sequence_tokens,
        checkpointing=recipe.checkpointing,
        micro_batches=config.rows // recipe.micro_batch_rows,
        lora_rank=recipe.lora.rank if recipe.lora is not None else None,
    )


def train(config: Config, *, vocab_size: int = VOCAB_SIZE, sequence_tokens: int = SEQUENCE_TOKENS) -> int | None:
    """Bytes that two steps of our trainer take at most on the GPU; None where there is none."""
    from domainlm.mix.pack import batch_of_segments
    from domainlm.train import lora, model, optimizer, parallel
    from domainlm.train.objectives import causal
    from domainlm.train.packed import Setting

    recipe, place = recipe_of(config, sequence_tokens), parallel.join()
    architecture = architecture_of(config, sequence_tokens)
    made, prepare = model.from_architecture(architecture, vocab_size=vocab_size, end_token_id=0, seed=1)
    if recipe.lora is not None:
        lora.adapt(made, recipe.lora, 1)
    learner = model.Learner(made, causal.logits)
    parallel.shard(model.parts(learner, made, prepare), place=place, precision=recipe.precision, recipe=recipe)
    adam = optimizer.adamw(learner, recipe)
    setting = Setting(seed=1, vocab_size=vocab_size, end_token_id=0, special_ids=(), start_token_id=0)
    rng, rows = np.random.default_rng(0), recipe.micro_batch_rows
    for _ in range(2):
        for last in [*[False] * (config.rows // rows - 1), True]:
            batch = batch_of_segments(
                rng.integers(vocab_size, size=(rows, sequence_tokens)),
                np.full(rows, 1),
                [0] * rows,
                [1] * rows,
                [sequence_tokens] * rows,
                source_B=np.zeros(rows, np.int32),
                row_B=np.arange(rows),
            )
            inputs = {name: tensor.to(place.device) for name, tensor in causal.inputs(batch, setting).items()}
            parallel.accumulate(learner, recipe.parallel, last=last)
            learner(inputs).backward()
        optimizer.clip(learner, recipe.clip_norm)
        optimizer.step(adam, 1e-4)
    dist.destroy_process_group()
    return torch.cuda.max_memory_allocated() if place.device.type == "cuda" else None


# Simulated


def model_of(a: ArchitectureSpec, vocab_size: int) -> LlamaForCausalLM:
    """The plain model, whose tensors a fake mode may only pretend to have."""
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One training that is simulated."""

    num_ranks: int
    layers: int = 3
    vocab_size: int = 4096
    rows: int = 8
    bf16: bool = True
    again: bool = False
    """With full activation checkpointing."""
    tied: bool = False
    micro_batches: int = 1
    parallel: ParallelSpec = field(default_factory=lambda: ParallelSpec(accumulate="whole"))

    @property
    def architecture(self) -> ArchitectureSpec:
        # As many key heads as heads: attention on CPUs repeats shared ones, which GPUs do not.
        return ArchitectureSpec(
            family="llama",
            hidden_size=512,
            intermediate_size=1408,
            num_layers=self.layers,
            num_heads=8,
            num_kv_heads=8,
            max_position=SIMULATED_TOKENS,
            tie_embeddings=self.tied,
        )


SIMULATED_TOKENS = 256
CASES = (
    Case(num_ranks=1),
    Case(num_ranks=1, bf16=False, again=True),
    Case(num_ranks=8),
    Case(num_ranks=8, again=True),
    Case(num_ranks=8, vocab_size=32000, rows=2, bf16=False, tied=True),
    Case(num_ranks=512, layers=4, vocab_size=32000, rows=2, again=True),
    Case(num_ranks=8, rows=2, again=True, micro_batches=2),
    Case(num_ranks=8, rows=2, bf16=False, tied=True, micro_batches=2),
    Case(num_ranks=64, layers=12, again=True, tied=True),
    Case(num_ranks=512, layers=12, bf16=False),
)
STRATEGY_CASES = tuple(
    Case(num_ranks=8, bf16=bf16, micro_batches=micro_batches, parallel=ParallelSpec(strategy=kind))
    for kind in ("fsdp", "zero2", "ddp")
    for bf16 in (True, False)
    for micro_batches in (1, 2)
)


def tracked_bytes(case: Case) -> int:
    """torch's own count of the peak of forward and backward passes."""
    policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32) if case.bf16 else MixedPrecisionPolicy()
    parallel = case.parallel
    with pretended_ranks(case.num_ranks):
        mesh = mesh_of(parallel, Place(rank=0, num_ranks=case.num_ranks, device=torch.device("cpu")))
        with FakeTensorMode():
            model = model_of(case.architecture, case.vocab_size)
            if case.again:
                model.activation_checkpointing_enable()
            learner = Learner(model)
            kept = False if parallel.strategy == "zero2" else None
            for part in (*model.model.layers, learner):
                fully_shard(part, mesh=mesh, mp_policy=policy, reshard_after_forward=kept)
            tracker = FSDPMemTracker(learner)
            input_BT = torch.zeros(case.rows, SIMULATED_TOKENS, dtype=torch.long)
            tracker.track_inputs((input_BT,))
            with tracker:
                for index in range(case.micro_batches):
                    accumulate(learner, parallel, last=index == case.micro_batches - 1)
                    learner(input_BT).backward()
                    tracker.reset_mod_stats()
            return tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"]


def planned_bytes(case: Case) -> int:
    """The plan's figure for the same."""
    spread = strategies(case.num_ranks)
    alone = case.num_ranks == 1
    return memory(
        llama(case.architecture, case.vocab_size),
        next(s for s in spread if s.name == "one GPU") if alone else strategy_of(case.parallel, case.num_ranks),
        # No optimizer: the tracker counts what sharding propagation pretends to in its step, which no GPU holds.
        precision=dataclasses.replace(PRECISIONS["bf16" if case.bf16 else "fp32"], optimizer_bytes=0),
        rows=case.rows,
        sequence_tokens=SIMULATED_TOKENS,
        checkpointing="full" if case.again else "none",
        micro_batches=case.micro_batches,
        accumulate=case.parallel.accumulate,
    ).total


def simulated() -> list[dict[str, Any]]:
    rows = []
    for case in (*CASES, *STRATEGY_CASES):
        rows.append(
            {
                "ranks": case.num_ranks,
                "strategy": case.parallel.strategy if case.num_ranks > 1 else "single",
                "precision": "bf16" if case.bf16 else "fp32",
                "checkpointing": "full" if case.again else "none",
                "layers": case.layers,
                "micro_batches": case.micro_batches,
                "planned": planned_bytes(case),
                "torch": tracked_bytes(case),
            }
        )
    return rows


def measured() -> list[dict[str, Any]]:
    """Each configuration on the GPU, in a process of its own."""
    rows = []
    for name, config in CONFIGS.items():
        command = [sys.executable, __file__, "--one", name]
        child = subprocess.run(command, capture_output=True, text=True, timeout=300)
        found = json.loads(child.stdout.splitlines()[-1]) if child.returncode == 0 else child.stderr[-300:]
        plan = planned(config).total
        rows.append({"config": name, "planned": plan, "torch": found})
        print(f"{name}: planned {plan / 1e9:.3f} GB, {found}", flush=True)
    return rows


_SHORT = {
    "strategy": "strategy",
    "precision": "preci-\nsion",
    "checkpointing": "again",
    "micro_batches": "micro-\nbatches",
}


def _table(title: str, rows: list[dict[str, Any]]) -> Any:
    names = [name for name in rows[0] if name not in ("planned", "torch")]
    figures = (
        (f"{row['planned'] / 1e6:,.0f}", f"{row['torch'] / 1e6:,.0f}", f"{row['planned'] / row['torch']:.3f}")
        if isinstance(row["torch"], int)
        else (f"{row['planned'] / 1e6:,.0f}", "failed", "")
        for row in rows
    )
    return table(
        title,
        (*(_SHORT.get(name, name) for name in names), "planned\nMB", "torch\nMB", "ratio"),
        ((*(str(row[name]) for name in names), *of) for row, of in zip(rows, figures, strict=True)),
        words=range(len(names)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", help="only this configuration, on the GPU: its bytes")
    name = parser.parse_args().one
    if name is not None:
        print(json.dumps(train(CONFIGS[name])))
        return
    warnings.simplefilter("ignore")
    result: dict[str, Any] = {"simulated": simulated(), "measured": None}
    if torch.cuda.is_available():
        result |= {"measured": measured(), "device": torch.cuda.get_device_name()}
        Console().print(_table(f"max_memory_allocated, {result['device']}", result["measured"]))
    else:
        sizes = {count(llama(architecture_of(config), VOCAB_SIZE).num_parameters) for config in CONFIGS.values()}
        print(f"No CUDA device: {len(CONFIGS)} configurations ({', '.join(sorted(sizes))}) are not measured.")
    Console().print(_table("torch's simulation of FSDP2", result["simulated"]))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
