"""The one door to lm-eval: tasks of `evals` on one model, each kept as soon as it is done; a broken one is told.

A suite is a folder of `evals`, and its tasks are all of its `*.yaml`; `prepare` says what their placeholders mean.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import orjson

# lm-eval, datasets and the hub read these once, at import. Whoever wants the hub's tasks sets them to 0.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")

import datasets
from huggingface_hub.errors import OfflineModeIsEnabled
from lm_eval import evaluator
from lm_eval.api import task as lm_eval_task
from lm_eval.api.registry import metric_registry
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from domainlm.errors import DataError
from domainlm.evaluate.likelihood import Span, log_likelihoods
from domainlm.evaluate.prepare import Copy, Prepared
from domainlm.evaluate.samples import sample_rows
from domainlm.evaluate.subject import Subject
from domainlm.manifest import write_atomically
from domainlm.progress import tell
from domainlm.specs.tasks import Task

FEWSHOT_SEED = 1234
"""lm-eval's own default."""
_GENERATION_ROWS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """A task that gave no result, and why."""

    suite: str
    task: str
    """The task's name; of a file that could not be read, the file's in its suite; of a title that has none of its
    tasks, the title."""
    title: str = ""
    cause: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What lm-eval found, free of times, hosts and absolute paths."""

    results: dict[str, Any] = field(default_factory=dict)
    """lm-eval's own results, without samples and without what differs between machines."""
    samples: list[dict[str, Any]] = field(default_factory=list)
    """Rows of `store.SAMPLES`."""
    suites: dict[str, str] = field(default_factory=dict)
    """The suite of each title that was run."""
    subtasks: dict[str, list[str]] = field(default_factory=dict)
    """The tasks of each title that was run."""
    missing: list[Missing] = field(default_factory=list)

    def add(self, task: Task, found: Mapping[str, Any]) -> None:
        """Takes in what one task gave."""
        for part, content in found["results"].items():
            if isinstance(content, dict):
                self.results.setdefault(part, {}).update(content)
        self.samples.extend(found["samples"])
        self.suites[task.title] = task.suite
        self.subtasks.setdefault(task.title, []).append(task.name)

    def told(self) -> list[Missing]:
        """What is missing, the tasks of a title that all miss for one cause as one."""
        of_title: dict[str, list[Missing]] = {}
        for missing in self.missing:
            of_title.setdefault(missing.title or missing.task, []).append(missing)
        found = []
        for title, group in of_title.items():
            if len(group) == 1 or title in self.suites:
                found += group
            else:
                cause = f"none of its {len(group)} tasks: {group[0].cause}"
                found.append(replace(group[0], task=title, cause=cause))
        return found


class SubjectLM(HFLM):
    """lm-eval's Hugging Face model with the log-likelihoods of `likelihood`: the same numbers, faster on a CPU."""

    def __init__(self, subject: Subject, on_batch: Callable[[float], None] = lambda share: None):
        """`on_batch` is told which share of a task's likelihoods is there."""
        super().__init__(
            pretrained=subject.model,
            tokenizer=cast(Any, subject.tokenizer),
            batch_size=_GENERATION_ROWS,
            max_length=subject.max_position,
            prefix_token_id=subject.begin_token_id,
        )
        self.subject = subject
        self.on_batch = on_batch

    @property
    def max_gen_toks(self) -> int:
        """What is written at most where a task says nothing: lm-eval's 256, and no more than half of the window."""
        return min(super().max_gen_toks, self.max_length // 2)

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        return super().loglikelihood(requests, disable_tqdm=True)

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        return super().generate_until(requests, disable_tqdm=True)

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        return super().loglikelihood_rolling(requests, disable_tqdm=True)

    def _loglikelihood_tokens(
        self, requests: Sequence[Any], disable_tqdm: bool = False, override_bs: int | None = None
    ) -> list[tuple[float, bool]]:
        """As in HFLM: what is too long loses tokens from the left."""
        spans = []
        for _, context, continuation in requests:
            tokens = np.array([*context, *continuation], dtype=np.int64)[-(self.max_length + 1) :]
            spans.append(Span(tokens=tokens, num_scored=min(len(continuation), len(tokens) - 1)))

        def on_batch(num_done: int) -> None:
            if override_bs is None:
                self.on_batch(num_done / len(spans))

        totals, greedy = log_likelihoods(self.subject.model, spans, on_batch)
        return [(float(total), bool(is_greedy)) for total, is_greedy in zip(totals, greedy, strict=True)]


def run(
    subject: Subject,
    copied: Copy,
    *,
    parts: Path,
    keys: Mapping[str, str],
    limit: int | None,
    label: str,
) -> Outcome:
    """The tasks that were copied, one by one: a broken one leaves the others be.

    What a task gave is written to `parts`, under its name and its key in `keys`, as soon as it is done: a task that is
    there is read, and not run again. A task that gave nothing leaves no trace there, so that it is tried again.
    """
    outcome = Outcome()
    sizes = Counter(prepared.task.title for prepared in copied.prepared)
    model: SubjectLM | None = None
    with _quiet(), _cache(copied.folder.parent / "cache"):
        for number, prepared in enumerate(copied.prepared):
            task = prepared.task
            part = parts / f"{task.name}-{keys[task.name][:16]}.json"
            teller = _teller(label, task, number, len(copied.prepared))
            try:
                if task.name in outcome.results.get("results", {}):
                    raise ValueError(f"another file has a task {task.name!r} already")
                if not part.is_file():
                    loaded = _load(prepared)
                    model = model or SubjectLM(subject)
                    model.on_batch = teller
                    most = None if limit is None else -(-limit // sizes[task.title])
                    write_atomically(part, orjson.dumps(_evaluate(model, loaded, task, most, copied)))
                outcome.add(task, orjson.loads(part.read_bytes()))
            except Exception as error:
                outcome.missing.append(_missing(task, error, copied))
            teller(1)
    return outcome


def _teller(label: str, task: Task, number: int, num_tasks: int) -> Callable[[float], None]:
    return lambda share: tell(label, number + share, num_tasks, "tasks", task=task.title)


def _load(prepared: Prepared) -> Any:
    """lm-eval's task, new each time: it holds requests and answers."""
    # The default would index all of lm-eval's 14,683 names, in 19 s or more; a file needs none of them.
    loaded = TaskManager(include_defaults=False).load([str(prepared.ready())])["tasks"]
    if prepared.task.name not in loaded:
        raise ValueError(f"lm-eval finds no task {prepared.task.name!r} in {prepared.task.place}")
    return loaded[prepared.task.name]


def _evaluate(model: SubjectLM, loaded: Any, task: Task, limit: int | None, copied: Copy) -> dict[str, Any]:
    """Results and sample rows of a task, as plain JSON values.

    Not `simple_evaluate`: after the very same call it spends seconds on a report of the machine, which we would drop.
    """
    if loaded.get_config("num_fewshot") is None:
        loaded.set_config(key="num_fewshot", value=0)
    loaded.set_fewshot_seed(seed=FEWSHOT_SEED)
    tasks: Any = {"tasks": {task.name: loaded}, "groups": {}, "group_map": {}}
    # lm-eval's own bootstrap starts a pool of processes; the intervals are ours.
    found: Any = evaluator.evaluate(model, tasks, limit=limit, bootstrap_iters=0, log_samples=True)
    samples = found.pop("samples")
    results = _same_everywhere(found, copied)
    rows = sample_rows(task, samples[task.name], results["results"][task.name])
    return {"results": results, "samples": rows}


def _missing(task: Task, error: Exception, copied: Copy) -> Missing:
    said = str(error) if isinstance(error, DataError) else f"{type(error).__name__}: {error}"
    cause = copied.said(said).partition("\n")[0]
    if isinstance(error, FileNotFoundError) and f"${{ITEMS}}/{task.suite}.jsonl" in cause:
        cause = f"no items: no domain of the run that is called {task.suite!r} or '{task.suite}-...' has any"
    elif "process_results" not in task.config and (unknown := [m for m in task.metrics if m not in metric_registry]):
        cause = f"lm-eval does not know {', '.join(unknown)}, and fetches no metric offline"
    elif task.hub and isinstance(error, (ConnectionError, OfflineModeIsEnabled)):
        cause = f"its items are on the hub, {task.hub}, which is not reached: {cause}"
    return Missing(suite=task.suite, task=task.name, title=task.title, cause=cause)


def _same_everywhere(results: Any, copied: Copy) -> dict[str, Any]:
    """lm-eval's results as plain JSON values, free of this machine's paths."""
    text = json.dumps(
        results, ensure_ascii=False, default=lambda value: getattr(value, "__name__", type(value).__name__)
    )
    return json.loads(copied.said(text))


@contextmanager
def _quiet() -> Iterator[None]:
    """lm-eval warns of each pre-loaded model and each context that it cuts: hundreds of lines that say nothing new."""
    logger, level, bars = logging.getLogger("lm_eval"), logging.getLogger("lm_eval").level, lm_eval_task.tqdm
    logger.setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    setattr(lm_eval_task, "tqdm", partial(bars, disable=True))  # noqa: B010
    try:
        yield
    finally:
        logger.setLevel(level)
        datasets.enable_progress_bars()
        setattr(lm_eval_task, "tqdm", bars)  # noqa: B010


@contextmanager
def _cache(folder: Path) -> Iterator[None]:
    """`datasets` writes its Arrow files under `folder`, which goes when the stage is done, not into the home folder."""
    before = datasets.config.HF_DATASETS_CACHE
    datasets.config.HF_DATASETS_CACHE = folder
    try:
        yield
    finally:
        datasets.config.HF_DATASETS_CACHE = before
