"""One model over all ranks by FSDP2, NCCL between GPUs and gloo between CPUs: every strategy is a mesh and a flag.

DDP is the same code: a mesh of one shard and as many replicas as there are ranks. One process on a CPU needs none of it
and does without: its weights are used in bf16 and kept in fp32 as FSDP2's are, to the same bits.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.attention.varlen  # registers an operator that is named below
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import CPUOffloadPolicy, FSDPModule, MixedPrecisionPolicy, OffloadPolicy, fully_shard
from torch.utils._pytree import tree_map
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from domainlm.errors import StageError
from domainlm.specs.recipe import ParallelSpec, RecipeSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where this process stands among its peers."""

    rank: int
    num_ranks: int
    device: torch.device


def join() -> Place:
    """Meet the other ranks that torchrun started; alone, without torchrun, be the only one."""
    device, backend = torch.device("cpu"), "gloo"
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
        # Gloo beside NCCL: what lies in the CPU's memory is sent from there.
        backend = "cpu:gloo,cuda:nccl"
    if "RANK" in os.environ:
        dist.init_process_group(backend)
    else:
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    return Place(rank=dist.get_rank(), num_ranks=dist.get_world_size(), device=device)


def mesh_of(parallel: ParallelSpec, place: Place) -> DeviceMesh:
    """The ranks as a line that shares one model, or as replicas by shards. StageError where they don't divide."""
    ranks = place.num_ranks
    if parallel.strategy == "single" and ranks != 1:
        raise StageError(f"`strategy: single` is one process, and these are {ranks}")
    if parallel.strategy not in ("ddp", "hybrid"):
        return init_device_mesh(place.device.type, (ranks,), mesh_dim_names=("shard",))
    shard_ranks = parallel.shard_ranks or 1
    if ranks % shard_ranks:
        raise StageError(f"{ranks} ranks do not divide into groups of `shard_ranks: {shard_ranks}`")
    return init_device_mesh(
        place.device.type, (ranks // shard_ranks, shard_ranks), mesh_dim_names=("replicate", "shard")
    )


def shard(parts: Iterable[nn.Module], *, place: Place, precision: str, recipe: RecipeSpec) -> None:
    """Shard each part in place as it comes, layers first and the root last; what a rank has not yet been handed costs
    it nothing.

    In bf16, weights are gathered and used in bf16; they are kept, and gradients reduced, in fp32.
    """
    parallel, mesh = recipe.parallel, mesh_of(recipe.parallel, place)
    alone = is_alone(place)
    policy = MixedPrecisionPolicy() if precision == "fp32" else MixedPrecisionPolicy(torch.bfloat16, torch.float32)
    offload = CPUOffloadPolicy(pin_memory=place.device.type != "cpu") if parallel.offload else OffloadPolicy()
    kept = False if parallel.strategy == "zero2" else None
    for part in parts:
        if not hasattr(part, "logits"):  # a layer, and not the root
            _recompute(part, recipe.checkpointing)
            if recipe.compile:
                # Compiled as a whole, Hugging Face models lose the causal kernel of attention; parameters keep names.
                part.compile()
        if alone:
            if precision != "fp32":
                part.register_forward_pre_hook(_in_bf16, with_kwargs=True)
            continue
        fully_shard(part, mesh=mesh, mp_policy=policy, offload_policy=offload, reshard_after_forward=kept)


def _recompute(layer: nn.Module, checkpointing: str) -> None:
    """Let a layer keep less for its backward pass; inside its hooks and its name, so that nothing else is changed."""
    contexts = {"context_fn": partial(create_selective_checkpoint_contexts, _keep_products)}
    if checkpointing != "none":
        chosen: dict[str, Any] = contexts if checkpointing == "selective" else {}
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False, **chosen)


_PRODUCTS = frozenset(
    {
        torch.ops.aten.mm.default,
        torch.ops.aten.addmm.default,
        torch.ops.aten._scaled_mm.default,
        torch.ops.aten._scaled_dot_product_flash_attention.default,
        torch.ops.aten._scaled_dot_product_efficient_attention.default,
        torch.ops.aten._scaled_dot_product_cudnn_attention.default,
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default,
        torch.ops.torch_attn._varlen_attn.default,
    }
)


def _keep_products(_context: Any, operator: Any, *_args: Any, **_kwargs: Any) -> CheckpointPolicy:
    return CheckpointPolicy.MUST_SAVE if operator in _PRODUCTS else CheckpointPolicy.PREFER_RECOMPUTE


def is_alone(place: Place) -> bool:
    """Whether there is nothing to shard, and no memory of a GPU to spare: FSDP2 would only cost 3% of the time."""
    return place.num_ranks == 1 and place.device.type == "cpu"


def _in_bf16(_part: nn.Module, given: Any, named: Any) -> Any:
    return tree_map(lambda value: value.bfloat16() if _is_float(value) else value, (given, named))


def _is_float(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()


@contextmanager
def used(root: nn.Module, precision: str) -> Iterator[None]:
    """Within it, forward and backward, a model that is not sharded has its weights in what it computes in."""
    if isinstance(root, FSDPModule) or precision == "fp32":
        yield
        return
    kept = [(module, name, p) for module in root.modules() for name, p in module._parameters.items() if p is not None]
    casts: Any = {p: p.to(torch.bfloat16) for _, _, p in kept}
    try:
        for module, name, p in kept:
            module._parameters[name] = casts[p]
        yield
    finally:
        for module, name, p in kept:
            module._parameters[name] = p


def accumulate(root: nn.Module, parallel: ParallelSpec, *, last: bool) -> None:
    """Say what the backward pass of a micro-batch does with its gradients: `last` is whether it ends the step."""
    if not isinstance(root, FSDPModule):
        return
    if parallel.accumulate == "whole":
        root.set_requires_gradient_sync(last)
    else:
        # Reduced within the group that shares a model each time, between such groups once.
        root.set_requires_all_reduce(last)
    if parallel.strategy == "zero2":
        root.set_reshard_after_backward(last)


def summed(values: list[float], place: Place) -> list[float]:
    """Each value summed over the ranks, in fp64; integers are exact up to 2**53."""
    total = torch.tensor(values, dtype=torch.float64, device=place.device)
    dist.all_reduce(total)
    return total.tolist()
