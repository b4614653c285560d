"""A sweep as a flow: what its proxies need, then as many proxies at once as there is room for, then the law."""

from __future__ import annotations

import contextvars
import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from domainlm import manifest, pipeline, progress
from domainlm.errors import StageError
from domainlm.pipeline import Stage
from domainlm.specs.project import Run, load_run
from domainlm.train import device
from domainlm.train.stage import num_ranks
from flows import corpus, evaluate, mix, tokenizer, train
from flows.launch import AMID, Amid
from flows.stage import Make, stage_task

make = stage_task("sweep")
MAKE: dict[str, Make] = {
    "corpus": corpus.make,
    "tokenizer": tokenizer.make,
    "mix": mix.make,
    "train": train.make,
    "evaluate": evaluate.make,
    "mix sweep": make,
}
"""The task of each command."""
TOGETHER = frozenset({"train", "evaluate"})
"""Kinds of stages that run beside one another; the others take the whole machine, or no time."""
_LOOK_EVERY_S = 0.2
_TELL_EVERY_S = 5.0


@flow(name="sweep", persist_result=False, result_serializer="json")
def sweep(spec: str, workspace: str | None = None, workers: int | None = None) -> dict[str, str]:
    """Train and evaluate the proxies of a sweep, and fit the law to them; returns the folder of each stage by its id.

    `spec`: path of a sweep spec. `workspace`: where stages are kept, by default the project's `workspace`.
    `workers`: processes at work, by default one a core.
    """
    run = load_run(Path(spec))
    if run.sweep is None:
        raise StageError(f"{spec} is no sweep: they are in data_specs/sweeps")
    place = pipeline.place(run, None if workspace is None else Path(workspace))
    stages = pipeline.stages(run)
    folders = {stage_id: str(made.folder) for stage_id, made in pipeline.done(run, place).items()}
    room = Room(_slots(workers))

    def do(stage: Stage) -> str:
        return MAKE[stage.command](stage.id, spec, str(place), workers)["folder"]

    for stage in stages:
        if stage.id not in folders and stage.kind not in TOGETHER and stage.kind != "sweep":
            _tell(stages, folders, [stage.id])
            folders[stage.id] = do(stage)
    proxies = [stage for stage in stages if stage.kind in TOGETHER]
    _together(run, proxies, folders, room, do, lambda busy: _tell(stages, folders, busy))
    (last,) = (stage for stage in stages if stage.kind == "sweep")
    if last.id not in folders:
        folders[last.id] = do(last)
    _tell(stages, folders, [])
    made = manifest.read(Path(folders[last.id]))
    assert made is not None
    create_markdown_artifact(markdown(made), key="sweep", description=made.facts["sentence"])
    return folders


def markdown(made: manifest.Manifest) -> str:
    """What a finished sweep says, with a link to its picture."""
    told = json.loads(made.only("sweep").read_bytes())
    return f"# {told['sweep']}\n\n{told['sentence']}\n\n[The picture]({made.only('picture').as_uri()})"


def _tell(stages: Sequence[Stage], folders: dict[str, str], now: Sequence[str]) -> None:
    progress.tell("sweep", len(folders), len(stages), "stages", now=", ".join(now) or "done")


class Room:
    """Slots of the machine: its GPUs, or its cores where there are none. Used from one thread."""

    def __init__(self, slots: list[str]):
        self.slots = slots
        self.free = list(slots)
        self.on_gpus = bool(device.num_gpus())

    def take(self, number: int) -> list[str] | None:
        """So many slots, all of them where there are fewer; None where they are not free."""
        number = min(number, len(self.slots))
        if number > len(self.free):
            return None
        taken, self.free = self.free[:number], self.free[number:]
        return taken

    def give_back(self, taken: list[str]) -> None:
        self.free += taken


def _slots(workers: int | None) -> list[str]:
    """Names of the slots: GPUs as CUDA_VISIBLE_DEVICES has them, or numbers of cores, `workers` at most."""
    if (num_gpus := device.num_gpus()) > 0:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        return visible.split(",") if visible else [str(number) for number in range(num_gpus)]
    return [str(core) for core in sorted(os.sched_getaffinity(0))][:workers]


def _num_slots(run: Run, stage: Stage) -> int:
    """Processes of a training, as its recipe says; one for an evaluation."""
    if stage.kind != "train":
        return 1
    recipe = run.spec.recipes[run.spec.models[stage.model].recipe or ""]
    return num_ranks(recipe.parallel, recipe.batch_tokens // recipe.sequence_tokens)


def _together(
    run: Run,
    stages: Sequence[Stage],
    folders: dict[str, str],
    room: Room,
    do: Callable[[Stage], str],
    tell: Callable[[list[str]], None],
) -> None:
    """Fills `folders` with those of `stages`, each begun as soon as what it needs is there and there is room.

    Where one fails, those that run are waited for, and then it is raised. Where this thread is told to end, they are.
    """
    stop = threading.Event()
    running: dict[Future[str], tuple[Stage, list[str]]] = {}
    failed: list[BaseException] = []
    waiting = [stage for stage in stages if stage.id not in folders]
    told: list[str] = []
    told_s = 0.0
    with ThreadPoolExecutor(max_workers=len(room.slots)) as pool:
        try:
            while running or (waiting and not failed):
                for stage in [] if failed else list(waiting):
                    ready = all(need in folders for need in stage.needs)
                    taken = room.take(_num_slots(run, stage)) if ready else None
                    if taken is not None:
                        # Each in a context of its own: a copy knows the flow that it belongs to.
                        context = contextvars.copy_context()
                        running[pool.submit(context.run, _within, do, stage, stop, taken, room.on_gpus)] = stage, taken
                        waiting.remove(stage)
                busy, now_s = [stage.id for stage, _ in running.values()], time.monotonic()
                if busy != told or now_s - told_s > _TELL_EVERY_S:
                    told, told_s = busy, now_s
                    tell(told)
                for future in wait(running, timeout=_LOOK_EVERY_S, return_when=FIRST_COMPLETED).done:
                    stage, taken = running.pop(future)
                    room.give_back(taken)
                    if (error := future.exception()) is not None:
                        failed.append(error)
                    else:
                        folders[stage.id] = future.result()
        except BaseException:
            stop.set()
            raise
    if failed:
        raise failed[0]


def _within(do: Callable[[Stage], str], stage: Stage, stop: threading.Event, slots: list[str], on_gpus: bool) -> str:
    """`do(stage)` on those slots: a thread's children inherit its cores."""
    AMID.set(Amid(stop=stop, env={"CUDA_VISIBLE_DEVICES": ",".join(slots)} if on_gpus else {}))
    if not on_gpus:
        os.sched_setaffinity(0, {int(slot) for slot in slots})
    return do(stage)
