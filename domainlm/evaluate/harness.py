"""The one door to lm-eval: the tasks of `evals` on one model, offline; a broken task leaves the others be.

A suite is a folder of `evals`, and its tasks are all of its `*.yaml`; `suites.copy` says what their placeholders mean.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

# lm-eval, datasets and the hub read these once, at import. Whoever wants the hub's tasks sets them to 0.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")

import datasets
from lm_eval import evaluator
from lm_eval.api.registry import metric_registry
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from domainlm.evaluate import suites as suite_files
from domainlm.evaluate.likelihood import Span, log_likelihoods
from domainlm.evaluate.samples import sample_rows
from domainlm.evaluate.subject import Subject
from domainlm.manifest import Manifest
from domainlm.progress import tell

FEWSHOT_SEED = 1234
"""lm-eval's own default."""
_GENERATION_ROWS = 16
_Names = Mapping[str, str]
"""What each absolute path is called in results."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """A task that gave no result, and why."""

    suite: str
    task: str
    """The task's name; of a file that could not be loaded, the file's in its suite; empty where the suite has none."""
    cause: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What lm-eval found, free of times, hosts and absolute paths."""

    results: dict[str, Any] = field(default_factory=dict)
    """lm-eval's own results, without samples and without what differs between machines."""
    samples: list[dict[str, Any]] = field(default_factory=list)
    """Rows of `store.SAMPLES`."""
    suites: dict[str, str] = field(default_factory=dict)
    """The suite of each task that was run."""
    missing: list[Missing] = field(default_factory=list)


class SubjectLM(HFLM):
    """lm-eval's Hugging Face model with the log-likelihoods of `likelihood`: the same numbers, faster on a CPU."""

    def __init__(self, subject: Subject, label: str):
        super().__init__(
            pretrained=subject.model,
            tokenizer=cast(Any, subject.tokenizer),
            batch_size=_GENERATION_ROWS,
            max_length=subject.max_position,
            prefix_token_id=subject.begin_token_id,
        )
        self.subject = subject
        self.label = label

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        return super().loglikelihood(requests, disable_tqdm=True)

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
                tell(self.label, num_done, len(spans), "passages")

        totals, greedy = log_likelihoods(self.subject.model, spans, on_batch)
        return [(float(total), bool(is_greedy)) for total, is_greedy in zip(totals, greedy, strict=True)]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Planned:
    suite: str
    path: Path
    task: Any
    """lm-eval's Task: it holds requests and answers, so that a second try needs a new one."""


def run(
    subject: Subject,
    suites: Sequence[str],
    *,
    evals: Path,
    items: Manifest,
    work: Path,
    limit: int | None,
    label: str,
) -> Outcome:
    """All tasks of `suites` in one go; where that fails, each alone, so that the broken one is found and the rest done.

    `work` is emptied first, and holds the tasks with their placeholders resolved and the caches.
    """
    outcome = Outcome()
    if not suites:
        return outcome
    names = suite_files.copy(suites, evals, items, work)
    with _quiet(), _cache(work / "cache"):
        planned = _load(suites, work, outcome, names)
        if planned:
            model = SubjectLM(subject, label)
            try:
                _evaluate(model, planned, limit, outcome, names)
            except Exception:
                _evaluate_each(model, planned, work, limit, outcome, names)
    return outcome


def _evaluate_each(
    model: SubjectLM, planned: Mapping[str, _Planned], work: Path, limit: int | None, outcome: Outcome, names: _Names
) -> None:
    for name, plan in planned.items():
        try:
            task = _manager(work).load([str(plan.path)])["tasks"][name]
            _evaluate(model, {name: replace(plan, task=task)}, limit, outcome, names)
        except Exception as error:
            outcome.missing.append(_missing(plan.suite, name, error, names))


def _load(suites: Sequence[str], work: Path, outcome: Outcome, names: _Names) -> dict[str, _Planned]:
    """Tasks that can be loaded, by name. One file at a time: of a folder, lm-eval skips bad YAML in silence."""
    manager = _manager(work)
    planned: dict[str, _Planned] = {}
    for suite in suites:
        folder = work / "evals" / suite
        files = sorted(folder.rglob("*.yaml"))
        if not files:
            outcome.missing.append(Missing(suite=suite, task="", cause=f"no *.yaml in evals/{suite}"))
        for path in files:
            try:
                for name, task in manager.load([str(path)])["tasks"].items():
                    if name in planned:
                        raise ValueError(f"another file has a task {name!r} already")
                    planned[name] = _Planned(suite=suite, path=path, task=task)
            except Exception as error:
                missing = _missing(suite, path.relative_to(folder).with_suffix("").as_posix(), error, names)
                unknown = ", ".join(_unknown_metrics(manager, path))
                if unknown:
                    missing = replace(missing, cause=f"lm-eval does not know {unknown}, and fetches no metric offline")
                outcome.missing.append(missing)
    return planned


def _unknown_metrics(manager: TaskManager, path: Path) -> list[str]:
    """Metrics of the task in `path` that lm-eval lacks: it says `'NoneType' object is not callable` of them."""
    configs = [entry.cfg for entry in manager.task_index.values() if entry.yaml_path == path and entry.cfg]
    return [
        str(metric["metric"])
        for config in configs
        if "process_results" not in config
        for metric in config.get("metric_list") or ()
        if str(metric.get("metric")) not in metric_registry
    ]


def _manager(work: Path) -> TaskManager:
    # The default would index all of lm-eval's 14,683 names, in 19 s or more.
    return TaskManager(include_path=str(work / "evals"), include_defaults=False)


def _evaluate(
    model: SubjectLM, planned: Mapping[str, _Planned], limit: int | None, outcome: Outcome, names: _Names
) -> None:
    """Runs tasks and adds what they gave, all or nothing.

    Not `simple_evaluate`: after the very same call it spends seconds on a report of the machine, which we would drop.
    """
    for plan in planned.values():
        if plan.task.get_config("num_fewshot") is None:
            plan.task.set_config(key="num_fewshot", value=0)
        plan.task.set_fewshot_seed(seed=FEWSHOT_SEED)
    tasks: Any = {"tasks": {name: plan.task for name, plan in planned.items()}, "groups": {}, "group_map": {}}
    # lm-eval's own bootstrap starts a pool of processes; the intervals are ours.
    found: Any = evaluator.evaluate(model, tasks, limit=limit, bootstrap_iters=0, log_samples=True)
    samples = found.pop("samples")
    results = _same_everywhere(found, names)
    rows = [
        row
        for name, plan in planned.items()
        for row in sample_rows(plan.suite, name, samples[name], results["results"][name])
    ]
    outcome.samples.extend(rows)
    for part, content in results.items():
        outcome.results.setdefault(part, {}).update(content)
    outcome.suites.update({name: plan.suite for name, plan in planned.items()})


def _missing(suite: str, task: str, error: Exception, names: _Names) -> Missing:
    cause = _rename(f"{type(error).__name__}: {error}", names)
    if isinstance(error, FileNotFoundError) and f"${{ITEMS}}/{suite}.jsonl" in cause:
        cause = f"no items: no domain of the run that is called {suite!r} or '{suite}-...' has any"
    return Missing(suite=suite, task=task, cause=cause.partition("\n")[0])


def _same_everywhere(results: Any, names: _Names) -> dict[str, Any]:
    """lm-eval's results as plain JSON values, free of this machine's paths."""
    text = json.dumps(
        results, ensure_ascii=False, default=lambda value: getattr(value, "__name__", type(value).__name__)
    )
    return json.loads(_rename(text, names))


def _rename(text: str, names: _Names) -> str:
    for path, name in names.items():
        text = text.replace(path, name)
    return text


@contextmanager
def _quiet() -> Iterator[None]:
    """lm-eval warns of each pre-loaded model and each context that it cuts: hundreds of lines that say nothing new."""
    logger, level = logging.getLogger("lm_eval"), logging.getLogger("lm_eval").level
    logger.setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        logger.setLevel(level)
        datasets.enable_progress_bars()


@contextmanager
def _cache(folder: Path) -> Iterator[None]:
    """`datasets` writes its Arrow files under `folder`, which goes when the stage is done, not into the home folder."""
    before = datasets.config.HF_DATASETS_CACHE
    datasets.config.HF_DATASETS_CACHE = folder
    try:
        yield
    finally:
        datasets.config.HF_DATASETS_CACHE = before
