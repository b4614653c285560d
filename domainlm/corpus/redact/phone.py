"""Telephone numbers: international (ITU-T E.164), of North America (NANP), and others where the text calls them so."""

from __future__ import annotations

import re
from collections.abc import Iterator

from domainlm.corpus.redact.context import after, before, names_another_number
from domainlm.corpus.redact.spots import Spots
from domainlm.specs.redact import PhoneSpec

_GAP = r"[\s.\u00a0\u2010-\u2013/-]"
_INTERNATIONAL = re.compile(
    rf"(?<![\w+.])(?:\(?\+\d{{1,4}}\)?)(?:{_GAP}{{0,2}}(?:\(\d{{1,4}}\)|\d{{1,14}})){{1,6}}(?![\w])"
)
_SEP = r"(?: ?[-\u2010-\u2013.] ?| {1,2})"
_NANP = re.compile(
    rf"(?<![\w.+/$−-])(?:\(?1\)?(?P<one>{_SEP}))?"
    rf"(?:\((?P<a>[2-9]\d\d)\)(?P<p> {{0,2}}-?|[.])|(?P<b>[2-9]\d\d)(?P<s>{_SEP}|/))"
    rf"(?P<exchange>[2-9]\d\d)(?P<t>{_SEP})\d{{4}}(?:/\d{{4}}(?![\d/]))?(?![\w-]|/\d)(?!\.\d)(?! \d{{3}}\b(?!-))"
)
_TOLL_FREE = frozenset(("800", "833", "844", "855", "866", "877", "888"))
_OTHER = re.compile(
    rf"(?<![\w.+,$€£¥−-])(?<!\d )(?:\(0\d{{0,4}}\)|\(?\d{{2,6}}\)?)"
    rf"(?:{_GAP}{{0,2}}(?:\(\d{{1,4}}\)|\d{{1,8}})){{0,6}}(?![\w%])(?![.,]\d)"
)
_DATE = re.compile(
    r"(?:18|19|20)\d\d([-./])\d{1,2}\1\d{1,2}(?!\d)|\d{1,2}([-./])\d{1,2}\2(?:(?:18|19|20)\d\d|\d\d)(?!\d)|"
    r"((?:18|19|20)\d\d\W{1,3})+(?:(?:18|19|20)\d\d|\d\d)$|(?:19|20)\d{6}$"
)
"""A number that begins as a date is none."""
_JOIN = r"""[\s:：.,\#=()|"'*–-]*(?:(?:
    no | nos | nr | num | numbers? | n[°ºr] | num[eé]ro | n[uú]mero | nummer | is | are | est | ist | [eä]r |
    at | on | or | of | the | and | us | me |
    direct | line | toll | free | dial | office | home | work | business | main | general | daytime | evening |
    hours? | international |
    usa? | u\.s | fax | tel | mobile | cell | voice | contact | for | by | to | call | including | area | code )
    (?!\w)[\s:：.,\#=()|"'*–-]*){0,5} \Z"""
_NOUN = re.compile(
    rf"""(?ix) (?<![<\w]) (?: (?:
    telephones? | phones? | tel | t[eé]l | telefono? | tel[eé]fono?s? | t[eé]l[eé]phones? | t[eé]l[eé]copieur |
    telefax | telecop(?:y|ier) | facsimiles? |
    fax | mobile | mobil | m[oó]vil | cell(?:ular|phone)? | handy | hotline | helpline | whatsapp | pager |
    tty | tdd | voicemail | gsm |
    telefoon | telefonnummer ) (?![\w>]) | \w*phone(?:_?number)?(?=["'`]) |
    (?-i:[Pp]h(?:[.:]|[ ](?=[0(+]))) ) {_JOIN}"""
)
_VERB = re.compile(
    r"""(?ix) (?<![<\w]) (?: call(?:ing)? | dial | ring | reach(?:ed)? | contact | phoned? | telephoned? |
    text | home | office | work |
    (?:my|your|his|her|our|their|best|what|which|following)\s(?:\w+\s)?number(?:['’]s)? ) (?!\w) [^\d;]{0,56} \Z"""
)
_BEHIND = re.compile(r"(?i)^ ?\((?:tel|t[eé]l|phone|fax|mobile|cell|home|office|work|voice|tty|clerks?)\b")
_CHAIN = re.compile(r"(?!.*\. )[^\d\n]{1,24}\Z")
_COUNTRY = re.compile(
    r"1|7|2(?:0|7|1[1-368]|[2-4]\d|5[0-8]|6\d|9[0-9])|3(?:[0-469]|5\d|7\d|8[0-9])|4(?:[013-9]|2[0-3])|"
    r"5(?:[1-8]|0\d|9\d)|6(?:[0-6]|[78]\d|9[0-2])|8(?:[1246]|0[08]|5\d|7[08]|8\d)|9(?:[0-58]|6\d|7[0-79]|9[2-8])"
)
"""Assigned country codes, ITU Operational Bulletin 1114 (2016), annex."""


def find(text: str, places: Spots, options: PhoneSpec) -> Iterator[tuple[int, int]]:
    """Spans of numbers, in characters, the `+` and the parentheses with them."""
    last_end = -1
    for start, end in places.numbers:
        first = start
        while first > max(0, start - 4) and text[first - 1] in "(+ 	":
            first -= 1
        at = first
        while at < end:
            span = _next(text, at, end, last_end)
            if span is None:
                break
            yield span
            at = last_end = span[1]


def _next(text: str, start: int, end: int, last_end: int) -> tuple[int, int] | None:
    """The first number in text[start:end]; `last_end` is where the number before it ended."""
    spans = []
    for found in _INTERNATIONAL.finditer(text, start, end):
        if is_international(found[0]):
            spans.append((found.start(), found.end()))
            break
    for found in _NANP.finditer(text, start, end):
        if _is_nanp(text, found, last_end):
            spans.append(found.span())
            break
    if not spans:
        for found in _OTHER.finditer(text, start, end):
            if _is_other(text, *found.span(), last_end):
                spans.append(found.span())
                break
    if not spans:
        return None
    first, last = min(spans, key=lambda span: (span[0], -span[1]))
    return first + (text[first] == "(" and ")" not in text[first:last]), last


def is_international(number: str) -> bool:
    """Whether the digits behind `+` begin with a country's code and are as many as a subscriber's number has.

    >>> is_international("+44 (0)20 7946 0717"), is_international("+10 000 000")
    (True, False)
    """
    digits = re.sub(r"\D", "", number.replace("(0)", ""))
    code = _COUNTRY.match(digits)
    first = re.sub(r"\D", "", re.split(r"(?<=\d)[^\d]", number)[0])
    if code is None or not 8 <= len(digits) <= 15 or len(first) < code.end():
        return False
    if code.end() < len(first) <= 3:
        return False
    national = digits[code.end() :]
    if code[0] == "1":
        return len(national) == 10 and national[0] > "1" and national[3] > "1"
    return len(national) >= 6 and len(set(national)) > 2


def _is_nanp(text: str, found: re.Match[str], last_end: int) -> bool:
    start, area = found.start(), found["a"] or found["b"]
    is_reserved = area[1:] == "11" or area[1] == "9" or (found["exchange"][1:] == "11" and area not in _TOLL_FREE)
    by_noun = bool(_NOUN.search(before(text, start)))
    if is_reserved or (names_another_number(text, start) and not by_noun):
        return False
    if found["a"] or found["one"]:
        return True
    if found["s"].strip():
        return found["s"].strip() == found["t"].strip() or by_noun
    is_row = start > 1 and text[start - 1] == " " and text[start - 2].isdigit()
    return not is_row and _is_called_a_number(text, start, found.end(), last_end)


def _is_other(text: str, start: int, end: int, last_end: int) -> bool:
    number = text[start:end]
    digits = re.sub(r"\D", "", number)
    if not 7 <= len(digits) <= 13 or _DATE.match(number):
        return False
    words = before(text, start)
    if _BEHIND.search(after(text, end)):
        return True
    if names_another_number(text, start) and not _NOUN.search(words):
        return False
    if _NOUN.search(words):
        return True
    has_shape = (
        (digits[0] == "0" and len(digits) >= 9)
        or re.fullmatch(r"[2-9]\d\d[-.]\d{4}", number) is not None
        or (len(digits) == 10 and digits[0] > "1" and digits[3] > "1")
    )
    return has_shape and _is_called_a_number(text, start, end, last_end)


def _is_called_a_number(text: str, start: int, end: int, last_end: int) -> bool:
    words = before(text, start)
    behind_another = 0 <= last_end < start and _CHAIN.match(text[last_end:start])
    return bool(
        behind_another
        or re.search(r"<PHONE>[^\d\n]{1,24}\Z", words)
        or _NOUN.search(words)
        or _VERB.search(words)
        or _BEHIND.search(after(text, end))
    )
