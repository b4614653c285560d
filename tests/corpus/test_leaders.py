"""What goes is like the very document that is kept for it; nothing depends on batches; no hub is quadratic."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domainlm.corpus import leaders, near
from domainlm.specs.corpus import NearDuplicates
from tests.corpus.batches import reader

SPEC = NearDuplicates()
ON_DISK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
WORDS = st.lists(st.sampled_from([f"w{i}" for i in range(12)]), max_size=25)


def kept(texts: list[str], folder: Path, priority: np.ndarray | None = None, **spec: float) -> list[int]:
    """For each document the one that is kept in its place."""
    given_spec = NearDuplicates.model_validate(spec)
    keys = near.signatures(pa.array(texts, pa.large_string()), given_spec)
    order = np.arange(len(texts)) if priority is None else priority
    places = leaders.leaders(order, keys, given_spec, reader(texts), folder)
    found = np.empty(len(texts), int)
    found[order] = order[places]
    return found.tolist()


def shingles(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))}


def jaccard(a: str, b: str) -> float:
    return len(shingles(a) & shingles(b)) / len(shingles(a) | shingles(b))


@st.composite
def versions(draw: st.DrawFn) -> list[str]:
    """Texts and versions of them with some words changed: near-duplicates of all degrees."""
    texts = []
    for words in draw(st.lists(WORDS, max_size=4)):
        texts.append(" ".join(words))
        for places in draw(st.lists(st.sets(st.integers(0, 24), max_size=3), max_size=3)):
            texts.append(" ".join("changed" if i in places else word for i, word in enumerate(words)))
    return texts


@ON_DISK
@given(texts=versions(), least=st.sampled_from([0.3, 0.8, 1.0]))
def test_what_goes_is_as_like_the_one_kept_for_it_as_asked(tmp_path: Path, texts: list[str], least: float) -> None:
    found = kept(texts, tmp_path, min_jaccard=least)
    for document, leader in enumerate(found):
        assert leader <= document and found[leader] == leader
        assert leader == document or jaccard(texts[leader], texts[document]) >= least


@ON_DISK
@given(texts=versions(), seed=st.integers(0, 99))
def test_priority_decides_and_the_numbering_does_not(tmp_path: Path, texts: list[str], seed: int) -> None:
    renumbered = np.random.default_rng(seed).permutation(len(texts))  # document i becomes number renumbered[i]
    moved = [""] * len(texts)
    for document, number in enumerate(renumbered.tolist()):
        moved[number] = texts[document]
    found = kept(texts, tmp_path)
    assert [renumbered[leader] for leader in found] == [kept(moved, tmp_path, renumbered)[n] for n in renumbered]


def test_planted_pairs_are_found_and_nothing_else_goes(tmp_path: Path) -> None:
    chance = random.Random(4)
    texts, similar = [], []
    for _ in range(400):
        words = [f"w{chance.randrange(3000)}" for _ in range(chance.randrange(80, 300))]
        share = chance.choice([0.005, 0.01, 0.02, 0.05, 0.1])
        texts += [
            " ".join(words),
            " ".join(f"new{chance.randrange(10**9)}" if chance.random() < share else word for word in words),
        ]
        similar.append(jaccard(*texts[-2:]) >= 0.8)
    found = kept(texts, tmp_path)
    gone = [found[i + 1] == i for i in range(0, len(texts), 2)]
    assert sum(similar) > 150
    # Bands and diagonals miss a pair of 0.8 with probability 0.014, one of 0.85 with 9e-4.
    assert sum(1 for is_similar, is_gone in zip(similar, gone, strict=True) if is_similar and not is_gone) <= 1
    assert not any(is_gone and not is_similar for is_similar, is_gone in zip(similar, gone, strict=True))


def test_of_versions_that_drift_apart_one_stays_each_time_the_likeness_is_lost(tmp_path: Path) -> None:
    words = [f"w{i}" for i in range(400)]
    texts = []
    for version in range(21):
        texts.append(" ".join(words))
        words[version * 10 : version * 10 + 10] = [f"v{version}x{i}" for i in range(10)]
    found = kept(texts, tmp_path)
    leaders_of = sorted(set(found))
    assert 3 <= len(leaders_of) <= 8  # a chain of shared bands would leave one alone
    assert all(jaccard(texts[i], texts[found[i]]) >= 0.8 for i in range(21))


def test_chunks_of_shingles_do_not_change_what_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [" ".join(f"w{(i // 3) * 7 + j}" for j in range(40)) + (" tail" * (i % 3)) for i in range(60)]
    found = kept(texts, tmp_path)
    assert len(set(found)) < 60
    monkeypatch.setattr(leaders, "_CHUNK_BYTES", 256)
    assert kept(texts, tmp_path) == found


@pytest.mark.parametrize("alike", [True, False])
def test_a_hub_of_200_000_documents_takes_seconds_whether_they_are_alike_or_not(tmp_path: Path, alike: bool) -> None:
    texts = [f"all rights reserved by the owner number {0 if alike else i} of the works" for i in range(200_000)]
    hub = np.zeros((SPEC.num_keys, len(texts)), np.uint64)
    leaders.leaders(np.arange(2), hub[:, :2], SPEC, reader(texts[:2]), tmp_path)  # compiles
    began = time.process_time()
    found = leaders.leaders(np.arange(len(texts)), hub, SPEC, reader(texts, 10_000), tmp_path)
    assert time.process_time() - began < 20
    assert len(np.unique(found)) == (1 if alike else len(texts))


def test_a_crowd_hides_a_duplicate_only_where_it_shares_as_many_bands(tmp_path: Path) -> None:
    crowd = [f"w{i} a b c d e f g h" for i in range(leaders.MOST_RECENT)]  # 5-grams in common: 4 of 6
    texts = ["the very same text of some ten words in all", *crowd, "the very same text of some ten words in all"]
    keys = np.zeros((SPEC.num_keys, len(texts)), np.uint64)
    documents = np.arange(len(texts))
    hidden = leaders.leaders(documents, keys, SPEC, reader(texts), tmp_path)
    assert hidden.tolist() == documents.tolist()
    keys[:15, [0, -1]] = 1  # more bands than the crowd's 13: it is compared first
    found = leaders.leaders(documents, keys, SPEC, reader(texts), tmp_path)
    assert found.tolist() == [*documents[:-1].tolist(), 0]
