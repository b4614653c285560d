"""What is not cut stays as it was; what is left is parted and no empty lines pile up."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from domainlm.corpus.excise import excise


def cut(text: str, *spans: tuple[int, int], line_feeds: int = 1) -> str:
    """`text` without character spans."""
    places = [(len(text[:a].encode()), len(text[:b].encode())) for a, b in spans]
    begins, ends = np.array(places, np.int64).reshape(-1, 2).T
    array = pa.array(["before", text], pa.large_string()).slice(1)
    start = len("before")
    return excise(array, np.array([0, len(places)]), begins + start, ends + start, line_feeds=line_feeds)[0].as_py()


def test_what_is_left_is_parted_as_it_was_before_or_by_what_is_asked() -> None:
    assert cut("one\ntwo\nthree", (4, 7)) == "one\nthree"
    assert cut("one\n\ntwo\nthree", (5, 8)) == "one\n\nthree"
    assert cut("one two three", (4, 7), line_feeds=2) == "one\n\nthree"
    assert cut("one\n    indented\n    stays", (4, 16)) == "one\n    stays"


def test_nothing_is_left_at_the_ends() -> None:
    assert cut("one\ntwo", (0, 3)) == "two"
    assert cut("one\ntwo", (4, 7)) == "one"
    assert cut("one\ntwo", (0, 7)) == ""
    assert cut("é\nü\nß", (0, 1), (2, 3)) == "ß"


@given(st.text("ab \n", max_size=40), st.lists(st.integers(0, 40), max_size=6, unique=True), st.integers(1, 2))
def test_words_outside_the_spans_stay_in_order_and_none_run_together(text: str, ends: list[int], feeds: int) -> None:
    places = sorted(min(end, len(text)) for end in ends[: len(ends) // 2 * 2])
    spans = [(a, b) for a, b in zip(places[::2], places[1::2], strict=True) if a < b]
    masked = "".join(" " if any(a <= i < b for a, b in spans) else letter for i, letter in enumerate(text))
    assert cut(text, *spans, line_feeds=feeds).split() == masked.split()
    if not spans:
        assert cut(text, line_feeds=feeds) == text
