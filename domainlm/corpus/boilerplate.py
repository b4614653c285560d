"""What filings and contracts hold beside their text, line by line: page marks, tables of contents, forms, signatures.

The patterns are ours, read off EDGAR filings and exhibits. They are written for Python's `re` and RE2 alike, match
single lines, and rather let something stand than take a sentence.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from functools import cache

import numpy as np
import pyarrow as pa

from domainlm.corpus.texts import matches

_DASH = "[-\u2013\u2014]"
_ROMAN = "[ivxlc]{1,7}"
PATTERNS: dict[str, str] = {
    "page mark": (
        r"(?i)^\s*(?:</?PAGE>[\s\divxlcF-]*"
        rf"|{_DASH}\s*(?:[A-Z]{{1,2}}-?)?(?:\d{{1,4}}|{_ROMAN})\s*{_DASH}"
        rf"|page\s+(?:[A-Z]{{1,2}}-?)?(?:\d{{1,4}}|{_ROMAN})(?:\s+of\s+\d{{1,4}})?"
        r"|\d{1,4}\s+of\s+\d{1,4})\s*$"
    ),
    "link to the contents": r"(?i)^\s*(?:(?:back|return)\s+to\s+)?(?:the\s+)?table\s+of\s+contents(?:\s+\d{1,4})?\s*$",
    "line of a table of contents": (
        r"(?i)^(?:.*(?:\.[ \t]?){4}\s*(?:[A-Z]{1,3}-)?(?:\d{1,3}|[ivxl]{1,6})"
        r"|\s*(?:item|part|section|article|exhibit|schedule|appendix)\s[^|\n]+(?:\s\s|\t)\s*(?:[FSA]-)?\d{1,3}"
        r"|\s*(?:item|part)\s+[\dIVX]+[A-C]?\.?\s*\|.*\|\s*(?:[FSA]-)?\d{1,3})\s*$"
    ),
    "line of an exhibit index": (
        r"(?i)^\s*[(*+\x{2020}\x{2021}#]*\d{1,3}(?:\.\d{1,3})*[A-Z]?[)*+\x{2020}\x{2021}#]*[\s|.].*"
        r"incorporated\s+(?:herein\s+)?by\s+reference"
        r"|^\s*[(*+#]*(?:(?:previously\s+)?filed|furnished)\s+herewith[.)*]*\s*$"
    ),
    "XBRL": (
        r"\b(?:us-gaap|dei|xbrli|xbrldi|iso4217|srt|ifrs-full|link|ix):[A-Za-z]{3,}"
        r"|xmlns(?::\w+)?=|https?://(?:fasb\.org|xbrl\.sec\.gov|www\.xbrl\.org)/"
        r"|^\s*\d{10}\s[\w:.\s-]*\d{4}-\d{2}-\d{2}\s*$"
    ),
    "ruler": r"^\s*(?:[-=_*~#.\x{2014}\x{2500}]\s?){5,}\s*$",
    "tag": r"(?i)^\s*(?:</?(?:TABLE|CAPTION|S|C|FN|F\d|TEXT|DOCUMENT|TYPE|SEQUENCE|FILENAME|DESCRIPTION)>\s*)+$",
    "blank signature": (
        r"(?i)^\s*(?:by|name|title|its|date|dated|signature|signed|witness|attest|print\s+name|address|telephone|fax)"
        r"(?:\s*\([^)]{0,40}\))?\s*:?\s*(?:[_\s.\x{2026}/]|/s/)*[_:]\s*$"
    ),
    "signature": r"(?i)^\s*(?:by\s*:?\s*)?/s/|^\s*in\s+witness\s+whereof\b",
    "note on signatures": (
        r"(?i)^\s*[\[(*\s]*(?:(?:remainder|rest|balance)\s+of\s+(?:this\s+)?page\s+(?:has\s+been\s+)?"
        r"(?:intentionally\s+)?(?:left\s+)?(?:blank|omitted)|(?:counterpart\s+)?signature\s*(?:page)?s?\s*"
        r"(?:(?:to\s+)?follow(?:s|ing)?|on\s+(?:the\s+)?(?:next|following)\s+pages?)(?:\s+(?:on\s+)?(?:the\s+)?"
        r"(?:next|following)?\s*pages?)?|this\s+(?:page|space)\s+(?:is\s+)?(?:has\s+been\s+)?intentionally\s+left\s+blank"
        r"|signature\s+page\s+to\s.*|execution\s+(?:copy|version))[\])*.;,\s]*$"
    ),
}
"""By what a line is, the pattern that finds it."""

MAX_LINE_CHARS = 400
"""No longer line is boilerplate, XBRL apart."""
_SHORT_CHARS = 80
_STARTS, _ENDS = frozenset("0123456789([<*+#-=_~. \t\u2020\u2021\u2014\u2500"), frozenset("0123456789ivxlIVXL_:-")
"""How a longer line of boilerplate begins or ends."""
_MIN_RE2_LINES = 300
_XBRL = ("us-gaap:", "xmlns", "xbrl", "iso4217:", "dei:", "srt:", "ifrs-full:", "fasb.org")
_PAGE_MARKS = ("page mark", "link to the contents")
_LONE_NUMBER = re.compile(r"\s*([A-Z]{1,2}-)?(\d{1,3})\s*")
_MIN_PAGES, _MIN_PAGE_CHARS = 3, 400
_MIN_HEADERS, _MIN_HEADER_SHARE, _MAX_HEADER_CHARS = 3, 0.1, 100
_HEADER = re.compile(r"(?![a-z])(?=(?:.*?[^\W\d_]){3}).*[^.;,:?!]")
_DIGITS = re.compile(r"\d+")
_SENTENCE_GOES_ON = re.compile(r"[a-z,]$")


def cleaned(text: str, kinds: tuple[str, ...]) -> tuple[str, Counter[str]]:
    """`text` without lines of those kinds, page numbers and running headers, and how many of each went.

    >>> cleaned("a tenant\\n\\nPage 3 of 12\\n\\nwho pays for 12 months", ("page mark",))
    ('a tenant\\nwho pays for 12 months', Counter({'page mark': 1}))
    """
    lines = text.split("\n")
    found = _marked(lines, kinds)
    done: Counter[str] = Counter()
    while True:  # a text in parts counts its pages more than once
        found |= dict.fromkeys(_lone_page_numbers(lines), "page mark")
        marks = {i for i, kind in found.items() if kind in _PAGE_MARKS}
        while headers := _running_headers(lines, marks) - found.keys():
            found |= dict.fromkeys(headers, "running header")
            marks |= headers
        if not found:
            return "\n".join(lines), done
        done += Counter(found.values())
        lines = _without(lines, found.keys())
        found = {}


def _marked(lines: Sequence[str], kinds: tuple[str, ...]) -> dict[int, str]:
    """What each line is that one of the kinds' patterns finds, the first of them."""
    patterns = _patterns(kinds)
    found = {}
    for i in _candidates(lines, kinds):
        line = lines[i]
        for kind, pattern in patterns.items():
            if pattern.search(line):
                found[i] = kind
                break
    if "XBRL" in kinds and any(name in line for line in lines if len(line) > _SHORT_CHARS for name in _XBRL):
        found |= {i: "XBRL" for i, line in enumerate(lines) if i not in found and patterns["XBRL"].search(line)}
    return found


def _candidates(lines: Sequence[str], kinds: tuple[str, ...]) -> list[int]:
    """Lines that the patterns are to look at: long ones of prose, which are most of a text, are passed over."""
    likely = [
        i
        for i, line in enumerate(lines)
        if line and (len(line) <= _SHORT_CHARS or (len(line) <= MAX_LINE_CHARS and _looks(line)))
    ]
    if len(likely) < _MIN_RE2_LINES:
        return likely
    # RE2 is ten times as fast as `re`, but takes half a millisecond to get ready, at each call.
    array = pa.array([lines[i] for i in likely], pa.large_string())
    matched = matches(array, "|".join(f"(?:{PATTERNS[kind]})" for kind in kinds))
    return [likely[i] for i in np.flatnonzero(matched).tolist()]


def _looks(line: str) -> bool:
    return line[0] in _STARTS or line[-1] in _ENDS


@cache
def _patterns(kinds: tuple[str, ...]) -> dict[str, re.Pattern[str]]:
    """The patterns as `re` has them, which writes code points otherwise than RE2."""
    return {kind: re.compile(re.sub(r"\\x\{(\w{4})\}", r"\\u\1", PATTERNS[kind])) for kind in kinds}


def _lone_page_numbers(lines: Sequence[str]) -> set[int]:
    """Lines that are a number such as `12` or `F-12` alone, each the next of the one before, a page's text apart.

    Tables that were written a cell a line hold numbers as well: only a chain of at least three that counts up, 400
    characters between neighbours, is one of page numbers.
    """
    place = 0
    longest: dict[tuple[str, int], tuple[int, int, int]] = {}  # by number: length of its chain, line, place
    before: dict[int, int] = {}
    best = (0, -1)
    for i, line in enumerate(lines):
        if len(line) <= 12 and (match := _LONE_NUMBER.fullmatch(line)):
            prefix, number = match[1] or "", int(match[2])
            length, previous, end = longest.get((prefix, number - 1), (0, -1, place - _MIN_PAGE_CHARS))
            if place - end < _MIN_PAGE_CHARS:
                length, previous = 0, -1
            before[i] = previous
            if length + 1 >= longest.get((prefix, number), (0,))[0]:
                longest[prefix, number] = (length + 1, i, place)
            best = max(best, (length + 1, i))
        place += len(line) + 1
    found = set()
    length, i = best
    while length >= _MIN_PAGES and i >= 0:
        found.add(i)
        i = before[i]
    return found


def _running_headers(lines: Sequence[str], page_marks: set[int]) -> set[int]:
    """Short lines that stand before page marks, or behind them, three times and at a tenth of the marks or more.

    Numbers in them may differ. A heading stands beside a mark of its own, and again in the table of contents: it stays.
    """
    least = max(_MIN_HEADERS, _MIN_HEADER_SHARE * len(page_marks))
    beside: dict[tuple[int, str], set[int]] = defaultdict(set)
    for mark in page_marks:
        for step in (-1, 1):
            i = mark + step
            while 0 <= i < len(lines) and (i in page_marks or not lines[i].strip()):
                i += step
            if 0 <= i < len(lines):
                line = lines[i].strip()
                if len(line) <= _MAX_HEADER_CHARS and _HEADER.fullmatch(line):
                    beside[step, _DIGITS.sub("0", line)].add(i)
    return {i for places in beside.values() if len(places) >= least for i in places}


def _without(lines: Sequence[str], removed: Collection[int]) -> list[str]:
    """The lines that are left; a sentence that a page break had split is joined."""
    kept: list[str] = []
    cut = False
    for i, line in enumerate(lines):
        if i in removed:
            cut = True
            continue
        if cut and line.strip():
            if line[0].islower() and (j := _last_text(kept)) >= 0 and _SENTENCE_GOES_ON.search(kept[j]):
                del kept[j + 1 :]
            elif kept and not kept[-1].strip():
                while len(kept) > 1 and not kept[-2].strip():
                    kept.pop()
            cut = False
        kept.append(line)
    return kept


def _last_text(lines: Sequence[str]) -> int:
    return next((i for i in range(len(lines) - 1, -1, -1) if lines[i].strip()), -1)
