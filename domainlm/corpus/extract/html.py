"""The text of an HTML page: its main content, without menus, scripts and forms.

By resiliparse (Apache-2.0): for 26 real pages it took 0.11 CPU-seconds, trafilatura 0.72; trafilatura lost all of a
filing without <body> (970,000 characters) and most of pages that are lists. What it leaves in, filters take out later.
"""

from __future__ import annotations

import re

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import bytes_to_str, detect_encoding, map_encoding_to_html5
from resiliparse.parse.html import HTMLTree

from domainlm.corpus.extract import Unreadable, kind

_MAX_DEPTH = 2000
"""Finding the main content takes time that grows with the square of the depth: 3,000 take 0.2 s, 40,000 take 40 s."""
_BLOCK = re.compile(rb"(?i)<(/?)(?:div|article)\b")
_DECLARED = re.compile(rb"(?i)<meta[^>]*?charset\s*=\s*[\"']?\s*([\w-]+)")


def text(content: bytes, charset: str | None = None) -> str:
    """The main text of a page; `charset` is what its server said. Raises Unreadable where it is no page."""
    found = kind.binary(content)
    if found:
        raise Unreadable(f"{found}, not HTML")
    return _extract(content, charset, main=True)


def without_tags(content: bytes) -> str:
    """All the text between tags, for SGML that is not XML. Raises Unreadable as `text` does."""
    return _extract(content, None, main=False)


def _extract(content: bytes, charset: str | None, *, main: bool) -> str:
    page = decoded(content, charset)
    if "\0" in page:
        raise Unreadable("NUL bytes: not text")
    if main and _depth(content) > _MAX_DEPTH:
        raise Unreadable(f"tags that are nested more than {_MAX_DEPTH:,} deep")
    tree = HTMLTree.parse(page)
    return extract_plain_text(tree, main_content=main, alt_texts=False, form_fields=False, noscript=False)


def decoded(content: bytes, charset: str | None = None) -> str:
    """The characters of a page, as browsers read it: by its byte order mark, as UTF-8 where it is that, as declared,
    and else by what is likely; what is still no character becomes U+FFFD.

    >>> decoded(b'<meta charset="latin1">caf\\xe9'), decoded(b"caf\\xe9 \\x93so\\x94"), decoded("café".encode())
    ('<meta charset="latin1">café', 'café “so”', 'café')
    """
    escapes = b"\x1b$" in content or b"\x1b(" in content
    if not content.startswith((b"\xff\xfe", b"\xfe\xff")) and not escapes:
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            pass
        declared = _DECLARED.search(content[:4096])
        charset = charset or (declared[1].decode("ascii") if declared else None)
    encoding = map_encoding_to_html5(charset, False) if charset else None
    return bytes_to_str(content, encoding or detect_encoding(content) or "utf-8").removeprefix("\ufeff")


def _depth(content: bytes) -> int:
    """How deep the blocks are nested at the deepest."""
    depth = deepest = 0
    for tag in _BLOCK.finditer(content):
        depth = max(0, depth - 1) if tag[1] else depth + 1
        deepest = max(deepest, depth)
    return deepest
