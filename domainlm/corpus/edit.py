"""Edits of a text in the order of the spec, redaction last, each counted: in how many documents, and how many times."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from domainlm import named
from domainlm.corpus.normalize import normalize
from domainlm.corpus.reading import Reading
from domainlm.specs.spec import options_of

EDITS = "domainlm.corpus.edits"
REDACT = "domainlm.corpus.redact"

Edit = Callable[[str], tuple[str, Counter[str]]]


class Editor:
    """Edits normalized texts, and counts what it did."""

    def __init__(self, reading: Reading):
        self._edits = [(name, _edit(name, options)) for name, options in reading.edits]
        if reading.redact is not None:
            redact = importlib.import_module(REDACT).redact
            self._edits.append(("redact", lambda text: redact(text, reading.redact)))
        self._docs: Counter[str] = Counter()
        self._times: Counter[str] = Counter()

    def edit(self, text: str) -> str:
        """`text` as the edits leave it, normalized again where one did something."""
        before = text
        for name, edit in self._edits:
            text, done = edit(text)
            for what, times in done.items():
                self._docs[f"{name}: {what}"] += 1
                self._times[f"{name}: {what}"] += times
        # What was cut out may leave blanks at an end of a line, or empty lines beside each other.
        return text if text is before or text == before else normalize(text)

    def counts(self) -> dict[str, dict[str, int]]:
        """By `EDIT: WHAT`, the documents that it was done to and how many times in all."""
        return {what: {"docs": self._docs[what], "times": self._times[what]} for what in sorted(self._docs)}


def _edit(name: str, options: Mapping[str, Any]) -> Edit:
    module = named.load(EDITS, name)
    chosen = options_of(module.Options, options)
    return lambda text: module.edit(text, chosen)
