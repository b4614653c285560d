"""Personal data gives way to typed placeholders: the same text gives the same text, whatever was redacted before it.

Each kind is the file of its name. Of finds that overlap, the kind that stands first in `RedactSpec` wins; of two of one
kind, the one that starts first, and of these the longer.
"""

from __future__ import annotations

import functools
import importlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from domainlm.corpus.redact.spots import Spots, spots
from domainlm.specs.redact import Kind, RedactSpec

PACKAGE = "domainlm.corpus.redact"
_PLACEHOLDER_CHARS = 33
_REACH_CHARS = 600
"""More than any pattern looks at, before and behind."""


def redact(text: str, options: RedactSpec) -> tuple[str, Counter[str]]:
    """`text` with placeholders for what `options` names, and how many of each kind were put in.

    Looks again until nothing more is found, as a placeholder changes what stands around it: twice is the same as once.

    >>> redact("Write to jane@example.com.", RedactSpec.model_validate({"email": {}}))
    ('Write to <EMAIL>.', Counter({'email': 1}))
    """
    kinds = options.kinds()
    placeholders = frozenset(chosen.placeholder for chosen in kinds.values())
    counts: Counter[str] = Counter()
    found = _find(text, kinds, placeholders)
    while found:
        parts, end, length, ends = [], 0, 0, []
        for start, stop, kind in found:
            parts += text[end:start], kinds[kind].placeholder
            length += start - end + len(parts[-1])
            ends.append(length)
            end = stop
            counts[kind] += 1
        text = "".join(parts) + text[end:]
        # A model reads all of a text; what a pattern sees is close by, and mostly there is nothing more.
        is_done = "name" not in kinds and not any(_find(near, kinds, placeholders) for near in _around(text, ends))
        found = [] if is_done else _find(text, kinds, placeholders)
    return text, counts


def _around(text: str, ends: Iterable[int]) -> Iterator[str]:
    """The parts of `text` within reach of placeholders that end at `ends`, cut between words where one is near."""
    start, stop = 0, 0
    for end in ends:
        if stop and end - _REACH_CHARS > stop:
            yield text[start:stop]
            stop = 0
        if not stop:
            first = max(0, end - _REACH_CHARS)
            start = 1 + max(text.rfind(blank, max(0, first - _REACH_CHARS), first) for blank in (" ", "\n"))
            start = start or max(0, first - _REACH_CHARS)
        last = end + _REACH_CHARS
        blanks = [at for blank in (" ", "\n") if (at := text.find(blank, last, last + _REACH_CHARS)) >= 0]
        stop = min(blanks, default=last + _REACH_CHARS)
    yield text[start:stop]


def find(text: str, options: RedactSpec) -> list[tuple[int, int, str]]:
    """What a first look finds: (start, end, kind) in characters, in order, none overlapping another."""
    kinds = options.kinds()
    return _find(text, kinds, frozenset(chosen.placeholder for chosen in kinds.values()))


def _find(text: str, kinds: Mapping[str, Kind], placeholders: frozenset[str]) -> list[tuple[int, int, str]]:
    places = spots(text)
    taken: list[tuple[int, int, str]] = []
    for kind, chosen in kinds.items():
        spans = sorted(_finder(kind)(text, places, chosen), key=_by_start)
        found = [
            (start, end, kind)
            for start, end in _leftmost(spans)
            if _is_free(taken, start, end) and not _touches(text, start, end, placeholders)
        ]
        taken = sorted(taken + found) if found else taken
    return taken


@functools.cache
def _finder(kind: str) -> Callable[[str, Spots, Any], Iterable[tuple[int, int]]]:
    return importlib.import_module(f"{PACKAGE}.{kind}").find


def _is_free(taken: list[tuple[int, int, str]], start: int, end: int) -> bool:
    """Whether no span of `taken`, which is in order and without overlaps, has a character in start:end."""
    after = bisect_left(taken, (start,))
    return (after == len(taken) or taken[after][0] >= end) and (after == 0 or taken[after - 1][1] <= start)


def _by_start(span: tuple[int, int]) -> tuple[int, int]:
    return span[0], -span[1]


def _leftmost(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    last = 0
    for start, end in spans:
        if start >= last and end > start:
            yield start, end
            last = end


def _touches(text: str, start: int, end: int, placeholders: frozenset[str]) -> bool:
    """Whether a placeholder has a character in text[start:end]."""
    around = text[max(0, start - _PLACEHOLDER_CHARS) : end + _PLACEHOLDER_CHARS]
    if "<" not in around:
        return False
    shift = start - max(0, start - _PLACEHOLDER_CHARS)
    for placeholder in placeholders:
        at = around.find(placeholder)
        while at >= 0:
            if at < shift + end - start and at + len(placeholder) > shift:
                return True
            at = around.find(placeholder, at + 1)
    return False
