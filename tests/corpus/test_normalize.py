"""One spelling for each text."""

from __future__ import annotations

import itertools
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.corpus.normalize import normalize

ODD = st.text(st.sampled_from("ab \t\n\r\f\v\x00\x07\x7f\x85\u00a0\u00ad\u0301\u2003\u200b\u200d\u2028\u212b\ufeffé"))


@given(st.text() | ODD)
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalize(text)
    assert normalize(once) == once


@given(st.text() | ODD)
def test_a_normal_text_has_one_form_and_no_unseen_characters(text: str) -> None:
    normal = normalize(text)
    assert unicodedata.is_normalized("NFC", normal)
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in normal if c not in "\n\t")
    assert not any(line != line.rstrip(" \t") for line in normal.split("\n"))
    assert "\n\n\n" not in normal


def test_line_ends_of_every_kind_are_one() -> None:
    assert normalize("a\r\nb\rc\u2028d\x85e\x0cf") == "a\nb\nc\nd\ne\nf"


def test_indentation_and_joiners_stay() -> None:
    assert normalize("if:\n    do\u200dit") == "if:\n    do\u200dit"


def test_the_short_way_for_plain_text_changes_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [
        before + chr(point) + after for point in range(0x3100) for before in ("", "a ", "e\n") for after in ("", "b")
    ]
    texts += ["".join(signs) for signs in itertools.product(" \ta\né\u2019", repeat=5)]
    short = [normalize(text) for text in texts]
    monkeypatch.setattr("domainlm.corpus.normalize._is_plain", lambda utf8, begin, end: False)
    assert short == [normalize(text) for text in texts]
