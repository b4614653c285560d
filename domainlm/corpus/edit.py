"""Edits of a text in the order of the spec, each counted: in how many documents, and how many times.

What mends the text comes before `normalize`, redaction after all others.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from domainlm import named
from domainlm.corpus.normalize import normalize
from domainlm.corpus.reading import Reading
from domainlm.specs.spec import options_of

EDITS = "domainlm.corpus.edits"
REDACT = "domainlm.corpus.redact"

Edit = Callable[[str], tuple[str, Counter[str]]]


class Editor:
    """Normalizes and edits texts, and counts what the edits did."""

    def __init__(self, reading: Reading):
        loaded = [(name, named.load(EDITS, name), options) for name, options in reading.edits]
        self._mends = [(name, _edit(module, options)) for name, module, options in loaded if _mends(module)]
        self._edits = [(name, _edit(module, options)) for name, module, options in loaded if not _mends(module)]
        if reading.redact is not None:
            redact = importlib.import_module(REDACT).redact
            self._edits.append(("redact", lambda text: redact(text, reading.redact)))
        self._docs: Counter[str] = Counter()
        self._times: Counter[str] = Counter()

    def does_something(self) -> bool:
        """Whether there is any edit."""
        return bool(self._mends or self._edits)

    def edit(self, text: str) -> tuple[str, str]:
        """`text` normalized, and as the edits leave it, normalized again where one did something."""
        normal = normalize(self._done(self._mends, text))
        text = self._done(self._edits, normal)
        # What was cut out may leave blanks at an end of a line, or empty lines beside each other.
        return normal, text if text is normal or text == normal else normalize(text)

    def _done(self, edits: Sequence[tuple[str, Edit]], text: str) -> str:
        for name, edit in edits if text else ():
            text, done = edit(text)
            for what, times in done.items():
                self._docs[f"{name}: {what}"] += 1
                self._times[f"{name}: {what}"] += times
        return text

    def counts(self) -> dict[str, dict[str, int]]:
        """By `EDIT: WHAT`, the documents that it was done to and how many times in all."""
        return {what: {"docs": self._docs[what], "times": self._times[what]} for what in sorted(self._docs)}


def _mends(module: ModuleType) -> bool:
    """Whether the edit wants the text as it was read: `normalize` takes away what tells how it was damaged."""
    return getattr(module, "BEFORE_NORMALIZE", False)


def _edit(module: ModuleType, options: Mapping[str, Any]) -> Edit:
    chosen = options_of(module.Options, options)
    return lambda text: module.edit(text, chosen)
