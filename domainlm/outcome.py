"""What follows a run that is finished: whether its models pass their gate."""

from __future__ import annotations

from collections.abc import Sequence

from domainlm import pipeline
from domainlm.errors import GateError, StageError
from domainlm.evaluate import gate, store
from domainlm.evaluate.suites import GENERAL, belongs
from domainlm.manifest import Manifest
from domainlm.specs.project import Run
from domainlm.specs.run import GateSpec


def judged(
    run: Run, comparison: Manifest | None, *, models: Sequence[str] = (), tolerance: float | None = None
) -> list[gate.Check]:
    """All that the gate of a run asks of its models, held or not; with a tolerance of its own where one is given.

    A run whose spec has no gate is judged by the gate's defaults. Raises LookupError where one of `models` is adapted
    from no other of the run, StageError where the models are not compared yet.
    """
    asked = run.spec.gate or GateSpec()
    bases = {adapted: base for base, adapted in pipeline.pairs(run)}
    chosen = models or asked.models or list(bases)
    strangers = [name for name in chosen if name not in bases]
    if strangers or not chosen:
        there = ", ".join(bases) or "none"
        wrong = ", ".join(strangers) or "a gate"
        raise LookupError(f"{run.path}: {wrong}: the gate is for models that continue another of the run: {there}")
    if comparison is None:
        raise StageError(f"the models of {run.path} are not compared yet: domainlm evaluate {run.path}")
    rows = store.read(comparison.only("comparison"))
    bound = asked.tolerance if tolerance is None else tolerance
    return [
        check
        for name in chosen
        for check in gate.judge(
            rows, base=bases[name], model=name, domains=asked.domains or _learnt(run, name), tolerance=bound
        )
    ]


def _learnt(run: Run, model: str) -> list[str]:
    """The domains that a model was trained on, but for general ones; of one that was not, all that there are."""
    name = run.spec.models[model].mix
    mix = None if name is None else run.mixes[name]
    by_size = mix is None or any(phase.between for phase in mix.stretches)
    learnt = set(run.domains) if mix is None or by_size else mix.shared_domains
    return [domain for domain in run.domains if domain in learnt and not belongs(domain, GENERAL)]


def require(checks: Sequence[gate.Check]) -> None:
    """Raises GateError, with each check that is not held."""
    failed = [check for check in checks if not check.passed]
    if failed:
        names = ", ".join(dict.fromkeys(check.model for check in failed))
        raise GateError("\n".join([f"the gate is not passed by {names}", *map(str, failed)]))
