"""IPv4 and IPv6 addresses that are someone's: no versions, no sections, no private or documentation ranges."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from domainlm.corpus.redact.context import after, before
from domainlm.corpus.redact.spots import Spots
from domainlm.specs.redact import IpSpec

_V4 = re.compile(r"(?<![\w.+-])(?<![\d]/)\d{1,3}(?:\.\d{1,3}){3}(?![\w-])(?!\.\d)")
_GLOBAL_V6 = re.compile(r"(?i)[23][0-9a-f]{3}:")
"""2000::/3, all that is given out (RFC 4291, section 2.4)."""
_NEAR = re.compile(
    r"(?i)\b(?:ip(?:v[46])?|ips|dns|nameserver|resolvers?|host ?names?|ping|gateway|subnet|firewall|router|ssh|proxy|"
    r"curl|logs|logged in)\b"
)
"""Words that are seldom used of anything else, somewhere before."""
_NEXT = re.compile(
    r"(?i)(?:\b(?:address(?:es)?|server|hosts?|peers?|client|from|source|destination|network|"
    r"blocked|block|IN A)[ :=(\[]{1,3}|@)\Z"
)
"""Words that count only where they stand next to it."""
_REQUEST = re.compile(r"(?:\s-\s.{0,20})?[\s\"]{1,3}(?:GET|POST|HTTP)\b|/\d\d?\b")
"""What stands behind an address in a server's log, or a prefix length."""
_NOT_ADDRESS = re.compile(
    r"""(?ix) (?: \b(?:sections?|sec|clauses?|articles?|paragraphs?|para|chapters?|parts?|rules?|annex(?:es)?|appendix|
    schedules?|items?|tables?|figures?|exhibits?|versions?|ver|v|releases?|rel|firmware|build|update|upgrade|python|
    software|driver|kernel|subsections?|sub(?:paragraph|clause)s?|attachment|oid|level|regs?|regulations?|provisions?|standard|
    std|ifrs|ias)
    \b[\s.:(>"]{0,3}(?:no\.?\s)?(?:to\s)?(?:version\s)? | [§/=~±] \s? | \bv ) \Z"""
)
_LIST = re.compile(r"(?:\d+(?:\.\d+){1,3}(?:\([a-z0-9]+\))*(?:,|,? or|,? and| to|-|–)\s*)+\Z")
"""What is said of the first of a list is said of all."""


def find(text: str, places: Spots, options: IpSpec) -> Iterator[tuple[int, int]]:
    """Spans of addresses, in characters, without ports and prefix lengths."""
    for start, end in places.numbers:
        for found in _V4.finditer(text, start, end) if text.count(".", start, end) >= 3 else ():
            if _is_wanted(found[0], options) and _is_v4(text, *found.span()):
                yield found.span()
    for start, end in places.colons:
        span = _v6(text, start, end)
        if (
            span
            and (options.include_reserved or _GLOBAL_V6.match(text, span[0]))
            and _is_wanted(text[slice(*span)], options)
        ):
            yield span


def _v6(text: str, start: int, end: int) -> tuple[int, int] | None:
    while text[start] == ":" and text[start : start + 2] != "::":
        start += 1
    while text[end - 1] == ":" and text[end - 2 : end] != "::":
        end -= 1
    if text[end - 2 : end] == "::" and text[end : end + 1] != "/":
        return None
    outside = text[max(0, start - 1) : start] + text[end : end + 1]
    return None if any(char.isalnum() or char == "_" for char in outside) else (start, end)


def _is_wanted(address: str, options: IpSpec) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return options.include_reserved or (parsed.is_global and not parsed.is_multicast)


def _is_v4(text: str, start: int, end: int) -> bool:
    """Whether four numbers are an address by what stands around them, or else by size: a section's are small."""
    words = _LIST.sub("", before(text, start, 48))
    if _NOT_ADDRESS.search(words):
        return False
    octets = [int(octet) for octet in text[start:end].split(".")]
    if octets[0] >= 20 and max(octets) >= 100:
        return True
    return bool(_NEAR.search(words) or _NEXT.search(words) or _REQUEST.match(after(text, end)))
