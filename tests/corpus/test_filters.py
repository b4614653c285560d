"""Every filter, found by glob; and what each takes for a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm import named
from domainlm.corpus.filters import length, repetition, symbols, words
from domainlm.specs.spec import Spec

FILTERS = "domainlm.corpus.filters"
PROSE = (
    "The court held that the lease had ended on the first day of March. The tenant, who had been told of this in "
    "writing, stayed on for two further months without paying rent, and the owner asked for damages. Whether notice "
    "by letter is enough was the only question before us; we think that it is, for the reasons that now follow."
)


@pytest.mark.parametrize("name", named.names(FILTERS))
def test_a_filter_has_options_with_defaults_and_keeps_ordinary_prose(name: str) -> None:
    module = named.load(FILTERS, name)
    assert issubclass(module.Options, Spec)
    assert module.reason(PROSE, module.Options()) is None


@pytest.mark.parametrize("name", named.names(FILTERS))
@given(text=st.text(max_size=300))
def test_a_filter_says_the_same_twice_and_takes_any_text(name: str, text: str) -> None:
    module = named.load(FILTERS, name)
    found = module.reason(text, module.Options())
    assert found is None or (isinstance(found, str) and found)
    assert module.reason(text, module.Options()) == found


def test_length_has_both_ends() -> None:
    options = length.Options(min_chars=3, max_chars=5)
    assert [length.reason("x" * n, options) for n in (2, 3, 5, 6)] == [
        "fewer than 3 characters",
        None,
        None,
        "more than 5 characters",
    ]


@given(st.text())
def test_the_share_of_symbols_is_what_counting_one_by_one_gives(text: str) -> None:
    seen = [c for c in text if c not in " \t\n"]
    wanted = sum(not c.isalpha() for c in seen) / len(seen) if seen else 0.0
    assert symbols.share(text) == pytest.approx(wanted)


def test_words_of_other_scripts_are_letters_too() -> None:
    assert symbols.share("Über die Ähnlichkeit") == 0.0
    assert symbols.share("право 法律") == 0.0


def test_words_are_counted_and_measured() -> None:
    options = words.Options(min_words=2, max_words=4)
    assert words.reason("one", options) == "fewer than 2 words"
    assert words.reason("one two six ten and", options) == "more than 4 words"
    assert words.reason("a b c", options) == "words shorter than 3 characters on average"
    assert words.reason("incomprehensibilities tergiversation", options) == "words longer than 10 characters on average"


def test_repeated_lines_and_repeated_phrases_are_found() -> None:
    assert repetition.reason(PROSE + "\nPage\nPage\nPage", repetition.Options()) == "duplicate lines"
    assert repetition.reason("buy now " * 60, repetition.Options()) == "most frequent 2-gram"


@given(st.lists(st.sampled_from(["a", "bb", "ccc"]), max_size=40), st.integers(2, 4))
def test_the_top_ngram_is_what_counting_one_by_one_gives(chosen: list[str], size: int) -> None:
    ngrams = [tuple(chosen[i : i + size]) for i in range(len(chosen) - size + 1)]
    chars = [ngrams.count(ngram) * sum(map(len, ngram)) for ngram in ngrams]
    most = max((ngrams.count(ngram) for ngram in ngrams), default=0)
    top = max((c for c, ngram in zip(chars, ngrams, strict=True) if ngrams.count(ngram) == most), default=0)
    wanted = top / sum(map(len, chosen)) if most > 1 else 0.0
    assert repetition.top_ngram_char_shares(" ".join(chosen), [size]) == [pytest.approx(wanted)]
