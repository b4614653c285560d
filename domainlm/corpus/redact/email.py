"""E-mail addresses: RFC 5322's dot-atoms as they are used, in domains with a top-level name; also `(at)` and `[at]`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from domainlm.corpus.redact.spots import Spots
from domainlm.specs.redact import EmailSpec

LOCAL_CHARS = 64
"""RFC 5321, section 4.5.3.1.1."""
_LOCAL = re.compile(r"(?<![\w.%+'’-])\w[\w.%+'’&-]{0,63}\Z")
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,24}(?![^\W_])")
_LOCAL_AT = re.compile(r"(?<![\w.%+-])[^\W_][\w.%+-]{0,63} ?\Z")
_AT_END = re.compile(r" ?[)\]] ?")
_GLUED = re.compile(r"\.(?:com|org|net|edu|gov|int|info|[a-z]{2})(?=[A-Z])")
_FILE_NAMES = frozenset(
    """png jpg jpeg gif svg webp ico pdf js mjs ts tsx jsx css scss less html htm json yaml yml xml txt csv zip tar gz
    tgz jar whl exe dll so""".split()  # noqa: SIM905
)
"""What stands behind the last dot of names such as logo@2x.png; none is a top-level domain for mail."""


def find(text: str, places: Spots, options: EmailSpec) -> Iterator[tuple[int, int]]:
    """Spans of addresses, in characters."""
    for start, end in places.ats:
        local = _LOCAL.search(text, max(0, start - LOCAL_CHARS - 1), start) if text[start] == "@" else None
        if text[start] != "@":
            close = _AT_END.match(text, end)
            local = _LOCAL_AT.search(text, max(0, start - LOCAL_CHARS - 2), start) if close else None
            end = close.end() if close else end
        if local is None or local[0].endswith(".") or ".." in local[0]:
            continue
        domain = _DOMAIN.match(text, end, end + 255)
        if domain is None:
            continue
        stop = domain.start() + len(_without_next_sentence(domain[0]))
        top = text[domain.start() : stop].rpartition(".")[2].lower()
        is_ssh = local[0] == "git" and text[stop : stop + 1] in (":", "/")
        if top not in _FILE_NAMES and not is_ssh:
            yield local.start(), stop


def _without_next_sentence(domain: str) -> str:
    """Without a capitalised word that a missing space, or a missing stop and space, has glued on.

    >>> _without_next_sentence("example.com.Please"), _without_next_sentence("example.org.ukEmail")
    ('example.com', 'example.org.uk')
    """
    glued = _GLUED.search(domain)
    if glued:
        return domain[: glued.end()]
    head, _, last = domain.rpartition(".")
    return head if "." in head and last.istitle() and head.islower() else domain
