"""User and password of a URL's authority (RFC 3986, section 3.2.1): `user:password` in https://user:password@host."""

from __future__ import annotations

import re
from collections.abc import Iterator

from domainlm.corpus.redact.spots import Spots
from domainlm.specs.redact import UrlCredentialsSpec

_BEFORE_CHARS = 160
_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://(?P<userinfo>[^\s/@:<>\[\]{}\"'$]*:[^\s/@<>\[\]{}\"'$]+)\Z")
_EXAMPLES = frozenset(("pass", "passwd", "password", "pw", "pwd", "secret", "yourpassword", "changeme"))
"""What documentation writes for a password."""
_HOST = re.compile(r"[\w\[]")


def find(text: str, places: Spots, options: UrlCredentialsSpec) -> Iterator[tuple[int, int]]:
    """Spans of `user:password`, in characters; a template such as ${USER}:${PASSWORD} is none."""
    for start, end in places.ats:
        if text[start] != "@" or not _HOST.match(text, end):
            continue
        found = _AUTHORITY.search(text, max(0, start - _BEFORE_CHARS), start)
        if found and found["userinfo"].rpartition(":")[2].lower() not in _EXAMPLES:
            yield found.span("userinfo")
