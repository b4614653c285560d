"""Suites: folders of `evals`, the domains of a run that belong to each, and which side of the ledger they stand on.

A run calls its domains what it likes; a suite is `general`, `legal`, `finance`, `medical` or another folder. A domain
belongs to the suite that has its name, or whose name and a hyphen it begins with: `legal` and `legal-demo` to `legal`.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from domainlm.manifest import Manifest

GENERAL = "general"
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")

Verdict = Literal["gain", "loss", "forgetting", "backward transfer", "not significant"]
"""`gain` and `loss` in a domain; in general text a loss is `forgetting`, and a gain is `backward transfer`."""


def belongs(domain: str, suite: str) -> bool:
    """Whether a domain of a run belongs to a suite.

    >>> belongs("legal-demo", "legal"), belongs("legal", "legal"), belongs("legalese", "legal")
    (True, True, False)
    """
    return domain == suite or domain.startswith(f"{suite}-")


def domains_of(suite: str, domains: Iterable[str]) -> list[str]:
    """The domains that belong to `suite`, in their order."""
    return [domain for domain in domains if belongs(domain, suite)]


def verdict(suite: str, gain: float, significant: bool) -> Verdict:
    """What a difference means, by its suite (or domain) and sign; `gain` is positive where the adapted model is better.

    >>> verdict("legal-demo", 0.2, True), verdict("general", -0.1, True), verdict("general", -0.1, False)
    ('gain', 'forgetting', 'not significant')
    """
    if not significant or gain == 0:
        return "not significant"
    if belongs(suite, GENERAL):
        return "backward transfer" if gain > 0 else "forgetting"
    return "gain" if gain > 0 else "loss"


def files(suites: Sequence[str], evals: Path) -> list[Path]:
    """All files that decide what the suites ask: their folders' and, for what several include, those beside them."""
    places = [path.relative_to(evals) for path in evals.rglob("*") if path.is_file() and path.suffix != ".md"]
    return [
        evals / place
        for place in sorted(places)
        if "__pycache__" not in place.parts and (len(place.parts) == 1 or place.parts[0] in suites)
    ]


def copy(suites: Sequence[str], evals: Path, items: Manifest, work: Path) -> dict[str, str]:
    """Copies the suites' files to `work`/evals, placeholders resolved; returns what each absolute path is called.

    `${ITEMS}` is the folder of the multiple-choice items made from held-out text: `<suite>.jsonl` there holds those of
    the run's domains that belong to the suite. Any other `${NAME}` is read from the environment.
    """
    shutil.rmtree(work, ignore_errors=True)
    (work / "items").mkdir(parents=True)
    all_domains = [shard.domain for shard in items.files("items")]
    for suite in suites:
        domains = domains_of(suite, all_domains)
        lines = [items.only("items", domain=domain).read_bytes() for domain in domains]
        if any(lines):
            (work / "items" / f"{suite}.jsonl").write_bytes(b"".join(lines))
    known = dict(os.environ) | {"ITEMS": str(work / "items")}
    names = {str(work / "evals"): "evals"}

    def resolve(match: re.Match[str]) -> str:
        """What is not set stays as it is, and shows in the cause of the task's failure."""
        value = known.get(match[1], "")
        if Path(value).is_absolute():
            names[value] = match[0]
        return value or match[0]

    for path in files(suites, evals):
        target = work / "evals" / path.relative_to(evals)
        target.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes()
        if "yaml" in path.name:
            content = _PLACEHOLDER.sub(resolve, content.decode()).encode()
        target.write_bytes(content)
    return names
