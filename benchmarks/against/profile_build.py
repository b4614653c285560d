"""What bounds the build: CPU by function of each stage, in one process, and the encoder's share of the tokens stage.

python -m against.profile_build RUN WORKSPACE
"""

from __future__ import annotations

import cProfile
import json
import pstats
import sys
import time
from pathlib import Path

from domainlm import pipeline
from domainlm.specs.project import load_run
from domainlm.tokens.encode import Fast, Library

TOP = 8
STAGES = ("read/planted", "corpus", "tokens")


class Timed:
    """Counts the CPU-seconds of the threads that encode."""

    def __init__(self) -> None:
        self.cpu_s = 0.0
        for kind in (Fast, Library):
            self._wrap(kind)

    def _wrap(self, kind: type) -> None:
        encode = kind.encode

        def timed(encoder, texts):
            begin = time.thread_time()
            found = encode(encoder, texts)
            self.cpu_s += time.thread_time() - begin
            return found

        kind.encode = timed


def _name(file: str, function: str) -> str:
    return function if file == "~" else f"{Path(file).name}:{function}"


def main(spec: str, workspace: str) -> None:
    run, place = load_run(Path(spec)), Path(workspace)
    figures = {}
    for stage in [stage.id for stage in pipeline.stages(run)]:
        if stage not in (*STAGES, "tokenizer"):
            continue
        timed = Timed() if stage == "tokens" else None
        profile = cProfile.Profile(time.process_time)
        begin = time.process_time()
        if timed is None:
            profile.runcall(pipeline.run_stage, run, stage, place, workers=1)
        else:
            # Undisturbed: the profiler would be counted with what it measures.
            pipeline.run_stage(run, stage, place, workers=1)
        cpu_s = time.process_time() - begin
        if stage == "tokenizer":
            continue
        figures[stage] = {"cpu_s": round(cpu_s, 2)}
        if timed is not None:
            figures[stage]["encode_share_of_cpu"] = round(timed.cpu_s / cpu_s, 3)
            continue
        found = pstats.Stats(profile).stats  # type: ignore[attr-defined]
        own = sorted(((row[2], where) for where, row in found.items()), reverse=True)[:TOP]
        figures[stage]["top"] = {_name(*where[::2]): round(share / cpu_s, 3) for share, where in own}
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
