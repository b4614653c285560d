"""One spelling for each text."""

from __future__ import annotations

import itertools
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from domainlm.corpus.batch import Spans
from domainlm.corpus.normalize import _normalized, changed_by_normalize, normalize
from domainlm.corpus.spelling import KEPT

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


@given(st.text() | ODD)
def test_machine_code_and_python_say_the_same(text: str) -> None:
    assert normalize(text) == _normalized(text)


def test_every_character_becomes_what_python_says() -> None:
    texts = [
        before + chr(point) + after
        for point in (*range(0x3400), *range(0xD7A0, 0xE010), *range(0xF8F0, 0x10010), *range(0x1EFF0, 0x20010))
        for before in ("", "a ", "e\n")
        for after in ("", "b", "\r\n  \nb")
    ]
    texts += ["".join(signs) for signs in itertools.product(" \ta\né\u2019", repeat=5)]
    read = Spans.of([text.encode("utf-8", "surrogatepass") for text in texts])
    assert [str(text, "utf-8") for text in read.replaced(changed_by_normalize(read))] == list(map(_normalized, texts))


def test_characters_that_are_kept_go_together_with_no_other() -> None:
    kept = {chr(point) for first, last in KEPT for point in range(first, last + 1)}
    changed = {sign for sign in kept if unicodedata.combining(sign) or unicodedata.normalize("NFC", sign) != sign}
    decompositions = (unicodedata.decomposition(chr(point)) for point in range(0x110000))
    joined = {chr(int(code, 16)) for one in decompositions if one[:1] != "<" for code in one.split()[1:]}
    assert not changed and not kept & joined
