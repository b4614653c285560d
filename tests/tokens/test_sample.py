from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.errors import DataError
from domainlm.tokens.sample import byte_targets, choose, texts

DOMAINS = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 10**9), min_size=1)


@given(DOMAINS, st.integers(1, 10**9), st.data())
def test_targets_keep_to_the_ratio_the_budget_and_the_text_there_is(available, sample_bytes, data):
    parts = data.draw(st.fixed_dictionaries({domain: st.integers(1, 100) for domain in available}))
    ratio = {domain: part / sum(parts.values()) for domain, part in parts.items()}
    targets = byte_targets(available, ratio, sample_bytes)
    assert sum(targets.values()) <= sample_bytes
    assert all(targets[domain] <= available[domain] for domain in available)
    whole = min(sample_bytes, *(available[domain] / ratio[domain] for domain in available))
    # Two bytes of room: one for rounding down, one for the floats.
    assert all(math.isclose(targets[domain], whole * ratio[domain], abs_tol=2) for domain in available)


@given(DOMAINS, st.integers(1, 2 * 10**9))
def test_without_a_ratio_the_corpus_proportions_stand(available, sample_bytes):
    targets = byte_targets(available, {}, sample_bytes)
    whole = min(sample_bytes, sum(available.values()))
    assert sum(targets.values()) <= whole
    assert all(
        math.isclose(targets[domain], whole * count / sum(available.values()), abs_tol=2)
        for domain, count in available.items()
    )


def test_a_sample_has_its_bytes_to_the_last_and_cuts_one_document_at_most(corpus):
    sample = choose(corpus, "train", "law", 5000, seed=1)
    chosen = [text for batch in texts(sample) for text in batch]
    assert sum(len(text.encode()) for text in chosen) == 5000
    assert sum(not text.endswith(".\n") for text in chosen) <= 1


def test_a_larger_sample_holds_the_smaller_one_and_another_seed_another(corpus):
    small, large = (choose(corpus, "train", "law", target, seed=1).kept_bytes_D for target in (3000, 6000))
    assert (small <= large).all() and small.sum() == 3000 and large.sum() == 6000
    assert (choose(corpus, "train", "law", 3000, seed=2).kept_bytes_D != small).any()


def test_a_character_cut_in_two_is_dropped(corpus_of):
    corpus = corpus_of({("law", "acts", "train"): ["ééé"]})
    assert list(texts(choose(corpus, "train", "law", 5, seed=0))) == [["éé"]]


def test_a_corpus_without_training_text_is_refused():
    with pytest.raises(DataError, match="no training text"):
        byte_targets({}, {}, 500)
