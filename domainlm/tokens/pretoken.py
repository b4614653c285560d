"""Where a byte-level tokenizer cuts a text before it merges: the very cuts of `tokenizers`, or a stated refusal.

A pre-tokenizer is served where its JSON is one of the shapes below, with one of the patterns below, literally. Which
characters are letters, numbers and white space is asked of the library itself, whose Unicode is not Python's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Regex, pre_tokenizers

from domainlm.specs.byte_level import PATTERNS, across, is_across, pattern_of
from domainlm.tokens.kernel import DIGIT, LETTER, NEWLINE, NUMBER, OTHER, SPACE, Cuts

_NO_LIMIT = 2**31 - 1
_PATTERNS: dict[str, tuple[bool, int]] = dict(
    zip(PATTERNS, ((False, _NO_LIMIT), (True, 3), (True, 1), (True, _NO_LIMIT)), strict=True)
)
"""What is built in: whether it is of cl100k's kind, and the longest run of numbers."""

_LAST_ASSIGNED = 0x40000
"""Planes 4 to 16 hold no letter, number or space: they are unassigned, private or formatting."""
_PROBE_CHARS = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused(Exception):
    """What of a tokenizer is not served by the fast path."""

    reason: str


def cuts(pre_tokenizer: Mapping[str, Any] | None, apart: Sequence[str] = ()) -> Cuts:
    """The cuts that a `pre_tokenizer` of a tokenizer.json makes; Refused where they are not known to be the same.

    `apart`: words that have to stay by themselves where others stay together.
    """
    steps = (pre_tokenizer or {}).get("pretokenizers", [pre_tokenizer])
    kinds = [(step or {}).get("type") for step in steps]
    if kinds not in (["ByteLevel"], ["Digits", "ByteLevel"], ["Split", "ByteLevel"], ["Digits", "Split", "ByteLevel"]):
        raise Refused(reason=f"pre-tokenizer {' + '.join(map(str, kinds))}")
    first, last = steps[0], steps[-1]
    if last["add_prefix_space"]:
        raise Refused(reason="pre-tokenizer ByteLevel with add_prefix_space")
    # Files older than the option mean True.
    if last.get("use_regex", True) == ("Split" in kinds):
        raise Refused(reason=f"pre-tokenizer {' + '.join(map(str, kinds))} with use_regex {last.get('use_regex')}")
    pattern = pattern_of(pre_tokenizer)
    wide = is_across(pattern)
    if wide:
        pattern = next((one for one in _PATTERNS if across(one, apart) == pattern), None)
    if pattern not in _PATTERNS:
        raise Refused(reason=f"pre-tokenizer pattern {pattern or steps[-2]}")
    cl100k, max_numbers = _PATTERNS[pattern]
    digits = kinds[0] == "Digits"
    single_digits = digits and first["individual_digits"]
    classes = _classes(digits)
    if digits and not single_digits and (_classes(False)[classes == DIGIT] != NUMBER).any():
        raise Refused(reason="pre-tokenizer Digits, in runs of what the library's \\p{N} calls numbers in part")
    return Cuts(classes, cl100k, max_numbers, single_digits, wide)


def widened(pre_tokenizer: Mapping[str, Any], apart: Sequence[str]) -> dict[str, Any]:
    """The pre-tokenizer that cuts as this one, but leaves words with single spaces between together, as JSON."""
    pattern = pattern_of(pre_tokenizer)
    assert pattern is not None
    steps = pre_tokenizer.get("pretokenizers", [pre_tokenizer])
    split = {"type": "Split", "pattern": {"Regex": across(pattern, apart)}, "behavior": "Isolated", "invert": False}
    first = [step for step in steps if step["type"] == "Digits"]
    return {"type": "Sequence", "pretokenizers": [*first, split, {**steps[-1], "use_regex": False}]}


@cache
def _classes(digits: bool) -> npt.NDArray[np.uint8]:
    classes = np.full(0x110000, OTHER, np.uint8)
    for pattern, kind in ((r"\p{L}+", LETTER), (r"\p{N}+", NUMBER), (r"\s+", SPACE)):
        probe = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
        for points in _planes():
            for _, (begin, end) in probe.pre_tokenize_str("".join(map(chr, points))):
                classes[points[begin:end]] = kind
    classes[[ord("\r"), ord("\n")]] = NEWLINE
    if digits:
        _set_digits_apart(classes)
    classes.flags.writeable = False
    return classes


def _set_digits_apart(classes: npt.NDArray[np.uint8]) -> None:
    """Give DIGIT to all that a `Digits` step takes: of another Unicode than the patterns, so not just numbers."""
    probe = pre_tokenizers.Digits(individual_digits=True)
    for points in _planes():
        # Behind each a letter: what then comes back by itself from an even place is a digit.
        for piece, (begin, _) in probe.pre_tokenize_str("".join(chr(point) + "a" for point in points)):
            if len(piece) == 1 and begin % 2 == 0:
                classes[points[begin // 2]] = DIGIT


def _planes() -> Iterator[list[int]]:
    """All code points that may have a class, some at a time."""
    for start in range(0, _LAST_ASSIGNED, _PROBE_CHARS):
        yield [point for point in range(start, start + _PROBE_CHARS) if not 0xD800 <= point < 0xE000]
