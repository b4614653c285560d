"""Drops placeholder text, code and texts of few sentences. Source: C4, Raffel et al., arXiv:1910.10683, section 2.2.

The document's rules only; the edit `c4_lines` has the rules for lines, which C4 applies first, so that sentences are
counted in what they leave. C4's list of bad words is not here: it takes medical and legal texts for indecent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numba
import numpy as np
import numpy.typing as npt
from pydantic import Field

from domainlm.corpus.spans import TERMINAL, code_point, is_space, marks
from domainlm.corpus.texts import Texts, occurrences
from domainlm.specs.spec import Spec

_TERMINAL = np.uint8(TERMINAL)


class Options(Spec):
    """What a text may not hold, and how many sentences it has; the defaults are C4's."""

    min_sentences: int = Field(default=5, ge=0)
    """Texts of fewer sentences are dropped; 5 in the paper, 3 in the code that made C4."""
    max_lorem_ipsum: int | None = Field(default=0, ge=0)
    """Most times `lorem ipsum` may occur; null for any number."""
    max_curly_brackets: int | None = Field(default=0, ge=0)
    """Most times `{` may occur; null for any number."""


def scores(texts: Texts) -> dict[str, npt.NDArray[np.float32]]:
    """How often each occurs: `sentences`, `lorem_ipsum`, `curly_brackets`.

    A sentence ends where `.`, `!`, `?` or its like stands before white space or the end, quotes and brackets between.
    Abbreviations count as ends: texts are rather kept.
    """
    sentences_D = np.empty(len(texts), np.int64)
    _count_sentences(texts.offsets, texts.data, marks(), sentences_D)
    return {
        "sentences": sentences_D.astype(np.float32),
        "lorem_ipsum": occurrences(texts.array, "lorem ipsum").astype(np.float32),
        "curly_brackets": occurrences(texts.array, "{").astype(np.float32),
    }


def drops(
    scores: Mapping[str, npt.NDArray[np.float32]], options: Options
) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """The texts that each reason drops."""
    if options.max_lorem_ipsum is not None:
        yield "lorem ipsum", scores["lorem_ipsum"] > options.max_lorem_ipsum
    if options.max_curly_brackets is not None:
        yield "curly brackets", scores["curly_brackets"] > options.max_curly_brackets
    yield f"fewer than {options.min_sentences} sentences", scores["sentences"] < options.min_sentences


@numba.njit(nogil=True, cache=True, inline="always")
def _closes(char):
    """Quotes and brackets that may stand behind the end of a sentence; 0x201D and 0x2019 are the curved ones."""
    return char in (34, 39, 41, 93, 0xBB) or char == 0x201D or char == 0x2019


@numba.njit(nogil=True, cache=True)
def _count_sentences(offsets_D, data, marks, sentences_D):
    for d in range(sentences_D.size):
        sentences = 0
        ended = False
        i, end = offsets_D[d], offsets_D[d + 1]
        while i < end:
            if (data[i] & 0xC0) == 0x80:
                i += 1
                continue
            char = code_point(data, i)
            if (marks[char] & _TERMINAL) > 0:
                # A script without spaces ends its sentences at once.
                sentences += ended and char > 0x3000
                ended = True
            elif ended and not _closes(char):
                sentences += is_space(data[i]) or char > 0x3000
                ended = False
            i += 1
        sentences_D[d] = sentences + ended
