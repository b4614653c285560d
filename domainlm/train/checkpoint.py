"""Checkpoints that can be trusted: whole or not there, free of pickle, and resumed by any number of ranks.

They are torch.distributed.checkpoint's, in its safetensors format (`HuggingFaceStorageWriter` and `-Reader`): each rank
writes its own shards, and where a shard belongs stands in its file's JSON header. DCP's default format keeps that in
a pickle, `.metadata`, which runs code when it is read; an allowlist for it would have to follow DCP's private classes.

Training waits for a copy in the host's memory, and no longer: a thread writes it, with a process group of its own.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import Tensor, nn
from torch.optim import Optimizer

from domainlm.errors import StageError
from domainlm.manifest import write_atomically
from domainlm.records import Checkpoint
from domainlm.train import lowbit

_STATE = "state.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Begun:
    """A checkpoint that is being written."""

    temporary: Path
    final: Path
    state: Mapping[str, Any]
    written: Future[Any]
    """This rank's part."""


class Writer:
    """Writes checkpoints into `folder`; its methods but `is_written` are called by every rank alike."""

    def __init__(self, folder: Path, *, config: str, num_kept: int):
        """`config` is the digest of what is trained: a checkpoint of another training is refused by `latest`."""
        self._folder, self._config, self._num_kept = folder, config, num_kept
        self._group = dist.new_group(backend="gloo")
        self._thread = ThreadPoolExecutor(1)
        self._begun: _Begun | None = None

    def begin(self, tensors: Mapping[str, Tensor], *, step: int, row: int, guard: Mapping[str, Any]) -> None:
        """Begin to write a checkpoint of `step` steps done, next row `row`; the one before is finished first.

        `guard` is the state of what refuses steps.
        """
        self.finish()
        temporary = self._folder / f".unfinished-{step:09d}"
        if dist.get_rank() == 0:
            for old in self._folder.glob(".unfinished-*"):
                shutil.rmtree(old)
            temporary.mkdir(parents=True)
        # Also the copy's end: what it copies is trained on from here.
        copies = {name: tensor.detach().to("cpu", copy=True) for name, tensor in _plain(tensors).items()}
        dist.barrier()
        writer = dcp.HuggingFaceStorageWriter(str(temporary), save_distributed=True)
        written = self._thread.submit(dcp.save, copies, storage_writer=writer, process_group=self._group)
        state = {"step": step, "row": row, "config": self._config, "guard": guard}
        self._begun = _Begun(temporary=temporary, final=self._folder / f"step-{step:09d}", state=state, written=written)

    def is_written(self) -> bool:
        """Whether this rank has a checkpoint begun and its part written; when all have, `commit` it."""
        return self._begun is not None and self._begun.written.done()

    def commit(self) -> None:
        """Make what all ranks have written a checkpoint, by one rename; the oldest go."""
        begun, self._begun = self._begun, None
        assert begun is not None
        begun.written.result()
        if dist.get_rank() == 0:
            write_atomically(begun.temporary / _STATE, json.dumps(begun.state).encode())
            shutil.rmtree(begun.final, ignore_errors=True)
            begun.temporary.replace(begun.final)
            for old in _finished(self._folder)[: -self._num_kept]:
                shutil.rmtree(old)

    def finish(self) -> None:
        """Wait for what is begun, and commit it."""
        if self._begun is not None:
            self._begun.written.result()
            dist.barrier()
            self.commit()
            dist.barrier()

    def close(self) -> None:
        """Finish, and end the thread."""
        self.finish()
        self._thread.shutdown()


def latest(folder: Path, *, config: str) -> Checkpoint | None:
    """The newest checkpoint in `folder`, or None; StageError where it is one of another training."""
    finished = _finished(folder)
    if not finished:
        return None
    state = json.loads((finished[-1] / _STATE).read_bytes())
    if state["config"] != config:
        raise StageError(f"{finished[-1]} belongs to another training; delete {folder} to begin anew")
    return Checkpoint(path=str(finished[-1]), step=state["step"], row=state["row"])


def guard_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """The state of the guard by then."""
    return json.loads((Path(checkpoint.path) / _STATE).read_bytes())["guard"]


@torch.no_grad()
def restore(checkpoint: Checkpoint, tensors: Mapping[str, Tensor]) -> None:
    """Give `tensors` the values that they have in the checkpoint, in place; every rank calls it."""
    values = {name: tensor.detach() for name, tensor in _plain(tensors).items()}
    dcp.load(values, storage_reader=dcp.HuggingFaceStorageReader(checkpoint.path))
    for name, tensor in tensors.items():
        if lowbit.is_8bit(tensor):
            lowbit.from_floats(tensor, values[f"{name}.values"], values[f"{name}.scales"])


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, with moments of 8 bits as fp32."""
    plain: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        parts = {f".{part}": t for part, t in lowbit.as_floats(tensor).items()} if lowbit.is_8bit(tensor) else {}
        plain |= {f"{name}{part}": t for part, t in (parts or {"": tensor}).items()}
    return plain


def _finished(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob(f"step-*/{_STATE}"))


def tensors_of(model: nn.Module, optimizer: Optimizer, average: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What is saved, and loaded in place: what learns, its moments, its average. The rest comes from the recipe anew.

    Tied weights go once. Scalars (AdamW's step counts) go as vectors of one, a view of them, since the safetensors
    reader slices what it reads.
    """
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    names: dict[Tensor, str] = {parameter: name for name, parameter in named.items()}
    found = {f"weights.{name}": parameter for name, parameter in named.items()}
    for parameter, state in optimizer.state.items():
        found |= {f"optimizer.{names[parameter]}.{key}": value for key, value in state.items()}
    found |= {f"average.{name}": tensor for name, tensor in average.items()}
    return {name: value.reshape(1) if value.ndim == 0 else value for name, value in found.items()}
