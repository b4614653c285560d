"""What `normalize` does to texts, by machine code: for all characters but those that NFC may change."""

# D documents
from __future__ import annotations

import re

import numba
import numpy as np

from domainlm.corpus.batch import Uint8, copied, eight_plain, sealed
from domainlm.corpus.spans import code_point

SPACES = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
LINE_ENDS = "\r\v\f\x85\u2028\u2029"
# C0 without tab and line feed, DEL, C1; soft hyphen; zero width (but the joiners, which Persian and emoji need);
# directions; byte order marks, noncharacters and halves of surrogate pairs.
UNSEEN = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff"
)
KEPT = (
    # Latin, Greek, Cyrillic, Armenian, letters of Hebrew and Arabic.
    *((0x00A1, 0x00AC), (0x00AE, 0x02FF), (0x0388, 0x0482), (0x048A, 0x0556), (0x05D0, 0x05EA)),
    *((0x0621, 0x064A), (0x0660, 0x066F), (0x0671, 0x06D5), (0x1E00, 0x1F70)),
    # Joiners, punctuation, currencies, letterlike, arrows, mathematics, boxes.
    *((0x200C, 0x200D), (0x2010, 0x2027), (0x2030, 0x205E), (0x2070, 0x20C0), (0x2100, 0x2125)),
    *((0x212C, 0x2328), (0x232B, 0x2ADB)),
    # Chinese, Japanese, Korean; private use, where PDFs have their bullets; ligatures; emoji.
    *((0x3001, 0x3029), (0x3041, 0x3096), (0x309B, 0x9FFF), (0xAC00, 0xD7A3), (0xE000, 0xF8FF)),
    *((0xFB00, 0xFB06), (0xFE00, 0xFE0F), (0xFF01, 0xFFEE), (0x1F000, 0x1FAFF)),
)
"""First and last of the code points beyond ASCII that stay as they are, whatever stands beside them.

They are nearly all that text has: the others, which NFC may change or put together with a neighbour, and a text that
has one of them, are left to `unicodedata`.
"""
_ASK, _KEEP, _BLANK, _FEED, _DROP = map(np.uint8, range(5))


def _kinds() -> Uint8:
    """What becomes of each code point below U+20000."""
    kinds = np.zeros(0x20000, np.uint8)
    for first, last in (*KEPT, (0x20, 0x7E)):
        kinds[first : last + 1] = _KEEP
    for characters, kind in ((SPACES + " \t", _BLANK), (LINE_ENDS + "\n", _FEED), (UNSEEN, _DROP)):
        for first, last in re.findall(r"(.)(?:-(.))?", characters, re.DOTALL):
            kinds[ord(first) : ord(last or first) + 1] = kind
    kinds[0xD800:0xE000] = _ASK
    return sealed(kinds)


KIND_OF = _kinds()


@numba.njit(nogil=True, cache=True)
def are_plain(data, begin_D, end_D, plain_D):
    for d in range(plain_D.size):
        plain_D[d] = is_plain(data, begin_D[d], end_D[d])


@numba.njit(nogil=True, cache=True)
def is_plain(utf8, i, end):
    """Whether nothing in a text has to change, for certain: seen from its bytes, and False where they leave it open.

    Plain: ASCII without control characters but tab and line feed; U+00A1 to U+02FF without the soft hyphen, U+2010 to
    U+2027, U+2030 to U+203F and U+2080 to U+20BF, all of which NFC leaves as they are. Lines end in neither space nor
    tab, there are no two empty ones together, and none at the beginning or the end.
    """
    before = np.uint8(0x0A)  # a line feed at the very beginning is too much, as is what ends the text
    feeds = 2
    while i < end:
        if i + 8 <= end and eight_plain(utf8, i):
            i += 8
            before, feeds = utf8[i - 1], 0
            continue
        stop = min(i + 8, end)
        while i < stop:
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


@numba.njit(nogil=True, cache=True)
def respell(data, begin_D, end_D, kinds, out, to_begin_D, to_end_D):
    """Write texts as `normalize` leaves them behind one another, and where; the end is -1 where Python has to look."""
    o = np.int64(0)
    for d in range(begin_D.size):
        to_begin_D[d] = o
        to_end_D[d] = _respelled(data, begin_D[d], end_D[d], kinds, out, o)
        o = max(o, to_end_D[d])


@numba.njit(nogil=True, cache=True)
def _respelled(data, i, end, kinds, out, o):
    first, solid, feeds = o, o, 0  # solid: the byte behind what is no blank that might yet end a line
    while i < end:
        begin = i
        while i + 8 <= end and eight_plain(data, i):
            i += 8
        if i > begin:
            o = copied(data, begin, i, out, o)
            last = i
            while last > begin and data[last - 1] == 0x20:
                last -= 1
            if last > begin:
                solid, feeds = o - (i - last), 0
            continue
        code = code_point(data, i)
        width = 1 + (code >= 0x80) + (code >= 0x800) + (code >= 0x10000)
        kind = kinds[code] if code < kinds.size else _ASK
        if kind == _ASK:
            return np.int64(-1)
        if kind == _KEEP:
            o = copied(data, i, i + width, out, o)
            solid, feeds = o, 0
        elif kind == _BLANK:
            out[o] = np.uint8(0x09) if code == 0x09 else np.uint8(0x20)
            o += 1
        elif kind == _FEED and not (code == 0x0D and i + 1 < end and data[i + 1] == 0x0A):
            o = solid
            if o > first and feeds < 2:
                out[o] = np.uint8(0x0A)
                o += 1
                solid, feeds = o, feeds + 1
        i += width
    o = solid
    while o > first and out[o - 1] == 0x0A:
        o -= 1
    return o
