"""Takes out of contracts what only the paper needed: page marks, blanks to sign on, notes that signatures follow.

What a line has to look like is in `domainlm.corpus.boilerplate`. Blanks within a sentence stay, as four underscores.
"""

from __future__ import annotations

import re
from collections import Counter

from domainlm.corpus.boilerplate import cleaned
from domainlm.specs.spec import Spec

_KINDS = (
    "page mark",
    "line of a table of contents",
    "blank signature",
    "note on signatures",
    "ruler",
    "tag",
)
_BLANKS = re.compile(r"(?:_{5,}|\[[ \t_]{2,}\])(?:[ \t]*(?:_{2,}|\[[ \t_]{2,}\]))*")


class Options(Spec):
    """What goes besides page marks and blanks."""

    contents: bool = True
    """Whether lines of tables of contents go; the edit `tables` takes them for rows, so name it behind this one."""
    tags: bool = True
    """Whether SGML's `<TABLE>`, `<S>`, `<C>` and rulers go."""


def edit(text: str, options: Options) -> tuple[str, Counter[str]]:
    """`text` without such lines, and how many of each.

    >>> edit("Paid on ________ in full.\\nBy: __________\\n[Signature Page Follows]\\n- 3 -", Options())
    ('Paid on ____ in full.', Counter({'blank signature': 1, 'note on signatures': 1, 'page mark': 1, 'blank': 1}))
    """
    left_out = () if options.tags else ("ruler", "tag")
    left_out += () if options.contents else ("line of a table of contents",)
    kinds = tuple(kind for kind in _KINDS if kind not in left_out)
    text, done = cleaned(text, kinds)
    if "_____" in text or "[" in text:
        text, num_blanks = _BLANKS.subn("____", text)
        if num_blanks:
            text, more = cleaned(text, kinds)
            done += more + Counter(blank=num_blanks)
    return text, done
