"""Drops texts that are not in the languages asked for, by a model that comes with its package: nothing is downloaded.

py3langid 0.4 (Lui and Baldwin, langid.py, ACL 2012; kept up by Barbaresi): naive Bayes over byte n-grams that a finite
automaton finds. Its model is read as it is; automaton and sums are walked here over the Arrow buffers, with the same
answers. Long texts are judged by four windows of 256 bytes, spread evenly.
"""

# D documents, C classes of the model, F features
from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import numba
import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from domainlm.corpus.texts import Texts
from domainlm.specs.spec import Mistake, Share, Spec

LANGUAGES: tuple[str, ...] = tuple(
    """
    af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha he hi hr ht hu hy id
    ig is it ja jv ka kk km kn ko ku ky la lg ln lo lt lv mg mk ml mn mr ms my ne nl no om or pa pl ps pt qu ro ru
    sa si sk sl so sq sr sv sw ta te th tl tr ug uk ur uz vi xh yo zh zu zxx ace bcl dz ext gcf gom grc gug hbo kik
    nso pcm rw se sn st an ary crh fo fuv gcr guw kab lb lij ltg uzs wa sdh arz ba mt nn oc tg tk tt vec vo wuu yue
    """.split()  # noqa: SIM905
)
"""ISO 639 codes of what `code` counts; `zxx`: no language, such as tables of numbers."""
_NO_LANGUAGE = LANGUAGES.index("zxx")
_WINDOWS, _WINDOW_BYTES = 4, 256


class Options(Spec):
    """Which languages stay, and how sure that has to be."""

    languages: tuple[str, ...] = Field(default=("en",), min_length=1)
    """Codes of the languages that stay: ISO 639, such as `en`, `fr`."""
    min_probability: Share = 0.5
    """Texts whose language is less probable are dropped: lists of citations, tables. Read off by eye for this model;
    FineWeb's 0.65, arXiv:2406.17557, section 3.3, is fastText's."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        for index, code in enumerate(self.languages):
            if code not in LANGUAGES:
                near = (difflib.get_close_matches(code.lower()[:2], LANGUAGES, 1) or ["en"])[0]
                changed = [*self.languages[:index], near, *self.languages[index + 1 :]]
                want = "ISO 639 codes, such as en, fr, de, es, zh"
                raise Mistake("languages", got=code, want=want, changes={"languages": changed})
        return self


def scores(texts: Texts) -> dict[str, npt.NDArray[np.float32]]:
    """`code`: index of the most probable language in LANGUAGES; `probability`: of it.

    A text in which the model finds no feature is in no language, `zxx`.
    """
    model = _model()
    code_D, probability_D = np.empty((2, len(texts)), np.float32)
    _judge(
        texts.offsets,
        texts.data,
        model.moves,
        model.rows,
        model.features,
        model.weights_FC,
        model.priors_C,
        model.language_C,
        len(LANGUAGES),
        code_D,
        probability_D,
    )
    return {"code": code_D, "probability": probability_D}


def drops(
    scores: Mapping[str, npt.NDArray[np.float32]], options: Options
) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """The texts that each reason drops: a reason for each language that is there and not wanted.

    >>> codes = np.float32([LANGUAGES.index("fr"), LANGUAGES.index("en")])
    >>> found = {"code": codes, "probability": np.float32([0.9, 0.4])}
    >>> [(why, taken.tolist()) for why, taken in drops(found, Options())]
    [('fr', [True, False]), ('less than 50% sure', [False, True])]
    """
    for code in np.unique(scores["code"]).astype(int).tolist():
        if LANGUAGES[code] not in options.languages:
            yield LANGUAGES[code], scores["code"] == code
    yield f"less than {options.min_probability:.0%} sure", scores["probability"] < options.min_probability


@dataclass(frozen=True, kw_only=True, slots=True)
class _Model:
    moves: npt.NDArray[np.uint32]
    """(rows, 256) Next state by row and byte."""
    rows: npt.NDArray[np.uint16]
    """Row of each state; state 0 begins."""
    features: npt.NDArray[np.int32]
    """Feature that a state has found, or -1."""
    weights_FC: npt.NDArray[np.float32]
    priors_C: npt.NDArray[np.float32]
    language_C: npt.NDArray[np.int64]
    """Index into LANGUAGES: two classes, of two scripts, can be one language."""


@cache
def _model() -> _Model:
    """The model of the installed py3langid, 100 MB in memory; half a second, so only where it is wanted."""
    import py3langid
    from py3langid.modelio import load_model

    path = Path(py3langid.__file__).parent / "data" / "model.npz.xz"
    weights_FC, priors_C, classes, moves, rows, features = load_model(path)
    return _Model(
        moves=np.asarray(moves, np.uint32).reshape(-1, 256),
        rows=np.asarray(rows, np.uint16),
        features=np.asarray(features, np.int32),
        weights_FC=weights_FC.astype(np.float32),
        priors_C=priors_C.astype(np.float32),
        language_C=np.array([LANGUAGES.index(code) for code in classes], np.int64),
    )


@numba.njit(nogil=True, cache=True, inline="always")
def _window(begin, end, number):
    """First byte of a window, and the byte after its last; all of a text that is no longer than the windows are."""
    num_bytes = end - begin
    if num_bytes <= _WINDOWS * _WINDOW_BYTES:
        return (begin, end) if number == 0 else (end, end)
    first = begin + (num_bytes - _WINDOW_BYTES) * number // (_WINDOWS - 1)
    return first, first + _WINDOW_BYTES


@numba.njit(nogil=True, cache=True)
def _in_capitals(data, begin, end):
    """Whether there are capitals and no small letters: the model knows words in small letters better."""
    capitals = False
    for number in range(_WINDOWS):
        first, last = _window(begin, end, number)
        for i in range(first, last):
            if 97 <= data[i] <= 122:
                return False
            capitals |= 65 <= data[i] <= 90
    return capitals


@numba.njit(nogil=True, cache=True)
def _judge(offsets_D, data, moves, rows, features, weights_FC, priors_C, language_C, num_languages, code_D, prob_D):
    counts_F = np.zeros(weights_FC.shape[0], np.int32)
    found = np.empty(_WINDOWS * _WINDOW_BYTES, np.int64)
    for d in range(code_D.size):
        begin, end = offsets_D[d], offsets_D[d + 1]
        fold = _in_capitals(data, begin, end)
        num_found, num_bytes = 0, 0
        for number in range(_WINDOWS):
            first, last = _window(begin, end, number)
            state = np.int64(0)
            num_bytes += last - first
            for i in range(first, last):
                byte = data[i]
                if fold and (65 <= byte <= 90 or (i > begin and data[i - 1] == 0xC3 and 0x80 <= byte <= 0x9E)):
                    byte += 32  # of ASCII and Latin-1
                state = np.int64(moves[rows[state], byte])
                feature = features[state]
                if feature >= 0:
                    if counts_F[feature] == 0:
                        found[num_found] = feature
                        num_found += 1
                    counts_F[feature] += 1
        if num_found == 0:
            code_D[d], prob_D[d] = _NO_LANGUAGE, 1.0
            continue
        score_C = priors_C.copy()
        for n in range(num_found):
            times = np.float32(np.log1p(counts_F[found[n]]))
            counts_F[found[n]] = 0
            for c in range(score_C.size):
                score_C[c] += times * weights_FC[found[n], c]
        # The root of the length keeps the probabilities of long texts apart: py3langid's own calibration.
        score_C = np.exp((score_C - score_C.max()) / np.sqrt(num_bytes))
        share_of = np.zeros(num_languages, np.float64)
        for c in range(score_C.size):
            share_of[language_C[c]] += score_C[c]
        code_D[d] = np.argmax(share_of)
        prob_D[d] = share_of.max() / share_of.sum()
