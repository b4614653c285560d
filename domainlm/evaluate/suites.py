"""Suites: folders of `evals`, the domains of a run that belong to each, and which side of the ledger they stand on.

A run calls its domains what it likes; a suite is `general`, `legal`, `finance`, `medical` or another folder. A domain
belongs to the suite that has its name, or whose name and a hyphen it begins with: `legal` and `legal-demo` to `legal`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

GENERAL = "general"

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
