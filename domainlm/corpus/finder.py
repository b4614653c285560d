"""The text and the id of records in JSON lines, found without making objects of them: over 600 MB a CPU-second.

Strict: a line is taken only where it is an object of JSON (RFC 8259) in valid UTF-8 (RFC 3629), with each of the two
fields once. Any other line is left to a library, which reads it or says what is wrong.
"""

# L lines
from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from domainlm.corpus.batch import Int64, Spans, Uint8, copied, eight_plain, sealed

BLANK, TAKEN, LEFT = np.uint8(0), np.uint8(1), np.uint8(2)
_MAX_DEPTH = 60
_NONE = np.int64(-1)
_MAX_DIGITS = 18
"""Of a number that is taken."""
_LINE_BYTES = 16
"""Room is made for a line of so many bytes; more is made where lines are shorter."""


class Found(NamedTuple):
    """The lines of a chunk."""

    begin_L: Int64
    end_L: Int64
    """Without the line feed."""
    kind_L: Uint8
    """BLANK, TAKEN or LEFT."""
    texts: Spans
    ids: Spans
    """Both of all lines; of those that were not taken, empty."""


class Finder:
    """Finds the fields `text` and `id_field` (or only the text) in chunks of whole lines."""

    def __init__(self, text: str, id_field: str | None):
        if not text or text == id_field or id_field == "":
            raise ValueError(f"the text in {text!r}, the id in {id_field!r}")
        self._text = np.frombuffer(text.encode(), np.uint8)
        self._id = np.frombuffer((id_field or "").encode(), np.uint8)
        self._out = np.empty(0, np.uint8)
        self._places = np.empty((6, 1024), np.int64)
        self._kinds = np.empty(1024, np.uint8)

    def find(self, chunk: bytes, max_line_bytes: int) -> Found:
        """The lines of `chunk`; the result holds until the next call. A longer line than that is left."""
        if len(self._out) < len(chunk):
            self._out = np.empty(len(chunk), np.uint8)
        data = np.frombuffer(chunk, np.uint8)
        while True:
            num_lines = _find(data, self._text, self._id, max_line_bytes, self._out, self._places, self._kinds)
            if num_lines >= 0:
                break
            room = max(2 * len(self._kinds), len(chunk) // _LINE_BYTES)
            self._places, self._kinds = np.empty((6, room), np.int64), np.empty(room, np.uint8)
        out = sealed(self._out)
        begin_L, end_L, text_L, text_end_L, id_L, id_end_L = self._places[:, :num_lines]
        return Found(
            begin_L=begin_L,
            end_L=end_L,
            kind_L=self._kinds[:num_lines],
            texts=Spans(data=out, begin_D=text_L, end_D=text_end_L),
            ids=Spans(data=out, begin_D=id_L, end_D=id_end_L),
        )


def _plain() -> npt.NDArray[np.bool_]:
    """Bytes that stand for themselves in a string."""
    plain = np.zeros(256, np.bool_)
    plain[0x20:0x80] = True
    plain[[0x22, 0x5C]] = False
    return plain


_PLAIN = _plain()


@numba.njit(nogil=True, cache=True)
def _skip_blanks(data, i, end):
    while i < end and (data[i] == 0x20 or data[i] == 0x09 or data[i] == 0x0D):
        i += 1
    return i


@numba.njit(nogil=True, cache=True)
def _hex(data, i, end):
    """Value of four hexadecimal digits, or -1."""
    if i + 4 > end:
        return _NONE
    value = 0
    for j in range(i, i + 4):
        byte = int(data[j])
        if 0x30 <= byte <= 0x39:
            digit = byte - 0x30
        elif 0x41 <= byte <= 0x46:
            digit = byte - 0x37
        elif 0x61 <= byte <= 0x66:
            digit = byte - 0x57
        else:
            return _NONE
        value = 16 * value + digit
    return value


@numba.njit(nogil=True, cache=True)
def _escape(data, i, end, out, o):
    """What stands behind a backslash at `i`, written to `out`; the byte after it, or -1, and the end in `out`."""
    if i >= end:
        return _NONE, o
    byte = data[i]
    short = np.uint8(0)
    if byte == 0x22 or byte == 0x5C or byte == 0x2F:
        short = byte
    elif byte == 0x6E:
        short = np.uint8(0x0A)
    elif byte == 0x74:
        short = np.uint8(0x09)
    elif byte == 0x72:
        short = np.uint8(0x0D)
    elif byte == 0x62:
        short = np.uint8(0x08)
    elif byte == 0x66:
        short = np.uint8(0x0C)
    if short:
        out[o] = short
        return i + 1, o + 1
    if byte != 0x75:
        return _NONE, o
    code = _hex(data, i + 1, end)
    i += 5
    if 0xD800 <= code < 0xDC00:
        if i + 2 > end or data[i] != 0x5C or data[i + 1] != 0x75:
            return _NONE, o
        low = _hex(data, i + 2, end)
        if not 0xDC00 <= low < 0xE000:
            return _NONE, o
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
        i += 6
    elif code < 0 or 0xDC00 <= code < 0xE000:
        return _NONE, o
    if code < 0x80:
        out[o] = code
        return i, o + 1
    if code < 0x800:
        out[o] = 0xC0 | code >> 6
        out[o + 1] = 0x80 | code & 0x3F
        return i, o + 2
    if code < 0x10000:
        out[o] = 0xE0 | code >> 12
        out[o + 1] = 0x80 | code >> 6 & 0x3F
        out[o + 2] = 0x80 | code & 0x3F
        return i, o + 3
    out[o] = 0xF0 | code >> 18
    out[o + 1] = 0x80 | code >> 12 & 0x3F
    out[o + 2] = 0x80 | code >> 6 & 0x3F
    out[o + 3] = 0x80 | code & 0x3F
    return i, o + 4


@numba.njit(nogil=True, cache=True)
def _utf8_bytes(data, i, end):
    """Bytes of the character beyond ASCII at `i`, or 0 where there is none."""
    first, second = data[i], np.uint8(0)
    if i + 1 < end:
        second = data[i + 1]
    low, high = np.uint8(0x80), np.uint8(0xBF)
    if 0xC2 <= first <= 0xDF:
        width = 2
    elif 0xE0 <= first <= 0xEF:
        width = 3
        if first == 0xE0:
            low = np.uint8(0xA0)
        elif first == 0xED:
            high = np.uint8(0x9F)
    elif 0xF0 <= first <= 0xF4:
        width = 4
        if first == 0xF0:
            low = np.uint8(0x90)
        elif first == 0xF4:
            high = np.uint8(0x8F)
    else:
        return 0
    if i + width > end or not low <= second <= high:
        return 0
    for j in range(i + 2, i + width):
        if data[j] & 0xC0 != 0x80:
            return 0
    return width


@numba.njit(nogil=True, cache=True)
def _string(data, i, end, plain, out, o):
    """The string from `i` on, written to `out`; the byte after its quote, or -1, and the end in `out`."""
    while i < end:
        begin = i
        while i + 8 <= end and eight_plain(data, i):
            i += 8
        while i < end and plain[data[i]]:
            i += 1
        o = copied(data, begin, i, out, o)
        if i == end:
            break
        byte = data[i]
        if byte == 0x22:
            return i + 1, o
        elif byte == 0x5C:
            i, o = _escape(data, i + 1, end, out, o)
            if i < 0:
                return _NONE, o
        elif byte < 0x80:
            return _NONE, o
        while i < end and data[i] >= 0x80:
            width = _utf8_bytes(data, i, end)
            if width == 0:
                return _NONE, o
            for j in range(i, i + width):
                out[o] = data[j]
                o += 1
            i += width
    return _NONE, o


@numba.njit(nogil=True, cache=True)
def _digits(data, i, end):
    begin = i
    while i < end and 0x30 <= data[i] <= 0x39:
        i += 1
    return _NONE if i == begin or i - begin > _MAX_DIGITS else i


@numba.njit(nogil=True, cache=True)
def _integer(data, i, end):
    """The byte after the integer at `i`, or -1."""
    if i < end and data[i] == 0x2D:
        i += 1
    after = _digits(data, i, end)
    return _NONE if after > i + 1 and data[i] == 0x30 else after


@numba.njit(nogil=True, cache=True)
def _scalar(data, i, end, plain, out, o):
    """The byte after the string, number, true, false or null at `i`, or -1."""
    if i >= end:
        return _NONE
    byte = data[i]
    if byte == 0x22:
        after, _ = _string(data, i + 1, end, plain, out, o)
        return after
    if byte == 0x2D or 0x30 <= byte <= 0x39:
        i = _integer(data, i, end)
        if i >= 0 and i < end and data[i] == 0x2E:
            i = _digits(data, i + 1, end)
        return i  # an exponent is left to a library, for what follows is then neither comma nor bracket
    if byte == 0x74 and i + 4 <= end and data[i + 1] == 0x72 and data[i + 2] == 0x75 and data[i + 3] == 0x65:
        return i + 4
    if byte == 0x6E and i + 4 <= end and data[i + 1] == 0x75 and data[i + 2] == 0x6C and data[i + 3] == 0x6C:
        return i + 4
    if byte == 0x66 and i + 5 <= end and data[i + 1] == 0x61 and data[i + 2] == 0x6C and data[i + 3] == 0x73:
        return i + 5 if data[i + 4] == 0x65 else _NONE
    return _NONE


@numba.njit(nogil=True, cache=True)
def _key(data, i, end, plain, out, o):
    """The byte after the key at `i` and its colon and blanks, or -1."""
    i = _skip_blanks(data, i, end)
    if i >= end or data[i] != 0x22:
        return _NONE
    i, _ = _string(data, i + 1, end, plain, out, o)
    if i < 0:
        return _NONE
    i = _skip_blanks(data, i, end)
    if i >= end or data[i] != 0x3A:
        return _NONE
    return _skip_blanks(data, i + 1, end)


@numba.njit(nogil=True, cache=True)
def _value(data, i, end, plain, out, o):
    """The byte after any value at `i`, or -1."""
    depth = 0
    objects = np.int64(0)  # a bit for each level: whether it is an object, or a list
    while True:
        byte = data[i] if i < end else np.uint8(0)
        if byte == 0x7B or byte == 0x5B:
            if depth == _MAX_DEPTH:
                return _NONE
            objects = 2 * objects + (byte == 0x7B)
            depth += 1
            i = _skip_blanks(data, i + 1, end)
            if i < end and data[i] == (0x7D if objects & 1 else 0x5D):
                i += 1
                depth -= 1
                objects >>= 1
            else:
                if objects & 1:
                    i = _key(data, i, end, plain, out, o)
                    if i < 0:
                        return _NONE
                continue
        else:
            i = _scalar(data, i, end, plain, out, o)
            if i < 0:
                return _NONE
        goes_on = False
        while depth > 0 and not goes_on:
            i = _skip_blanks(data, i, end)
            if i >= end:
                return _NONE
            if data[i] == 0x2C:
                i = _skip_blanks(data, i + 1, end)
                if objects & 1:
                    i = _key(data, i, end, plain, out, o)
                    if i < 0:
                        return _NONE
                goes_on = True
            elif data[i] == (0x7D if objects & 1 else 0x5D):
                i += 1
                depth -= 1
                objects >>= 1
            else:
                return _NONE
        if not goes_on:
            return i


@numba.njit(nogil=True, cache=True)
def _equal(data, begin, end, key):
    if end - begin != key.size:
        return False
    for k in range(key.size):  # noqa: SIM110, numba knows no generators in all()
        if data[begin + k] != key[k]:
            return False
    return True


@numba.njit(nogil=True, cache=True)
def _record(data, i, end, text_key, id_key, plain, out, o, place):
    """Whether text and id were found; `place` is then where they begin and end in `out`, its end, and the line's."""
    place[0], place[2] = -1, -1
    while True:
        # Behind the opening brace, or a comma.
        i = _skip_blanks(data, i, end)
        if i >= end or data[i] != 0x22:
            return False
        begin = i + 1
        i, key_end = _string(data, begin, end, plain, out, o)
        if i < 0 or key_end - o != i - 1 - begin:  # an escape in a key
            return False
        is_text, is_id = _equal(data, begin, i - 1, text_key), id_key.size > 0 and _equal(data, begin, i - 1, id_key)
        i = _skip_blanks(data, i, end)
        if i >= end or data[i] != 0x3A:
            return False
        i = _skip_blanks(data, i + 1, end)
        if i >= end:
            return False
        field = 0 if is_text else 2
        if is_text or is_id:
            if place[field] >= 0:
                return False
            place[field] = o
            if data[i] == 0x22:
                i, o = _string(data, i + 1, end, plain, out, o)
            elif is_text:
                return False
            else:
                after = _integer(data, i, end)
                if after < 0 or (data[i] == 0x2D and data[i + 1] == 0x30):
                    return False
                for j in range(i, after):
                    out[o] = data[j]
                    o += 1
                i = after
            place[field + 1] = o
        else:
            i = _value(data, i, end, plain, out, o)
        if i < 0:
            return False
        i = _skip_blanks(data, i, end)
        if i >= end:
            return False
        if data[i] == 0x7D:
            break
        if data[i] != 0x2C:
            return False
        i += 1
    i = _skip_blanks(data, i + 1, end)
    place[4], place[5] = o, i
    return (i == end or data[i] == 0x0A) and place[0] >= 0 and (id_key.size == 0 or place[2] >= 0)


@numba.njit(nogil=True, cache=True)
def _clear(place):
    # Not `place[:] = 0`, which takes seconds to compile: it brings the texts of numpy's errors.
    for k in range(place.size):
        place[k] = 0


@numba.njit(nogil=True, cache=True)
def _find(data, text_key, id_key, max_line_bytes, out, places, kinds):
    """Writes where each line, its text and its id are; how many lines there are, or -1 where there is no room."""
    place = np.zeros(6, np.int64)
    plain = _PLAIN
    # A literal 0 would have all of the above compiled once more, for it alone; so would a literal -1.
    i, o, num_lines = np.int64(0), np.int64(0), np.int64(0)
    while i < data.size:
        if num_lines == kinds.size:
            return _NONE
        kind = LEFT
        _clear(place)
        end = _skip_blanks(data, i, data.size)
        # No line feed is looked for beforehand: none can stand inside a record.
        if end == data.size or data[end] == 0x0A:
            kind = BLANK
        elif data[end] == 0x7B and _record(data, end + 1, data.size, text_key, id_key, plain, out, o, place):
            kind, end = TAKEN, place[5]
        while end < data.size and data[end] != 0x0A:
            end += 1
        if kind == TAKEN and end - i > max_line_bytes:
            kind = LEFT
        if kind == TAKEN:
            o = place[4]
        else:
            _clear(place)
        places[0, num_lines], places[1, num_lines] = i, end
        for k in range(4):
            places[2 + k, num_lines] = max(0, place[k])
        kinds[num_lines] = kind
        num_lines += 1
        i = end + 1
    return num_lines
