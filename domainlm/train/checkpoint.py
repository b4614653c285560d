"""Checkpoints that can be trusted: whole or not there, free of pickle, and resumed by any number of ranks.

They are torch.distributed.checkpoint's, in its safetensors format (`HuggingFaceStorageWriter` and `-Reader`): each rank
writes its own shards, and where a shard belongs stands in its file's JSON header. DCP's default format keeps that in
a pickle, `.metadata`, which runs code when it is read; an allowlist for it would have to follow DCP's private classes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict
from torch.optim import Optimizer

from domainlm.errors import StageError
from domainlm.manifest import write_atomically
from domainlm.records import Checkpoint

NUM_KEPT = 2
_OPTIONS = StateDictOptions(flatten_optimizer_state_dict=True)
_STATE = "state.json"


def _path(folder: Path, step: int) -> Path:
    return folder / f"step-{step:09d}"


def save(folder: Path, *, step: int, row: int, config: str, model: nn.Module, optimizer: Optimizer) -> None:
    """Write a checkpoint of `step` steps done, next row `row`; every rank calls it, and the last two are kept.

    `config` is the digest of what is trained: a checkpoint of another training is refused by `latest`.
    """
    temporary = folder / ".unfinished"
    leader = dist.get_rank() == 0
    if leader:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
    dist.barrier()
    writer = dcp.HuggingFaceStorageWriter(str(temporary), save_distributed=True)
    dcp.save(_tensors(model, *get_state_dict(model, optimizer, options=_OPTIONS)), storage_writer=writer)
    dist.barrier()
    if leader:
        state = {"step": step, "row": row, "config": config}
        write_atomically(temporary / _STATE, json.dumps(state).encode())
        final = _path(folder, step)
        shutil.rmtree(final, ignore_errors=True)
        temporary.replace(final)
        for old in _finished(folder)[:-NUM_KEPT]:
            shutil.rmtree(old)


def latest(folder: Path, *, config: str) -> Checkpoint | None:
    """The newest checkpoint in `folder`, or None; StageError where it is one of another training."""
    finished = _finished(folder)
    if not finished:
        return None
    state = json.loads((finished[-1] / _STATE).read_bytes())
    if state["config"] != config:
        raise StageError(f"{finished[-1]} belongs to another training; delete {folder} to begin anew")
    return Checkpoint(path=str(finished[-1]), step=state["step"], row=state["row"])


def restore(checkpoint: Checkpoint, *, model: nn.Module, optimizer: Optimizer) -> None:
    """Give a freshly built model and optimizer the checkpoint's state; every rank calls it."""
    weights, moments = get_state_dict(model, optimizer, options=_OPTIONS)
    dcp.load(_tensors(model, weights, moments), storage_reader=dcp.HuggingFaceStorageReader(checkpoint.path))
    set_state_dict(model, optimizer, model_state_dict=weights, optim_state_dict=moments, options=_OPTIONS)


def _finished(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob(f"step-*/{_STATE}"))


def _tensors(model: nn.Module, weights: Mapping[str, Any], moments: Mapping[str, Any]) -> dict[str, Tensor]:
    """What is saved, and loaded in place: all tensors of both. The optimizer's numbers come from the recipe anew.

    Tied weights go once. Scalars (AdamW's step counts) go as vectors of one, a view of them, since the safetensors
    reader slices what it reads.
    """
    names, once = ({name for name, _ in model.named_parameters(remove_duplicate=d)} for d in (False, True))
    named = {f"weights.{name}": value for name, value in weights.items() if name not in names - once}
    named |= {f"optimizer.{name}": value for name, value in moments.items()}
    return {
        name: value.reshape(1) if value.ndim == 0 else value
        for name, value in named.items()
        if isinstance(value, Tensor)
    }
