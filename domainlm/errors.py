"""Every error that domainlm raises on purpose, as one tree.

DomainLMError
├── SpecError       a YAML file (or an option) is wrong; a person mends it; exit code 2
├── DataError       input that cannot be read at all, or counts that do not add up
├── ManifestError   something on disk is not what its manifest says
├── StageError      a stage, or a process it started, failed
└── GateError       a model does not hold what its gate asks; exit code 3
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class DomainLMError(Exception):
    """The root: catch this to catch everything domainlm raises on purpose."""

    exit_code = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One mistake in one spec file: where it stands, what was found, what was wanted, and a fix to paste.

    >>> print(Problem(file="law.yaml", line=3, column=1, key="token_ratios", got="{'law': 1.0}",
    ...               want="one of budget_tokens, name, token_ratio", fix="rename it to `token_ratio`"))
    law.yaml:3:1: token_ratios
      got:  {'law': 1.0}
      want: one of budget_tokens, name, token_ratio
      fix:  rename it to `token_ratio`
    """

    file: str
    line: int
    """Counted from 1, as editors do; 0 where the file as a whole is meant."""
    column: int
    """Counted from 1."""
    key: str
    """Dotted path of the key in the file, such as `sources.0.uri`."""
    got: str
    want: str
    fix: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{where}: {self.key}\n  got:  {self.got}\n  want: {self.want}\n  fix:  {self.fix}"


class SpecError(DomainLMError):
    """All the mistakes found in the specs of one command."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]):
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class DataError(DomainLMError):
    """Input that cannot be read at all, or a count that does not add up."""


class ManifestError(DomainLMError):
    """A file that a manifest names is missing or has other bytes than it says."""


class StageError(DomainLMError):
    """A stage, or a process that it started, failed."""


class GateError(DomainLMError):
    """A model was measured, and does not hold what its gate asks."""

    exit_code = 3
