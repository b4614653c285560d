"""How long the documents of each source are, and in which language, before and after anything was taken out."""

# D documents, L lengths
from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from domainlm.corpus.decide import Decided
from domainlm.corpus.pieces import Pieces

NUM_LENGTHS = 48
"""Length classes: class n is of texts of 2^n to 2^(n+1) - 1 UTF-8 bytes."""
LANGUAGE = "language.code"
"""The score that holds the language of a text, where the domain has the filter `language`."""


def distributions(pieces: Pieces, decided: Decided) -> dict[str, dict[str, Any]]:
    """By label of the source: `lengths` of the documents that were read and of those kept, by class, and `languages`.

    A text that the domain's spec did not ask the language of has none.
    """
    num_bytes_D, kept_D = pieces.array("num_bytes"), decided.decision.kept()
    class_D = np.frexp(np.maximum(num_bytes_D, 1).astype(np.float64))[1] - 1
    found: dict[str, dict[str, Any]] = {
        label: {"lengths": {"read": _none(), "kept": _none()}, "languages": {"read": {}, "kept": {}}}
        for label in pieces.labels
    }
    for piece in pieces:
        own, kept = found[pieces.labels[piece.source]], kept_D[piece.documents()]
        classes = class_D[piece.documents()]
        own["lengths"]["read"] += _count(classes)
        own["lengths"]["kept"] += _count(classes[kept])
        language_D = piece.part.scores().get(LANGUAGE)
        if language_D is not None:
            _add_languages(own["languages"]["read"], language_D)
            _add_languages(own["languages"]["kept"], language_D[kept])
    for own in found.values():
        own["lengths"] = {name: counted.tolist() for name, counted in own["lengths"].items()}
        own["languages"] = {name: dict(sorted(counted.items())) for name, counted in own["languages"].items()}
    return found


def _none() -> npt.NDArray[np.int64]:
    return np.zeros(NUM_LENGTHS, np.int64)


def _count(classes_D: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
    return np.bincount(classes_D, minlength=NUM_LENGTHS)


def _add_languages(counted: dict[str, int], code_D: npt.NDArray[np.float32]) -> None:
    from domainlm.corpus.filters.language import LANGUAGES

    for code, number in zip(*np.unique(code_D, return_counts=True), strict=True):
        name = LANGUAGES[int(code)]
        counted[name] = counted.get(name, 0) + int(number)
