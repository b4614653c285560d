"""One spelling for each text: NFC, plain spaces, line feeds, no control characters; doing it twice changes nothing."""

from __future__ import annotations

import re
import unicodedata

_SPACES = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_LINE_ENDS = "\r\v\f\x85\u2028\u2029"
# C0 without tab and line feed, DEL, C1; soft hyphen; zero width (but the joiners, which Persian and emoji need);
# directions; byte order marks, noncharacters and halves of surrogate pairs.
_UNSEEN = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff"
)
_ODD = re.compile(f"[{_SPACES}{_LINE_ENDS}{_UNSEEN}]+")
_ODD_ASCII = re.compile("[\x00-\x08\x0b-\x1f\x7f]+")
_SPACE = re.compile(f"[{_SPACES}]")
_LINE_END = re.compile(f"[{_LINE_ENDS}]")
_UNSEEN_ONE = re.compile(f"[{_UNSEEN}]")
_EMPTY_LINES = re.compile(r"\n{3,}")


def normalize(text: str) -> str:
    r"""`text` with one Unicode form (NFC) and one white space: the words, the lines and the indentation stay.

    >>> normalize("Cafe\u0301\u00a0au lait \r\n\r\n\r\n\r\nend\x07\n")
    'Café au lait\n\nend'
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    text = _ODD_ASCII.sub(_plain, text) if text.isascii() else unicodedata.normalize("NFC", _ODD.sub(_plain, text))
    if " \n" in text or "\t\n" in text:
        text = "\n".join([line.rstrip(" \t") for line in text.split("\n")])
    if "\n\n\n" in text:
        text = _EMPTY_LINES.sub("\n\n", text)
    return text.strip("\n").rstrip(" \t\n")


def _plain(odd: re.Match[str]) -> str:
    """A run of odd characters as plain ones. Runs are few, so that each may take its time."""
    return _UNSEEN_ONE.sub("", _LINE_END.sub("\n", _SPACE.sub(" ", odd[0])))
