"""The text of XML: what stands between its tags, a line for each element that holds text.

Which elements are paragraphs no schema is asked: an element whose own text stands between its children (a sentence with
a defined term in it) is one line; one that holds nothing but elements gives the lines of each.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree  # expat stops entity bombs (2.4.1 and later), reads no files
from collections.abc import Iterator

from domainlm.corpus.extract import Unreadable, html, kind

_SPACES = re.compile(r"[^\S\n]+")
_AROUND_LINE_FEEDS = re.compile(r" ?\n ?")


def text(content: bytes) -> str:
    r"""The text of an XML document. Raises Unreadable where it is none.

    >>> text(b"<a><h>One</h><p>A <i>big</i> thing.</p></a>")
    'One\nA big thing.'
    """
    found = kind.binary(content)
    if found:
        raise Unreadable(f"{found}, not XML")
    if kind.is_page(content):
        return html.text(content)
    try:
        root = ElementTree.fromstring(content)  # noqa: S314
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise Unreadable(f"not XML: {error}") from error
    return "\n".join(filter(None, map(_clean, _lines(root))))


def _lines(root: ElementTree.Element) -> Iterator[str]:
    pending = [root]
    while pending:
        element = pending.pop()
        children = list(element)
        mixed = _holds(element.text) or any(_holds(child.tail) for child in children)
        if mixed or not children:
            yield "".join(element.itertext())
        else:
            pending.extend(reversed(children))


def _holds(between: str | None) -> bool:
    return between is not None and not between.isspace() and between != ""


def _clean(line: str) -> str:
    return _AROUND_LINE_FEEDS.sub("\n", _SPACES.sub(" ", line)).strip()
