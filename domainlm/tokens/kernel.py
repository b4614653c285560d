"""Byte-level BPE over Arrow's string buffers: the ids that `tokenizers` gives, a few dozen times faster.

Most words of a text were met before: a table from a piece's bytes to its ids serves them, compared byte for byte, and
only the rest is merged. The table is emptied when it is full, so memory is flat, and no id depends on what it holds.

All that numba compiles of the encoder stands in this one file, long as that makes it: numba's cache looks at the file
of the function that is called and at no other, and would go on with a stale copy of what was changed elsewhere.
"""

# T tokens, D documents of a batch
from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

OTHER, LETTER, NUMBER, SPACE, NEWLINE, DIGIT = range(6)
"""Classes of characters. NEWLINE: CR and LF, which are white space too; DIGIT: what a `Digits` step sets apart."""

NO_PAIR = np.uint64(0xFFFFFFFFFFFFFFFF)
KEPT_BYTES = 127
"""A longer piece is merged each time that it is met."""
_PACKED_BYTES = 15
"""A piece of at most so many bytes is its own key: two words of 64 bits, its length in the top byte."""
_SCANNED_TOKENS = 64
"""More are merged with a heap: a megabyte without a space must not cost its square."""
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SLOT_BITS = 18
_RECENT_BITS = 13
_SLOT = np.dtype("<u8")


class Cuts(NamedTuple):
    """A pre-tokenizer, as the kernel reads it: where a text is cut before anything is merged."""

    classes: npt.NDArray[np.uint8]
    """Class of each code point."""
    cl100k: bool
    """Patterns of cl100k's kind (Llama 3, Qwen), or of GPT-2's."""
    max_numbers: int
    """Longest run of NUMBER in one piece."""
    single_digits: bool
    """Each DIGIT is a piece, or each run of them."""
    across: bool = False
    """Words with single spaces between make one row, whose tokens may be joined when all words are merged."""


class Words(NamedTuple):
    """A table from pieces to their ids. One thread's own."""

    recent: npt.NDArray[np.uint64]
    """(slots, 4): what was found last in each slot of a table small enough for a core's own cache."""
    table: npt.NDArray[np.uint64]
    """(slots, 4): a key of two words, how many ids, and the id or where the ids are. Free: no ids."""
    text: npt.NDArray[np.uint8]
    """Bytes of the pieces that are too long to be their own key."""
    ids: npt.NDArray[np.uint32]
    used: npt.NDArray[np.int64]
    """Slots, bytes and ids in use."""


class Merges(NamedTuple):
    """A vocabulary, as the kernel reads it."""

    byte_ids: npt.NDArray[np.uint32]
    """Token of each single byte."""
    pairs: npt.NDArray[np.uint64]
    """(slots, 2): a pair of tokens; its rank, and the token that it becomes. Open addressing, free: NO_PAIR."""
    whole: Words
    """Tokens by their bytes, where a word that is a token is never merged (Llama 3); else empty."""
    whole_bytes: int
    """Longest of them; 0 where there are none."""
    joins: npt.NDArray[np.uint64]
    """As `pairs`: those that join words, of which each has a higher rank than all that join parts of one."""


class Added(NamedTuple):
    """Added tokens that text may spell out: by first byte, and then the longest first."""

    text: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int64]
    """-1: special, so that it stays text, but hides others that begin within it."""
    first: npt.NDArray[np.int64]
    """(257,): where the tokens with this first byte begin."""


def words(slot_bits: int = _SLOT_BITS) -> Words:
    """An empty table: 15 MB as it is by default, not touched until it is filled."""
    slots = 1 << slot_bits
    return Words(
        np.zeros((1 << min(_RECENT_BITS, slot_bits), 4), np.uint64),
        np.zeros((slots, 4), np.uint64),
        np.empty(slots * 8, np.uint8),
        np.empty(slots * 4, np.uint32),
        np.zeros(3, np.int64),
    )


def _load(typing: Any, array: Any, index: Any) -> Any:
    """The eight bytes from `index` on as one little-endian word; the caller sees to it that they are there."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.gep(data, [arguments[1]])
        return builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(array, types.int64), generate


_eight_bytes: Any = intrinsic(_load)


def _count_zeros(typing: Any, word: Any) -> Any:
    """How many of a word's bits below its lowest set one are zero; the word is not zero."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


_zeros_below: Any = intrinsic(_count_zeros)


@numba.njit(nogil=True, cache=True)
def _ascii_letters_end(data, i, end):
    """Where the run of ASCII letters from `i` on ends: eight bytes at a time, without a branch for each."""
    while i + 8 <= end:
        word = _eight_bytes(data, i)
        low = (word | np.uint64(0x2020202020202020)) & np.uint64(0x7F7F7F7F7F7F7F7F)
        # The top bit of each byte says: at least "a", at most "z", and below 0x80.
        letters = (low + np.uint64(0x1F1F1F1F1F1F1F1F)) & ~(low + np.uint64(0x0505050505050505)) & ~word
        others = ~letters & np.uint64(0x8080808080808080)
        if others:
            return i + (_zeros_below(others) >> 3)
        i += 8
    while i < end and np.uint8(0x61) <= (data[i] | np.uint8(0x20)) <= np.uint8(0x7A):
        i += 1
    return i


@numba.njit(nogil=True, cache=True)
def _class_at(data, i, end, classes):
    """Class and bytes of the character at `i`, which is before `end`; the text is UTF-8, or cut short at `end`."""
    byte = data[i]
    if byte < 0x80:
        return classes[byte], 1
    if byte < 0xE0:
        width, point = 2, np.int64(byte & 0x1F)
    elif byte < 0xF0:
        width, point = 3, np.int64(byte & 0x0F)
    else:
        width, point = 4, np.int64(byte & 0x07)
    if i + width > end:
        return np.uint8(OTHER), 1
    for j in range(i + 1, i + width):
        point = (point << 6) | np.int64(data[j] & 0x3F)
    return classes[min(point, 0x10FFFF)], width


@numba.njit(nogil=True, cache=True)
def _run_of(kind, data, i, end, classes):
    """Where the run of class `kind` that holds at `i` ends."""
    while i < end:
        found, width = _class_at(data, i, end, classes)
        if found != kind:
            break
        i += width
    return i


@numba.njit(nogil=True, cache=True)
def _contraction(data, i, end, any_case):
    """Bytes of the contraction that begins at the apostrophe at `i`; 0 where there is none."""
    if i + 1 >= end:
        return 0
    one = data[i + 1]
    two = data[i + 2] if i + 2 < end else np.uint8(0)
    if any_case:
        if one == 0xC5 and two == 0xBF:  # the long s, which folds to s
            return 3
        # Only letters fold so: 0x20 is set in every lower-case one.
        if 0x41 <= one <= 0x5A:
            one |= 0x20
        if 0x41 <= two <= 0x5A:
            two |= 0x20
    if one == 0x73 or one == 0x74 or one == 0x6D or one == 0x64:  # s t m d
        return 2
    if (one == 0x72 or one == 0x76) and two == 0x65:  # re ve
        return 3
    if one == 0x6C and two == 0x6C:  # ll
        return 3
    return 0


@numba.njit(nogil=True, cache=True)
def _space_end(data, i, end, cuts):
    """End of the piece that begins with white space at `i` which no other alternative takes."""
    j = i
    last = i
    newline_end = -1
    found = np.uint8(SPACE)
    while j < end:
        found, width = _class_at(data, j, end, cuts.classes)
        if found != SPACE and found != NEWLINE:
            break
        last = j
        j += width
        if found == NEWLINE:
            newline_end = j
    if cuts.cl100k and newline_end >= 0:  # \s*[\r\n]+
        return newline_end
    # \s+(?!\S): all but the last, if something stands behind. A digit set apart ends the text that the pattern sees.
    if j == end or found == DIGIT or last == i:
        return j
    return last


@numba.njit(nogil=True, cache=True)
def _piece_end(data, i, end, cuts):
    """Where the piece of text that begins at byte `i` ends, in the text that ends at `end`."""
    classes = cuts.classes
    kind, width = _class_at(data, i, end, classes)
    j = i + width
    if kind == LETTER:
        return _run_of(LETTER, data, j, end, classes)
    if kind == DIGIT:
        return j if cuts.single_digits else _run_of(DIGIT, data, j, end, classes)
    if kind == NUMBER:
        count = 1
        while j < end and count < cuts.max_numbers:
            found, width = _class_at(data, j, end, classes)
            if found != NUMBER:
                break
            j += width
            count += 1
        return j
    if data[i] == 0x27:
        length = _contraction(data, i, end, cuts.cl100k)
        if length:
            return i + length
    ahead, width = _class_at(data, j, end, classes) if j < end else (np.uint8(SPACE), 0)
    if cuts.cl100k:
        if kind != NEWLINE and ahead == LETTER:
            return _run_of(LETTER, data, j + width, end, classes)
    elif data[i] == 0x20 and ahead in (LETTER, NUMBER):
        return _run_of(ahead, data, j + width, end, classes)
    if kind == OTHER or (data[i] == 0x20 and ahead == OTHER):
        j = _run_of(OTHER, data, j, end, classes)
        return _run_of(NEWLINE, data, j, end, classes) if cuts.cl100k else j
    return _space_end(data, i, end, cuts)


@numba.njit(nogil=True, cache=True)
def _is_word(data, i, stop, end, cuts):
    """Whether the piece data[i:stop] is letters, behind no more than one other character."""
    if data[i] == 0x27 and _contraction(data, i, end, cuts.cl100k):
        return False
    kind, width = _class_at(data, i, end, cuts.classes)
    return kind == LETTER or (i + width < stop and _class_at(data, i + width, end, cuts.classes)[0] == LETTER)


@numba.njit(nogil=True, cache=True)
def row_end(data, i, end, cuts):
    """Where what may be one token ends: a piece, or words with single spaces between where `cuts` reach across."""
    j = _piece_end(data, i, end, cuts)
    if not (cuts.across and _is_word(data, i, j, end, cuts)):
        return j
    while j + 1 < end and data[j] == 0x20 and _class_at(data, j + 1, end, cuts.classes)[0] == LETTER:
        j = _run_of(LETTER, data, j + 1, end, cuts.classes)
    return j


@numba.njit(nogil=True, cache=True)
def fill_pairs(pairs, keys, into):
    mask = np.uint64(pairs.shape[0] - 1)
    for rank in range(keys.size):
        slot = slot_of(keys[rank], mask)
        # Of a pair named twice the last rank holds, as in a map that is filled in this order.
        while pairs[slot, 0] != NO_PAIR and pairs[slot, 0] != keys[rank]:
            slot = (slot + np.uint64(1)) & mask
        pairs[slot, 0] = keys[rank]
        pairs[slot, 1] = (np.uint64(rank) << np.uint64(32)) | into[rank]


@numba.njit(nogil=True, cache=True)
def slot_of(key, mask):
    mixed = np.uint64(key) * _FACTOR
    return (mixed ^ (mixed >> np.uint64(32))) & mask


@numba.njit(nogil=True, cache=True)
def _merge_of(pairs, left, right):
    """Rank (high half) and token (low half) of a pair; NO_PAIR where it is never merged."""
    key = (np.uint64(left) << np.uint64(32)) | np.uint64(right)
    mask = np.uint64(pairs.shape[0] - 1)
    slot = slot_of(key, mask)
    while True:
        found = pairs[slot, 0]
        if found == key:
            return pairs[slot, 1]
        if found == NO_PAIR:
            return NO_PAIR
        slot = (slot + np.uint64(1)) & mask


@numba.njit(nogil=True, cache=True)
def _tokens_of(merges, data, start, end):
    """The tokens of the single bytes."""
    tokens = np.empty(end - start, np.uint32)
    for k in range(end - start):
        tokens[k] = merges.byte_ids[data[start + k]]
    return tokens


@numba.njit(nogil=True, cache=True)
def _merge_all(pairs, tokens, out_T, t):
    """Write what becomes of `tokens` to `out_T` from `t` on; one past the last. Least rank first, then leftmost."""
    if tokens.size <= _SCANNED_TOKENS:
        return _merge_scanned(pairs, tokens, out_T, t)
    return _merge_heaped(pairs, tokens, out_T, t)


@numba.njit(nogil=True, cache=True)
def _merge_scanned(pairs, tokens, out_T, t):
    """As _merge_all, in time n squared."""
    count = tokens.size
    best = np.empty(count, np.uint64)
    best[count - 1] = NO_PAIR
    for k in range(count - 1):
        best[k] = _merge_of(pairs, tokens[k], tokens[k + 1])
    while count > 1:
        place = 0
        least = best[0]
        for k in range(1, count - 1):
            if best[k] < least:
                least = best[k]
                place = k
        if least == NO_PAIR:
            break
        tokens[place] = np.uint32(least & np.uint64(0xFFFFFFFF))
        count -= 1
        for k in range(place + 1, count):
            tokens[k] = tokens[k + 1]
            best[k] = best[k + 1]
        best[place] = NO_PAIR if place + 1 == count else _merge_of(pairs, tokens[place], tokens[place + 1])
        if place > 0:
            best[place - 1] = _merge_of(pairs, tokens[place - 1], tokens[place])
    for k in range(count):
        out_T[t + k] = tokens[k]
    return t + count


@numba.njit(nogil=True, cache=True)
def _push(heap, size, rank, place):
    """Put (rank, place) in the heap of `size`; its new size."""
    k = size
    while k > 0:
        above = (k - 1) >> 1
        if heap[above, 0] < rank or (heap[above, 0] == rank and heap[above, 1] <= place):
            break
        heap[k, 0], heap[k, 1] = heap[above, 0], heap[above, 1]
        k = above
    heap[k, 0], heap[k, 1] = rank, place
    return size + 1


@numba.njit(nogil=True, cache=True)
def _pop(heap, size):
    """Take the least from the heap of `size`, to its place `size - 1`; its new size."""
    least_rank, least_place = heap[0, 0], heap[0, 1]
    size -= 1
    rank, place = heap[size, 0], heap[size, 1]
    k = 0
    while 2 * k + 1 < size:
        below = 2 * k + 1
        if below + 1 < size and (
            heap[below + 1, 0] < heap[below, 0]
            or (heap[below + 1, 0] == heap[below, 0] and heap[below + 1, 1] < heap[below, 1])
        ):
            below += 1
        if rank < heap[below, 0] or (rank == heap[below, 0] and place <= heap[below, 1]):
            break
        heap[k, 0], heap[k, 1] = heap[below, 0], heap[below, 1]
        k = below
    heap[k, 0], heap[k, 1] = rank, place
    heap[size, 0], heap[size, 1] = least_rank, least_place
    return size


@numba.njit(nogil=True, cache=True)
def _merge_heaped(pairs, tokens, out_T, t):
    """As _merge_all, in time n log n. An entry of the heap stands as long as its pair is what `best` says."""
    count = tokens.size
    before = np.empty(count, np.int64)
    behind = np.empty(count, np.int64)
    best = np.empty(count, np.uint64)
    heap = np.empty((3 * count, 2), np.uint64)
    size = np.int64(0)
    for k in range(count):
        before[k] = k - 1
        behind[k] = k + 1
    best[count - 1] = NO_PAIR
    for k in range(count - 1):
        best[k] = _merge_of(pairs, tokens[k], tokens[k + 1])
        if best[k] != NO_PAIR:
            size = _push(heap, size, best[k], np.uint64(k))
    while size:
        size = _pop(heap, size)
        least, place = heap[size, 0], np.int64(heap[size, 1])
        if best[place] != least:
            continue
        gone = behind[place]
        tokens[place] = np.uint32(least & np.uint64(0xFFFFFFFF))
        best[gone] = NO_PAIR
        behind[place] = behind[gone]
        best[place] = NO_PAIR
        if behind[place] < count:
            before[behind[place]] = place
            best[place] = _merge_of(pairs, tokens[place], tokens[behind[place]])
            if best[place] != NO_PAIR:
                size = _push(heap, size, best[place], np.uint64(place))
        left = before[place]
        if left >= 0:
            best[left] = _merge_of(pairs, tokens[left], tokens[place])
            if best[left] != NO_PAIR:
                size = _push(heap, size, best[left], np.uint64(left))
    k = np.int64(0)
    while k < count:
        out_T[t] = tokens[k]
        t += 1
        k = behind[k]
    return t


@numba.njit(nogil=True, cache=True)
def _key(data, start, end):
    """Two words that are the piece itself where it is short, else its hash and its length."""
    count = end - start
    high = np.uint64(count) << np.uint64(56)
    if count > _PACKED_BYTES:
        low = np.uint64(0)
        for k in range(start, end):
            low = (low ^ np.uint64(data[k])) * _FACTOR
            low ^= low >> np.uint64(29)
        return low, high
    if start + 16 <= data.size:
        low = _eight_bytes(data, start)
        if count <= 8:
            return low & (NO_PAIR >> np.uint64(64 - 8 * count)), high
        return low, high | (_eight_bytes(data, start + 8) & (NO_PAIR >> np.uint64(128 - 8 * count)))
    low = np.uint64(0)
    for k in range(min(count, 8)):
        low |= np.uint64(data[start + k]) << np.uint64(8 * k)
    for k in range(8, count):
        high |= np.uint64(data[start + k]) << np.uint64(8 * k - 64)
    return low, high


@numba.njit(nogil=True, cache=True)
def _hash(low, high):
    mixed = (low ^ (high * _FACTOR)) * _FACTOR
    return mixed ^ (mixed >> np.uint64(32))


@numba.njit(nogil=True, cache=True)
def _find(words, data, start, count, low, high):
    """The slot that holds a piece, or the free one that it would be put in."""
    mask = np.uint64(words.table.shape[0] - 1)
    slot = _hash(low, high) & mask
    while words.table[slot, 2]:
        if words.table[slot, 0] == low:
            found = words.table[slot, 1]
            if count <= _PACKED_BYTES:
                if found == high:
                    break
            elif found >> np.uint64(56) == high >> np.uint64(56):
                offset = np.int64(found & np.uint64(0xFFFFFFFFFFFFFF))
                k = 0
                while k < count and words.text[offset + k] == data[start + k]:
                    k += 1
                if k == count:
                    break
        slot = (slot + np.uint64(1)) & mask
    return slot


@numba.njit(nogil=True, cache=True)
def keep(words, data, start, end, ids_T, first, stop):
    """Put a piece's ids, ids_T[first:stop], in the table; empty it first where it is full."""
    count = end - start
    num_ids = stop - first
    if (
        words.used[0] * 2 >= words.table.shape[0]
        or words.used[1] + count > words.text.size
        or words.used[2] + num_ids > words.ids.size
    ):
        for slot in range(words.table.shape[0]):
            words.table[slot, 2] = 0
        for slot in range(words.recent.shape[0]):
            words.recent[slot, 2] = 0
        for k in range(3):
            words.used[k] = 0
    low, high = _key(data, start, end)
    slot = _find(words, data, start, count, low, high)
    words.used[0] += 1
    if count > _PACKED_BYTES:
        offset = words.used[1]
        for k in range(count):
            words.text[offset + k] = data[start + k]
        words.used[1] += count
        high |= np.uint64(offset)
    words.table[slot, 0] = low
    words.table[slot, 1] = high
    words.table[slot, 2] = num_ids
    words.table[slot, 3] = ids_T[first]
    if num_ids > 1:
        offset = words.used[2]
        for k in range(num_ids):
            words.ids[offset + k] = ids_T[first + k]
        words.used[2] += num_ids
        words.table[slot, 3] = offset


@numba.njit(nogil=True, cache=True)
def _encode_new(merges, words, data, start, end, out_T, t):
    """Write the ids of a piece that the table does not hold, and put it in; one past the last."""
    count = end - start
    if count <= merges.whole_bytes:
        low, high = _key(data, start, end)
        slot = _find(merges.whole, data, start, count, low, high)
        if merges.whole.table[slot, 2]:
            out_T[t] = merges.whole.table[slot, 3]
            return t + 1
    stop = _merge_all(merges.pairs, _tokens_of(merges, data, start, end), out_T, t)
    if count <= KEPT_BYTES:
        keep(words, data, start, end, out_T, t, stop)
    return stop


@numba.njit(nogil=True, cache=True)
def _join(pairs, out_T, first, t):
    """Join the tokens of a row of words, out_T[first:t], in place; one past the last."""
    for k in range(first + 1, t):
        if _merge_of(pairs, out_T[k - 1], out_T[k]) != NO_PAIR:
            return _merge_all(pairs, out_T[first:t].astype(np.uint32), out_T, first)
    return t


@numba.njit(nogil=True, cache=True)
def _encode_text(cuts, merges, words, data, start, end, out_T, t):
    """Write the ids of the text data[start:end] to `out_T` from `t` on; one past the last of them."""
    recent_mask = np.uint64(words.recent.shape[0] - 1)
    row, behind_word = t, False
    while start < end:
        # Most pieces are letters of ASCII behind a space or nothing: the same in all patterns.
        stop = _ascii_letters_end(data, start + (data[start] == 0x20), end)
        word = True
        if stop <= start + 1 or (stop < end and data[stop] >= 0x80):
            stop = _piece_end(data, start, end, cuts)
            word = cuts.across and _is_word(data, start, stop, end, cuts)
        if cuts.across:
            if not (word and behind_word and data[start] == 0x20):
                t = row = _join(merges.joins, out_T, row, t)
            behind_word = word
        count = stop - start
        if count > KEPT_BYTES:
            t = _encode_new(merges, words, data, start, stop, out_T, t)
            start = stop
            continue
        low, high = _key(data, start, stop)
        near = _hash(low, high) & recent_mask
        num_ids = np.int64(words.recent[near, 2])
        value = words.recent[near, 3]
        # The key of a longer piece is no more than its hash.
        if not (num_ids and words.recent[near, 0] == low and words.recent[near, 1] == high):
            slot = _find(words, data, start, count, low, high)
            num_ids = np.int64(words.table[slot, 2])
            if num_ids == 0:
                t = _encode_new(merges, words, data, start, stop, out_T, t)
                start = stop
                continue
            value = words.table[slot, 3]
            if count <= _PACKED_BYTES:
                words.recent[near, 0] = low
                words.recent[near, 1] = high
                words.recent[near, 2] = num_ids
                words.recent[near, 3] = value
        if num_ids == 1:
            out_T[t] = value
        else:
            first = np.int64(value)
            for k in range(num_ids):
                out_T[t + k] = words.ids[first + k]
        t += num_ids
        start = stop
    return _join(merges.joins, out_T, row, t) if cuts.across else t


@numba.njit(nogil=True, cache=True)
def _next_added(added, data, i, end):
    """Place and number of the first added token in data[i:end], of several there the longest; (end, -1): none."""
    while i < end:
        byte = data[i]
        for number in range(added.first[byte], added.first[byte + 1]):
            start = added.offsets[number]
            count = added.offsets[number + 1] - start
            if i + count <= end:
                k = 1
                while k < count and added.text[start + k] == data[i + k]:
                    k += 1
                if k == count:
                    return i, number
        i += 1
    return end, -1


@numba.njit(nogil=True, cache=True)
def encode(cuts, merges, words, added, offsets_D, data, end_id, out_T, doc_tokens_D):
    """Fill `out_T` and `doc_tokens_D`; the number of tokens."""
    t = np.int64(0)  # a literal 0 would have all of the above compiled once more, for it alone
    for d in range(doc_tokens_D.size):
        begin = t
        start, end = offsets_D[d], offsets_D[d + 1]
        i = start
        while added.ids.size and i < end:
            i, number = _next_added(added, data, i, end)
            if number < 0:
                break
            behind = i + added.offsets[number + 1] - added.offsets[number]
            if added.ids[number] >= 0:
                t = _encode_text(cuts, merges, words, data, start, i, out_T, t)
                out_T[t] = added.ids[number]
                t += 1
                start = behind
            i = behind
        t = _encode_text(cuts, merges, words, data, start, end, out_T, t)
        out_T[t] = end_id
        t += 1
        doc_tokens_D[d] = t - begin
    return t
