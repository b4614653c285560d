"""A gate speaks of models and domains of its run: what it names and the run does not have is a mistake, and told."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from domainlm.specs.flow import one_of
from domainlm.specs.read import Problems, Reading
from domainlm.specs.run import RunSpec


def check_gate(run: Reading[RunSpec], problems: Problems) -> None:
    """Add each model of the gate that continues no other of the run, and each domain that the run does not have."""
    spec = run.spec
    if spec is None or spec.gate is None:
        return
    adapted = [name for name, model in spec.models.items() if model.start in spec.models]
    if not adapted:
        want = "no gate: no model continues another of this run, so nothing is compared"
        problems.add(run, ("gate",), got="a gate", want=want, fix="delete `gate`", at_key=True)
        return
    _check_names(run, "models", spec.gate.models, adapted, problems)
    _check_names(run, "domains", spec.gate.domains, spec.corpus.domains, problems)


def _check_names(
    run: Reading[RunSpec], key: str, given: Sequence[str], known: Sequence[str], problems: Problems
) -> None:
    for index, name in enumerate(given):
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            fix = f"write `- {near[0]}`" if near else "delete it"
            problems.add(run, ("gate", key, index), got=name, want=one_of(known), fix=fix)
