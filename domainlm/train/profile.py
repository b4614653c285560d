"""A few steps under torch's profiler: what the time went into, as a picture, and on CUDA where the memory went."""

from __future__ import annotations

import resource
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from domainlm.train.config import NOTE_PREFIX
from domainlm.train.parallel import Place

WARM_STEPS, STEPS = 3, 3
"""Steps before, in which kernels are chosen and memory is taken, and steps that are looked at."""
_ROWS = 12
_EVENTS = 200_000


class Profile:
    """`step` is called after each step, on every rank."""

    def __init__(self, folder: Path, place: Place):
        self._folder, self._place, self._steps = folder, place, 0
        self._cuda = place.device.type == "cuda"
        kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if self._cuda else [])]
        self._profiler = profile(activities=kinds, record_shapes=True, profile_memory=True, acc_events=True)
        folder.mkdir(parents=True, exist_ok=True)

    def step(self) -> bool:
        """Whether all is written, and training can end."""
        self._steps += 1
        if self._steps == WARM_STEPS:
            if self._cuda:
                torch.cuda.memory._record_memory_history(max_entries=_EVENTS)
            self._profiler.start()
        if self._steps < WARM_STEPS + STEPS:
            return False
        self._profiler.stop()
        self._write()
        return True

    def _write(self) -> None:
        rank = self._place.rank
        trace = self._folder / f"trace-rank{rank}.json.gz"
        self._profiler.export_chrome_trace(str(trace))
        by = "self_cuda_time_total" if self._cuda else "self_cpu_time_total"
        table = self._profiler.key_averages().table(sort_by=by, row_limit=_ROWS, max_name_column_width=48)
        (self._folder / f"operators-rank{rank}.txt").write_text(table, encoding="utf-8")
        said = [f"{trace}: {STEPS} steps; open it in https://ui.perfetto.dev"]
        if self._cuda:
            snapshot = self._folder / f"memory-rank{rank}.pickle"
            torch.cuda.memory._dump_snapshot(str(snapshot))
            torch.cuda.memory._record_memory_history(enabled=None)
            said.append(f"{snapshot}: each allocation; open it in https://pytorch.org/memory_viz")
        else:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            said.append(
                f"no memory snapshot: torch keeps a history of allocations on CUDA only, and this is a CPU; "
                f"the process took {peak:,.0f} MiB at most"
            )
        if rank == 0:
            for line in (*said, *table.splitlines()):
                print(f"{NOTE_PREFIX}{line}", flush=True)
