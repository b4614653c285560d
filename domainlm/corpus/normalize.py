"""One spelling for each text: NFC, plain spaces, line feeds, no control characters; doing it twice changes nothing."""

from __future__ import annotations

import re
import unicodedata

import numpy as np

from domainlm.corpus.batch import Spans
from domainlm.corpus.spelling import KIND_OF, LINE_ENDS, SPACES, UNSEEN, are_plain, is_plain, respell

_ODD = re.compile(f"[{SPACES}{LINE_ENDS}{UNSEEN}]+")
_ODD_ASCII = re.compile("[\x00-\x08\x0b-\x1f\x7f]+")
_SPACE = re.compile(f"[{SPACES}]")
_LINE_END = re.compile(f"[{LINE_ENDS}]")
_UNSEEN_ONE = re.compile(f"[{UNSEEN}]")
_EMPTY_LINES = re.compile(r"\n{3,}")


def normalize(text: str) -> str:
    r"""`text` with one Unicode form (NFC) and one white space: the words, the lines and the indentation stay.

    >>> normalize("Cafe\u0301\u00a0au lait \r\n\r\n\r\n\r\nend\x07\n")
    'Café au lait\n\nend'
    """
    utf8 = text.encode("utf-8", "surrogatepass")
    if is_plain(np.frombuffer(utf8, np.uint8), np.int64(0), np.int64(len(utf8))):
        return text
    changed = changed_by_normalize(Spans.of([utf8]))
    return changed[0].decode() if changed else text


def changed_by_normalize(texts: Spans) -> dict[int, bytes]:
    """By number, the texts that `normalize` does not leave as they are, as it leaves them."""
    plain_D = np.empty(len(texts), np.bool_)
    are_plain(texts.data, texts.begin_D, texts.end_D, plain_D)
    odd = np.flatnonzero(~plain_D)
    read = texts.chosen(odd)
    out = np.empty(int(read.num_bytes().sum()), np.uint8)
    begin_D, end_D = np.empty(len(odd), np.int64), np.empty(len(odd), np.int64)
    respell(read.data, read.begin_D, read.end_D, KIND_OF, out, begin_D, end_D)
    changed: dict[int, bytes] = {}
    for number, before, begin, end in zip(odd.tolist(), read, begin_D.tolist(), end_D.tolist(), strict=True):
        asked = end < 0
        after = _normalized(str(before, "utf-8", "surrogatepass")).encode() if asked else out[begin:end].tobytes()
        if after != bytes(before):
            changed[number] = after
    return changed


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
