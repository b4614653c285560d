"""One spelling for each text: NFC, plain spaces, line feeds, no control characters; doing it twice changes nothing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import numba
import numpy as np

from domainlm.corpus.batch import Spans

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
    return text if is_plain(text.encode("utf-8", "surrogatepass")) else _normalized(text)


def odd_ones(texts: Spans) -> Iterator[int]:
    """Numbers of the texts that `normalize` may change, few as a rule."""
    plain_D = np.empty(len(texts), np.bool_)
    _are_plain(texts.data, texts.begin_D, texts.end_D, plain_D)
    return iter(np.flatnonzero(~plain_D).tolist())


def is_plain(utf8: bytes) -> bool:
    """Whether `normalize` certainly leaves this text as it is: most it does, and to see that takes a tenth of it."""
    return _is_plain(np.frombuffer(utf8, np.uint8), np.int64(0), np.int64(len(utf8)))


def _normalized(text: str) -> str:
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


@numba.njit(nogil=True, cache=True)
def _are_plain(data, begin_D, end_D, plain_D):
    for d in range(plain_D.size):
        plain_D[d] = _is_plain(data, begin_D[d], end_D[d])


@numba.njit(nogil=True, cache=True)
def _is_plain(utf8, i, end):
    """Whether nothing in a text has to change, for certain: seen from its bytes, and False where they leave it open.

    Plain: ASCII without control characters but tab and line feed; U+00A1 to U+02FF without the soft hyphen, U+2010 to
    U+2027, U+2030 to U+203F and U+2080 to U+20BF, all of which NFC leaves as they are. Lines end in neither space nor
    tab, there are no two empty ones together, and none at the beginning or the end.
    """
    before = np.uint8(0x0A)  # a line feed at the very beginning is too much, as is what ends the text
    feeds = 2
    while i < end:
        byte = utf8[i]
        if byte == 0x0A:
            feeds += 1
            if feeds == 3 or before == 0x20 or before == 0x09:
                return False
        else:
            feeds = 0
            if byte < 0x80:
                if (byte < 0x20 and byte != 0x09) or byte == 0x7F:
                    return False
            elif byte == 0xC2:
                i += 1
                if utf8[i] <= 0xA0 or utf8[i] == 0xAD:
                    return False
            elif 0xC3 <= byte <= 0xCB:
                i += 1
            elif byte == 0xE2 and (utf8[i + 1] == 0x80 or utf8[i + 1] == 0x82):
                i += 2
                last = utf8[i]
                if utf8[i - 1] == 0x80 and (last < 0x90 or 0xA8 <= last <= 0xAF):
                    return False
            else:
                return False
        before = byte
        i += 1
    return before != 0x0A and before != 0x20 and before != 0x09
