"""The pretokens of a text, each once, with how often it stands there: what a Unigram model is learnt from.

Where a text is cut is known to the kernel; that `tokenizers` cuts there too, by the pre-tokenizer that stands in the
same file, is tested.
"""

# W distinct pretokens

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tokenizers import Regex, pre_tokenizers

from domainlm.specs.byte_level import CL100K
from domainlm.specs.tokenizer import Pretokens
from domainlm.tokens import kernel, pretoken
from domainlm.tokens.kernel import DIGIT, NEWLINE, SPACE

MAX_BYTES = 4096
"""Of a longer pretoken, such as a page without a space, each so many bytes are learnt from by themselves."""
_GPT2, _CL100K, _WHITESPACE, _BLOOMBERGGPT = range(4)
_KINDS: dict[Pretokens, int] = {
    "gpt2": _GPT2,
    "cl100k": _CL100K,
    "whitespace": _WHITESPACE,
    "bloomberggpt": _BLOOMBERGGPT,
}
_AT_WHITESPACE = r" ?\S+|\s+(?!\S)|\s+"
_MULTI_WORD = r"[ A-Za-z]+|[0-9]|[^A-Za-z0-9]+"
"""BloombergGPT's: arXiv:2303.17564, section 2.2."""
_ROOM = 2**16
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


class Counted(NamedTuple):
    """Distinct pretokens, in the order in which they were met first."""

    text: npt.NDArray[np.uint8]
    """Their bytes, one behind the other."""
    offsets: npt.NDArray[np.int64]
    """(W + 1,): where each begins in `text`."""
    counts: npt.NDArray[np.int64]
    """(W,): how often each was met."""


def pre_tokenizer(pretokens: Pretokens, *, split_digits: bool) -> Any:
    """The pre-tokenizer of `tokenizers` that cuts a text into bytes of pretokens."""
    words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pretokens == "gpt2")
    digits = [pre_tokenizers.Digits(individual_digits=True)] if split_digits else []
    match pretokens:
        case "gpt2":
            return pre_tokenizers.Sequence([*digits, words])
        case "cl100k":
            return pre_tokenizers.Sequence([_split(CL100K % (r"\p{N}" if split_digits else r"\p{N}{1,3}")), words])
        case "whitespace":
            return pre_tokenizers.Sequence([*digits, _split(_AT_WHITESPACE), words])
        case "bloomberggpt":
            return pre_tokenizers.Sequence([_split(_MULTI_WORD), words])


def _split(pattern: str) -> Any:
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def count(batches: Iterable[list[str]], pretokens: Pretokens, *, split_digits: bool) -> Counted:
    """The pretokens of all texts, some of which come at a time."""
    # Of the other two the kernel asks for no more than the classes of characters.
    like: Pretokens = "cl100k" if pretokens == "cl100k" else "gpt2"
    cuts = pretoken.cuts(json.loads(pre_tokenizer(like, split_digits=split_digits).__getstate__()))
    return _count_all(batches, _KINDS[pretokens], cuts)


def count_cuts(batches: Iterable[list[str]], cuts: kernel.Cuts) -> Counted:
    """The same, of texts that are cut as the encoder cuts them."""
    return _count_all(batches, _CL100K if cuts.cl100k else _GPT2, cuts)


def _count_all(batches: Iterable[list[str]], kind: int, cuts: kernel.Cuts) -> Counted:
    table = np.full(2 * _ROOM, -1, np.int32)
    found = Counted(np.empty(_ROOM * 8, np.uint8), np.zeros(_ROOM + 1, np.int64), np.zeros(_ROOM, np.int64))
    used = np.zeros(1, np.int64)
    for batch in batches:
        for data, offsets_D in _buffers(batch):
            place = np.array([0, offsets_D[0]], np.int64)  # document, byte
            while not _count(kind, cuts, data, offsets_D, place, table, found, used):
                found, table = _grown(found, int(used[0]))
    num_words = int(used[0])
    offsets = found.offsets[: num_words + 1].copy()
    return Counted(found.text[: offsets[-1]].copy(), offsets, found.counts[:num_words].copy())


def _buffers(texts: list[str]) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]]:
    if texts:
        _, offsets, data = pa.array(texts, pa.large_string()).buffers()
        arrays = np.frombuffer(data or b"", np.uint8), np.frombuffer(offsets, np.int64)[: len(texts) + 1]
        for array in arrays:  # numba would compile all for either
            array.flags.writeable = False
        yield arrays


def _grown(found: Counted, num_words: int) -> tuple[Counted, npt.NDArray[np.int32]]:
    """The same with room for twice as many words and bytes."""
    used = int(found.offsets[num_words])
    text = np.empty(2 * found.text.size, np.uint8)
    text[:used] = found.text[:used]
    offsets, counts = np.zeros(2 * found.counts.size + 1, np.int64), np.zeros(2 * found.counts.size, np.int64)
    offsets[: num_words + 1], counts[:num_words] = found.offsets[: num_words + 1], found.counts[:num_words]
    table = np.full(2 * counts.size, -1, np.int32)
    _fill(table, text, offsets, num_words)
    return Counted(text, offsets, counts), table


@numba.njit(nogil=True, cache=True)
def _cut(kind, cuts, data, i, end):
    """Where the pretoken that begins at byte `i` ends."""
    if kind <= _CL100K:
        return kernel.row_end(data, i, end, cuts)
    if kind == _WHITESPACE:
        return _cut_at_whitespace(cuts, data, i, end)
    first = _ascii_kind(data[i])
    j = i + 1
    # A space is of the first kind where a pretoken begins, and of either within it.
    while j < end and first != 1:
        found = _ascii_kind(data[j])
        if found != first and not (first == 2 and data[j] == 0x20):
            break
        j += 1
    return j


@numba.njit(nogil=True, cache=True)
def _ascii_kind(byte):
    """0: a letter of ASCII or the space, 1: a digit of ASCII, 2: anything else."""
    if byte == 0x20 or 0x61 <= (byte | 0x20) <= 0x7A:
        return 0
    return 1 if 0x30 <= byte <= 0x39 else 2


@numba.njit(nogil=True, cache=True)
def _cut_at_whitespace(cuts, data, i, end):
    kind, width = kernel._class_at(data, i, end, cuts.classes)
    if kind == DIGIT:
        return i + width if cuts.single_digits else kernel._run_of(DIGIT, data, i, end, cuts.classes)
    j = i
    if data[i] == 0x20 and i + 1 < end:
        kind, width = kernel._class_at(data, i + 1, end, cuts.classes)
        if kind != SPACE and kind != NEWLINE and kind != DIGIT:
            j = i + 1
    if kind in (SPACE, NEWLINE, DIGIT):
        return kernel._space_end(data, i, end, cuts)
    while j < end:
        kind, width = kernel._class_at(data, j, end, cuts.classes)
        if kind in (SPACE, NEWLINE, DIGIT):
            break
        j += width
    return j


@numba.njit(nogil=True, cache=True)
def _hash(text, begin, end):
    word = np.uint64(end - begin)
    for k in range(begin, end):
        word = (word ^ np.uint64(text[k])) * _FACTOR
        word ^= word >> np.uint64(29)
    return word


@numba.njit(nogil=True, cache=True)
def _fill(table, text, offsets, num_words):
    mask = np.uint64(table.size - 1)
    for w in range(num_words):
        slot = _hash(text, offsets[w], offsets[w + 1]) & mask
        while table[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = w


@numba.njit(nogil=True, cache=True)
def _count(kind, cuts, data, offsets_D, place, table, found, used):
    """Count from `place` on; whether all was counted, or there was no more room."""
    mask = np.uint64(table.size - 1)
    d, i = place[0], place[1]
    num_words = used[0]
    text, offsets, counts = found
    while d < offsets_D.size - 1:
        end = offsets_D[d + 1]
        while i < end:
            stop = min(_cut(kind, cuts, data, i, end), i + MAX_BYTES)
            length = stop - i
            if num_words == counts.size or offsets[num_words] + length > text.size:
                place[0], place[1], used[0] = d, i, num_words
                return False
            slot = _hash(data, i, stop) & mask
            while table[slot] >= 0:
                w = table[slot]
                if offsets[w + 1] - offsets[w] == length:
                    k = 0
                    while k < length and text[offsets[w] + k] == data[i + k]:
                        k += 1
                    if k == length:
                        break
                slot = (slot + np.uint64(1)) & mask
            if table[slot] < 0:
                table[slot] = num_words
                text[offsets[num_words] : offsets[num_words] + length] = data[i:stop]
                offsets[num_words + 1] = offsets[num_words] + length
                num_words += 1
            counts[table[slot]] += 1
            i = stop
        d += 1
    place[0], place[1], used[0] = d, i, num_words
    return True
