"""Takes out of filings what the page and the filing system put there: page marks, running headers, rulers, XBRL.

Lines of a table of contents and of an exhibit index go too. What a line has to look like is in
`domainlm.corpus.boilerplate`; a lone number is a page number only where it counts up from page to page.
"""

from __future__ import annotations

from collections import Counter

from domainlm.corpus.boilerplate import cleaned
from domainlm.specs.spec import Spec

_KINDS = (
    "page mark",
    "link to the contents",
    "line of a table of contents",
    "line of an exhibit index",
    "XBRL",
    "ruler",
    "tag",
)


class Options(Spec):
    """What goes besides page marks."""

    contents: bool = True
    """Whether lines of tables of contents go; the edit `tables` takes them for rows, so name it behind this one."""
    exhibit_index: bool = True
    """Whether lines of an exhibit index go that only point to other filings."""
    tags: bool = True
    """Whether SGML's `<TABLE>`, `<S>`, `<C>` and rulers go."""


def edit(text: str, options: Options) -> tuple[str, Counter[str]]:
    """`text` without such lines, and how many of each.

    >>> edit("The loss was\\n\\n<PAGE> 4\\n\\nsmall.\\nItem 1. Business ........ 3", Options())
    ('The loss was\\nsmall.', Counter({'page mark': 1, 'line of a table of contents': 1}))
    """
    return cleaned(text, _kinds(options))


def _kinds(options: Options) -> tuple[str, ...]:
    chosen = {"line of a table of contents": options.contents, "line of an exhibit index": options.exhibit_index}
    chosen |= {"ruler": options.tags, "tag": options.tags}
    return tuple(kind for kind in _KINDS if chosen.get(kind, True))
