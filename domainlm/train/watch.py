"""Held-out text while training goes on: bits per byte by domain, and the end of a training that forgets too much.

Every rank reads its part of the same rows and learns the same sums, so that all of them stop alike. What was measured
is a line in `heldout.jsonl`; the first of them is the base, whatever checkpoint training goes on from.
"""

# B rows, T tokens

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.distributed.fsdp import FSDPModule

from domainlm.errors import StageError
from domainlm.manifest import write_atomically
from domainlm.mix.pack import batch_of_segments
from domainlm.records import Batch
from domainlm.specs.watch import ForgettingSpec
from domainlm.train import parallel
from domainlm.train.heldout import FILE_NAME, LINES_NAME
from domainlm.train.metrics import MetricsLog
from domainlm.train.step import inputs_of
from domainlm.train.training import Training


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOut:
    """This rank's part of a domain's rows."""

    num_bytes: int
    """Of the whole text."""
    batches: Sequence[tuple[Batch, bool]]
    """As many on every rank, which meet in each; where it has no row of its own left, one that does not count."""


class Watch:
    """What is watched of a training: `look` after each step, on every rank."""

    def __init__(self, training: Training, step: int, log: MetricsLog | None):
        """`step` is the one that training goes on from, `log` that of the first rank. Raises StageError where the base
        is not to be found, or where too much was forgotten by an earlier attempt already."""
        config, place = training.config, training.place
        self._training, self._log = training, log
        self._path = Path(config.folder) / LINES_NAME
        path = Path(config.work) / FILE_NAME
        held: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {"steps": [], "domains": {}}
        self._steps = frozenset(held["steps"])
        rows = config.recipe.micro_batch_rows
        self._held = {
            domain: HeldOut(
                num_bytes=of["num_bytes"],
                batches=list(_own(of["streams"], config.recipe.sequence_tokens, rows, place.rank, place.num_ranks)),
            )
            for domain, of in held["domains"].items()
        }
        lines = read(self._path) if self._steps else []
        if lines:
            self._judge(lines[0], lines[-1])
        self._lines = [line for line in lines if line["step"] <= step]
        if any(due <= step and due not in {line["step"] for line in self._lines} for due in self._steps) and step:
            raise StageError(f"{self._path} lacks a step before {step}; delete {self._path.parent} to begin anew")
        if place.rank == 0 and self._steps:
            write_atomically(self._path, b"".join(map(_bytes, self._lines)))

    def look(self, step: int) -> None:
        """Measure, where it is time after `step` steps; StageError, on all ranks alike, where too much is forgotten."""
        if step not in self._steps or any(line["step"] == step for line in self._lines):
            return
        began_s = time.perf_counter()
        told = self._measured()
        line = {"step": step, "tokens": step * self._training.config.recipe.batch_tokens, **told}
        self._lines.append(line)
        if self._log is not None:
            with self._path.open("ab") as file:
                file.write(_bytes(line))
            ((metric, values),) = told.items()
            self._log.look(step, metric, values, time.perf_counter() - began_s)
        self._judge(self._lines[0], line)

    @torch.no_grad()
    def _measured(self) -> dict[str, dict[str, float | None]]:
        """Bits per byte by domain, or the objective's mean loss in nats; None where it is not finite."""
        training, sums = self._training, list[float]()
        with parallel.used(training.learner, training.precision):
            for held in self._held.values():
                nats, num_targets = torch.zeros((), dtype=torch.float64, device=training.place.device), 0
                for batch, counts in held.batches:
                    (inputs,) = inputs_of(training, [batch])
                    loss = training.learner({name: t.to(training.place.device) for name, t in inputs.items()})
                    nats += loss.double() * counts
                    num_targets += len(inputs["place_N"]) * counts
                sums += [nats.item(), num_targets]
        # What was gathered goes, as after a backward pass: steps and checkpoints work on the shards.
        for module in training.learner.modules():
            if isinstance(module, FSDPModule):
                module.reshard()
        sums = parallel.summed(sums, training.place)
        pairs = zip(self._held.items(), sums[::2], sums[1::2], strict=True)
        if training.config.recipe.objective == "causal":
            return {"bits_per_byte": {d: _finite(nats / math.log(2) / of.num_bytes) for (d, of), nats, _ in pairs}}
        of_loss = {domain: _finite(nats / max(num_targets, 1)) for (domain, _), nats, num_targets in pairs}
        return {f"{training.config.recipe.objective}_loss": of_loss}

    def _judge(self, base: Mapping[str, Any], line: Mapping[str, Any]) -> None:
        spec, name = self._training.config.recipe.watch.forgetting, self._training.config.name
        said = forgotten(spec, base, line) if spec is not None else ""
        if spec is None or not said:
            return
        if spec.action == "stop":
            of, peak = ", ".join(spec.domains), self._training.config.recipe.schedule.peak
            raise StageError(
                f"{name}: {said}\nGive {of} a larger share of the mix's `token_ratio`, lower `schedule.peak` "
                f"({peak:g}), or raise `tolerance_bits`; with `action: warn` training goes on"
            )
        if self._log is not None:
            self._log.note(f"warning: {name}: {said}")


def forgotten(spec: ForgettingSpec, base: Mapping[str, Any], line: Mapping[str, Any]) -> str:
    """What was lost of the first domain that rose over its tolerance; empty where none did.

    >>> spec = ForgettingSpec(domains=("general",), tolerance_bits=0.05)
    >>> base = {"step": 0, "bits_per_byte": {"general": 2.9}}
    >>> forgotten(spec, base, {"step": 40, "bits_per_byte": {"general": 2.94}})
    ''
    >>> forgotten(spec, base, {"step": 50, "bits_per_byte": {"general": 2.96}})
    "after step 50, bits per byte of general are 2.960, 0.060 over the base's 2.900; `forgetting` allows 0.05"
    """
    for domain in spec.domains:
        was, now = base["bits_per_byte"][domain], line["bits_per_byte"][domain]
        at, allowed = f"after step {line['step']:,}, bits per byte of {domain} are", f"{spec.tolerance_bits:g}"
        if was is None or now is None:
            return f"{at} no number; `forgetting` allows {allowed} over the base's"
        if now - was > spec.tolerance_bits:
            return f"{at} {now:.3f}, {now - was:.3f} over the base's {was:.3f}; `forgetting` allows {allowed}"
    return ""


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a `heldout.jsonl`, in order; a last one that is half written is left out."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def _bytes(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line, allow_nan=False).encode() + b"\n"


def _own(
    streams: Sequence[Sequence[int]], sequence_tokens: int, micro_batch_rows: int, rank: int, num_ranks: int
) -> Iterator[tuple[Batch, bool]]:
    """This rank's micro-batches of the documents laid end to end and cut into rows."""
    flat, begins = np.concatenate([np.array(s, np.int64) for s in streams]), np.cumsum([0, *map(len, streams)])
    num_rows = -(-len(flat) // sequence_tokens)
    own = np.arange(rank, num_rows, num_ranks)
    for first in range(0, -(-num_rows // num_ranks), micro_batch_rows):
        rows = own[first : first + micro_batch_rows]
        yield _batch(flat, begins, rows if len(rows) else np.zeros(1, np.int64), sequence_tokens), bool(len(rows))


def _batch(flat: Any, begins: Any, rows: Any, sequence_tokens: int) -> Batch:
    """The rows of these numbers: a document that a row's end cuts is predicted on, one token past it."""
    starts, stops = rows * sequence_tokens, np.minimum((rows + 1) * sequence_tokens, len(flat))
    tokens_BT = np.zeros((len(rows), sequence_tokens), np.int64)
    begins_B = []
    for row_T, start, stop in zip(tokens_BT, starts, stops, strict=True):
        row_T[: stop - start] = flat[start:stop]
        begins_B.append(np.union1d([0], begins[(begins > start) & (begins < stop)] - start))
    following = np.append(flat, 0)[stops]
    return batch_of_segments(
        tokens_BT,
        np.where(np.isin(stops, begins), -1, following),
        np.concatenate(begins_B),
        [len(b) for b in begins_B],
        stops - starts,
        source_B=np.zeros(len(rows), np.int32),
        row_B=rows,
    )
