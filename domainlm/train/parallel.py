"""One model over all ranks by FSDP2, NCCL between GPUs and gloo between CPUs; one rank is the same code."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where this process stands among its peers."""

    rank: int
    num_ranks: int
    device: torch.device
    mesh: DeviceMesh


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
    mesh = init_device_mesh(device.type, (dist.get_world_size(),), mesh_dim_names=("shard",))
    return Place(rank=dist.get_rank(), num_ranks=dist.get_world_size(), device=device, mesh=mesh)


def precision_for(asked: str, device: torch.device) -> str:
    """`fp32` or `bf16`. `auto` takes bf16 only on GPUs that multiply in it (compute capability 8 and up).

    CPUs stay with fp32: a model that one trains on a CPU gains a tenth at most from AVX-512's bf16.
    """
    if asked != "auto":
        return asked
    return "bf16" if device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 8 else "fp32"


def shard(parts: Iterable[nn.Module], *, place: Place, precision: str) -> None:
    """Shard each part in place as it comes, inner ones first; what a rank has not yet been handed costs it nothing.

    In bf16, weights are gathered and used in bf16; they are kept, and gradients reduced, in fp32.
    """
    policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32) if precision == "bf16" else MixedPrecisionPolicy()
    for part in parts:
        fully_shard(part, mesh=place.mesh, mp_policy=policy)


def summed(values: list[float], place: Place) -> list[float]:
    """Each value summed over the ranks, in fp64; integers are exact up to 2**53."""
    total = torch.tensor(values, dtype=torch.float64, device=place.device)
    dist.all_reduce(total)
    return total.tolist()
