"""What training says of itself: `metrics.jsonl`, the same bytes every time, `timing.jsonl`, which is not, and to
whoever tracks it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from domainlm import progress
from domainlm.errors import StageError
from domainlm.manifest import write_atomically
from domainlm.plan.devices import DEVICES
from domainlm.train.config import NOTE_PREFIX
from domainlm.train.track import Tracker

METRICS_NAME = "metrics.jsonl"
TIMING_NAME = "timing.jsonl"


@dataclass(frozen=True, kw_only=True, slots=True)
class StepMetrics:
    """One line of `metrics.jsonl`."""

    step: int
    """Optimizer steps done, this one counted."""
    row: int
    """Next global row."""
    tokens: int
    """Tokens read so far."""
    loss: float | None
    """Mean over the step's targets, in nats a token; None where it was not finite."""
    grad_norm: float | None
    """Before clipping; None where it was not finite."""
    learning_rate: float
    sources: Mapping[str, int]
    """Rows read so far, by source."""
    skipped: str = ""
    """Why the step was not taken, with the rows; empty, and not in the file, where it was."""


def read(path: Path) -> list[StepMetrics]:
    """All lines of a `metrics.jsonl`, in order."""
    return [StepMetrics(**json.loads(line)) for line in path.read_bytes().splitlines()]


class MetricsLog:
    """The two files while training runs. Lines past the checkpoint that training resumes from are cut off."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        step: int,
        num_steps: int,
        flops_per_token: int,
        peak_flops: float,
        trackers: Sequence[Tracker] = (),
    ):
        self.label = f"train: {name}"
        self.num_steps = num_steps
        self.flops_per_token = flops_per_token
        self.peak_flops = peak_flops
        self.last = _cut(folder / METRICS_NAME, step)
        self._folder, self._trackers = folder, trackers
        self._watched: dict[str, str] = {}
        self._began_s = self._stepped_s = time.perf_counter()
        self._first_step = step

    def write_step(self, *, source_rows: Mapping[str, int], loss: float, grad_norm: float, **figures: Any) -> None:
        """Append a step with its own rows by source, which are added to those before."""
        before = self.last.sources if self.last is not None else {}
        self.write(
            StepMetrics(
                loss=loss if math.isfinite(loss) else None,
                grad_norm=grad_norm if math.isfinite(grad_norm) else None,
                sources={name: before.get(name, 0) + rows for name, rows in source_rows.items()},
                **figures,
            )
        )

    def write(self, metrics: StepMetrics) -> None:
        """Append a step, and tell of it."""
        now_s = time.perf_counter()
        tokens = metrics.tokens - (self.last.tokens if self.last else 0)
        tokens_per_s = tokens / (now_s - self._stepped_s)
        mfu = tokens_per_s * self.flops_per_token / self.peak_flops
        timing = {"step": metrics.step, "seconds": now_s - self._stepped_s, "tokens_per_s": tokens_per_s, "mfu": mfu}
        content = {name: value for name, value in asdict(metrics).items() if name != "skipped" or value}
        for name, line in ((METRICS_NAME, content), (TIMING_NAME, timing)):
            self._append(name, line)
        of_step = {"loss": metrics.loss, "grad_norm": metrics.grad_norm, "learning_rate": metrics.learning_rate}
        self._track(metrics.step, {k: v for k, v in of_step.items() if v is not None} | {**timing, "step": None})
        self.last, self._stepped_s = metrics, now_s
        eta_s = (now_s - self._began_s) / (metrics.step - self._first_step) * (self.num_steps - metrics.step)
        progress.tell(
            self.label,
            metrics.step,
            self.num_steps,
            "steps",
            **{} if metrics.loss is None else {"loss": metrics.loss},
            **{"tokens/s": tokens_per_s, "mfu": mfu, "eta_s": eta_s},
            **{"skipped": metrics.skipped} if metrics.skipped else {},
            **_domain_shares(metrics.sources),
            **self._watched,
        )

    def look(self, step: int, metric: str, values: Mapping[str, float | None], seconds: float) -> None:
        """Tell of held-out text, by domain; the step's own time does not count it."""
        self._append(TIMING_NAME, {"step": step, "watch_seconds": seconds})
        self._track(step, {f"{metric}/{domain}": value for domain, value in values.items()})
        self._watched = {
            f"{metric.replace('_per_', '/')} {domain}": f"{value:.3f}"
            for domain, value in values.items()
            if value is not None
        }
        self._stepped_s += seconds

    def note(self, text: str) -> None:
        """Say something to the person who watches."""
        print(f"{NOTE_PREFIX}{text}", flush=True)

    def close(self) -> None:
        """End what is told of the steps."""
        for tracker in self._trackers:
            tracker.close()

    def _append(self, name: str, line: Mapping[str, Any]) -> None:
        with (self._folder / name).open("ab") as file:
            file.write(json.dumps(line, allow_nan=False).encode() + b"\n")

    def _track(self, step: int, figures: Mapping[str, float | None]) -> None:
        for tracker in self._trackers:
            tracker.tell(step, {name: value for name, value in figures.items() if value is not None})


def _domain_shares(rows_by_source: Mapping[str, int]) -> dict[str, str]:
    """What of the rows so far came from each domain; by source it stands in the file."""
    rows: dict[str, int] = {}
    for source, num_rows in rows_by_source.items():
        domain = source.partition("/")[0]
        rows[domain] = rows.get(domain, 0) + num_rows
    return {domain: f"{num_rows / sum(rows.values()):.1%}" for domain, num_rows in rows.items()}


def _cut(path: Path, step: int) -> StepMetrics | None:
    """Keep the first `step` lines of a `metrics.jsonl`, and return the last of them."""
    # The line after them may be half written: only what is kept is parsed.
    lines = path.read_bytes().splitlines(keepends=True)[:step] if step else []
    if len(lines) < step:
        raise StageError(f"{path} ends before the checkpoint's step {step}; delete {path.parent} to begin anew")
    write_atomically(path, b"".join(lines))
    return StepMetrics(**json.loads(lines[-1])) if lines else None


def mfu_formula(flops_per_token: int, peak_flops: float) -> str:
    """What the utilisation is made of.

    >>> mfu_formula(6_000_000, 989e12)
    'MFU = tokens/s x 6,000,000 FLOPs a token (6 N + 12 L d T, arXiv:2204.02311, appendix B) / 989,000 GFLOP/s'
    """
    of = "FLOPs a token (6 N + 12 L d T, arXiv:2204.02311, appendix B)"
    return f"MFU = tokens/s x {flops_per_token:,} {of} / {peak_flops / 1e9:,.0f} GFLOP/s"


def peak_flops(device: torch.device, precision: str, num_ranks: int) -> float:
    """FLOP/s of all ranks together: as published for GPUs in bf16, else measured by a matrix product of 2 GFLOP."""
    if device.type == "cuda" and precision != "fp32":
        sold_as = torch.cuda.get_device_name(device)
        for name, known in DEVICES.items():
            if name.partition("-")[0] in sold_as:
                return known.peak_flops * num_ranks
    matrix = torch.ones(1024, 1024, device=device, dtype=torch.float32 if precision == "fp32" else torch.bfloat16)
    seconds = float("inf")
    for _ in range(4):
        start_s = time.perf_counter()
        (matrix @ matrix).sum().item()
        seconds = min(seconds, time.perf_counter() - start_s)
    return 2 * 1024**3 / seconds * num_ranks
