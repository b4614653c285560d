"""Takes out lines that are no sentences. Source: C4's rules for lines, Raffel et al., arXiv:1910.10683, section 2.2.

Made for web pages: headings, lists and tables go. Citations in brackets, long words and policies are not in the paper
but in the code that made C4 (TensorFlow Datasets, `c4_utils.py`), as DataTrove has them.
"""

from __future__ import annotations

import re
from collections import Counter

from pydantic import Field

from domainlm.specs.spec import Positive, Spec

_ENDS = (".", "?", "!", '"', "'", "\u201d", "\u2019")
_ELLIPSES = ("...", "\u2026")
_CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
_POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")


class Options(Spec):
    """What a line has to be to stay; the defaults are C4's."""

    terminal_punctuation: bool = True
    """Whether a line has to end in `.`, `?`, `!` or a quotation mark, and not in an ellipsis."""
    min_words: int = Field(default=3, ge=0)
    """Fewest words of a line."""
    max_word_chars: Positive = 1000
    """Most characters of a word of it."""
    javascript: bool = True
    """Whether lines that name JavaScript go."""
    policies: bool = True
    """Whether lines that name terms of use, privacy policies or cookies go."""
    citations: bool = True
    """Whether Wikipedia's `[1]`, `[edit]` and `[citation needed]` go."""


def edit(text: str, options: Options) -> tuple[str, Counter[str]]:
    """`text` without such lines, and how many of each.

    >>> edit("Home | About\\nWe met on Monday.[2]\\nPlease enable JavaScript now.", Options())[0]
    'We met on Monday.'
    """
    done: Counter[str] = Counter()
    kept = []
    for raw in text.split("\n"):
        line = raw.strip()
        if options.citations and "[" in line:
            line = _without_citations(line, done)
        if not line:
            kept.append(line)
        elif reason := _reason(line, options):
            done[reason] += 1
        else:
            kept.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip("\n"), done


def _without_citations(line: str, done: Counter[str]) -> str:
    while True:
        line, times = _CITATION.subn("", line)
        if not times:
            return line.strip()
        done["citation"] += times


def _reason(line: str, options: Options) -> str:
    if len(line) > options.max_word_chars and any(len(word) > options.max_word_chars for word in line.split()):
        return "long word"
    if options.terminal_punctuation and (not line.endswith(_ENDS) or line.endswith(_ELLIPSES)):
        return "no terminal punctuation"
    if len(line.split(None, options.min_words)) < options.min_words:
        return "few words"
    lower = line.lower()
    if options.javascript and "javascript" in lower:
        return "javascript"
    if options.policies and any(policy in lower for policy in _POLICIES):
        return "policy"
    return ""
