"""Near-duplicates: found where word 5-grams say so, left alone elsewhere, and never at quadratic cost."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

from domainlm.corpus import near
from domainlm.specs.corpus import NearDuplicates

SPEC = NearDuplicates()


def keys(texts: list[str]) -> np.ndarray:
    return near.signatures(pa.array(texts, pa.large_string()), SPEC)


def same(a: str, b: str) -> bool:
    pair = keys([a, b])
    return bool((pair[:, 0] == pair[:, 1]).all())


def shingles(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}


def jaccard(a: set, b: set) -> float:
    return len(a & b) / len(a | b)


def changed(words: list[str], share: float, chance: random.Random) -> list[str]:
    return [f"new{chance.random()}".replace(".", "") if chance.random() < share else word for word in words]


@pytest.mark.parametrize(("num_keys", "missed_share"), [(14, 0.05), (28, 0.01)])
def test_found_pairs_are_what_brute_force_finds(num_keys: int, missed_share: float) -> None:
    chance = random.Random(1)
    texts = []
    for _ in range(150):
        words = [f"w{chance.randrange(5000)}" for _ in range(chance.randrange(60, 300))]
        texts += [" ".join(words), " ".join(changed(words, chance.choice([0.0, 0.01, 0.03, 0.2, 0.5]), chance))]
    sets = [shingles(text) for text in texts]
    found = keys(texts)[:num_keys]
    similar = missed = wrong = 0
    for i in range(len(texts)):
        for j in range(i):
            likeness = jaccard(sets[i], sets[j])
            matched = bool((found[:, i] == found[:, j]).any())
            similar += likeness >= 0.8
            missed += likeness >= 0.8 and not matched
            wrong += likeness < 0.3 and matched
    assert similar > 60
    # Bands miss a pair of Jaccard 0.8 with probability 0.077, one of 0.9 with 4e-4; with diagonals 0.014 and 5e-6.
    assert missed <= missed_share * similar
    assert wrong == 0


def test_minima_estimate_the_jaccard_similarity() -> None:
    chance = random.Random(2)
    single = NearDuplicates(bands=512, rows=1)
    words = [f"w{chance.randrange(10**6)}" for _ in range(2000)]
    pair = [" ".join(words), " ".join(changed(words, 0.05, chance))]
    found = near.signatures(pa.array(pair, pa.large_string()), single)
    # 512 minima: the standard error of the estimate is at most 0.022; four of them.
    assert (found[:, 0] == found[:, 1]).mean() == pytest.approx(jaccard(*map(shingles, pair)), abs=0.09)


def test_case_punctuation_and_spacing_do_not_matter() -> None:
    assert same("The Lessee shall pay, on demand, all Rent.", "the lessee\nshall pay “on demand” all — rent")
    assert not same("the lessee shall pay on demand all rent", "the lessee shall pay on demand no rent")
    assert not same("straße über alle", "strasse uber alle")


def test_short_and_wordless_texts_equal_only_themselves() -> None:
    texts = ["a b", "a b", "a c", "***", "***", "+++", "", "a"]
    rows = keys(texts).T
    assert [[int((x == y).all()) for y in rows].index(1) for x in rows] == [0, 0, 2, 3, 3, 5, 6, 7]


def test_a_slice_of_an_array_is_signed_as_itself() -> None:
    texts = pa.array([f"document number {i} with a few words of its own" for i in range(9)], pa.large_string())
    assert (near.signatures(texts.slice(3, 4), SPEC) == near.signatures(texts, SPEC)[:, 3:7]).all()


def test_a_cluster_is_named_by_its_first_whatever_chain_joins_it() -> None:
    table = np.array([[1, 2, 1, 4, 5], [9, 8, 7, 8, 7]], np.uint64)  # 0-2 by the first band, 2-4 and 1-3 by the second
    assert near.first_of_cluster(table).tolist() == [0, 1, 0, 1, 0]


def test_a_hub_of_equal_keys_costs_one_join_each() -> None:
    hub = np.zeros((14, 200_000), np.uint64)
    assert not near.first_of_cluster(hub).any()


def test_nulls_are_refused() -> None:
    with pytest.raises(TypeError, match="1 nulls"):
        near.signatures(pa.array(["a", None], pa.large_string()), SPEC)
