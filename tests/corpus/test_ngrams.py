"""The same words everywhere; distinct n-grams of each document are a set, sorted, whatever stands beside it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from domainlm.corpus import ngrams

TEXTS = st.lists(st.lists(st.sampled_from(["a", "b", "ccc", "dd"]), max_size=30).map(" ".join), max_size=6)


def distinct(texts: list[str], num_words: int) -> list[list[int]]:
    hashes, offsets = ngrams.distinct(pa.array(texts, pa.large_string()), num_words)
    return [hashes[offsets[d] : offsets[d + 1]].tolist() for d in range(len(texts))]


@given(TEXTS, st.integers(1, 6))
def test_a_document_has_as_many_hashes_as_different_ngrams_in_ascending_order(texts: list[str], num_words: int) -> None:
    found = distinct(texts, num_words)
    hash_of: dict[tuple[str, ...], int] = {}
    for text, hashes in zip(texts, found, strict=True):
        words = text.split()
        grams = {tuple(words[i : i + num_words]) for i in range(max(1, len(words) - num_words + 1))}
        assert len(hashes) == len(grams)
        assert hashes == sorted(set(hashes))
        assert hashes == distinct([text], num_words)[0]
        if len(grams) == 1:
            assert hash_of.setdefault(next(iter(grams)), hashes[0]) == hashes[0]
    assert len(set(hash_of.values())) == len(hash_of)


def test_long_repetitive_documents_are_sorted_in_linear_time() -> None:
    text = " ".join(f"w{i % 1500}" for i in range(300_000))
    assert len(distinct([text], 5)[0]) == 1500


def test_a_slice_of_an_array_is_hashed_as_itself() -> None:
    texts = pa.array([f"document number {i} has some words" for i in range(9)], pa.large_string())
    whole, offsets = ngrams.distinct(texts, 3)
    part, _ = ngrams.distinct(texts.slice(4, 2), 3)
    assert np.array_equal(part, whole[offsets[4] : offsets[6]])
