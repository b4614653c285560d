"""Who stays: held-out before training, earlier before later; and each dropped document names the one kept for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.corpus.dedup import Decision, decide
from domainlm.specs.corpus import CorpusSpec, NearDuplicates
from tests.corpus.batches import reader

BANDS_ALONE = CorpusSpec(domains=("d",), near_duplicates=NearDuplicates(bands=2, min_jaccard=None))
NOWHERE = Path("/nonexistent")
"""Nothing is spilled where bands alone decide."""
DOCUMENTS = st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), max_size=30)


def arrays(documents: list[tuple[bool, int, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = np.array(documents, np.uint64).reshape(-1, 4)
    # Equal texts have equal bands: the digest decides them.
    keys = np.stack([table[:, 2] + 10 * table[:, 1], table[:, 3] + 10 * table[:, 1]])
    keys[:, table[:, 1] == 0] = np.stack([table[:, 2], table[:, 3]])[:, table[:, 1] == 0]
    digests = np.stack([table[:, 1], table[:, 2] * 10 + table[:, 3]], axis=1)
    return table[:, 0].astype(bool), digests, keys


def decided(
    heldout: np.ndarray,
    digests: np.ndarray,
    keys: np.ndarray | None,
    spec: CorpusSpec = BANDS_ALONE,
    before: Decision | None = None,
) -> Decision:
    before = before or Decision.keep_all(len(heldout))
    return decide(before, heldout, digests, keys, spec, reader([]), NOWHERE)


def keeping(**fields: object) -> CorpusSpec:
    return BANDS_ALONE.model_copy(update={"exact_duplicates": "keep", **fields})


@given(DOCUMENTS)
def test_no_kept_training_document_is_like_a_held_out_one_and_no_two_kept_are_alike(documents: list) -> None:
    heldout, digests, keys = arrays(documents)
    decision = decided(heldout, digests, keys)
    kept = np.flatnonzero(decision.kept())
    for i in kept:
        for j in kept[kept < i]:
            assert not (keys[:, i] == keys[:, j]).any()
    assert (decision.kept_for_D[decision.kept_for_D] == decision.kept_for_D).all()
    assert (decision.kept_for_D[kept] == kept).all()


@given(DOCUMENTS)
def test_the_one_kept_comes_first_in_priority_and_the_reason_says_if_it_is_held_out(documents: list) -> None:
    heldout, digests, keys = arrays(documents)
    decision = decided(heldout, digests, keys)
    for i in np.flatnonzero(~decision.kept()):
        kept_for = decision.kept_for_D[i]
        assert (not heldout[kept_for], kept_for) < (not heldout[i], i)
        assert decision.reason(i).startswith(decision.stage(i))
        if decision.stage(i) == "near":
            assert decision.reason(i).endswith("of held-out") == bool(heldout[kept_for] and not heldout[i])


@given(DOCUMENTS, st.data())
def test_what_is_dropped_already_takes_no_part(documents: list, data: st.DataObject) -> None:
    heldout, digests, keys = arrays(documents)
    dropped = np.array(data.draw(st.lists(st.booleans(), min_size=len(heldout), max_size=len(heldout))), bool)
    before = Decision.keep_all(len(heldout)).dropping(dropped, "filter", "length: short")
    decision = decided(heldout, digests, keys, before=before)
    left = np.flatnonzero(~dropped)
    alone = decided(heldout[left], digests[left], keys[:, left])
    assert (decision.kept()[left] == alone.kept()).all()
    assert (decision.kept_for_D[left] == left[alone.kept_for_D]).all()
    assert all(decision.reason(d) == "length: short" for d in np.flatnonzero(dropped))


@given(DOCUMENTS)
def test_copies_that_stay_share_the_fate_of_their_first(documents: list) -> None:
    heldout, digests, keys = arrays(documents)
    decision = decided(heldout, digests, keys, keeping())
    removed = decided(heldout, digests, keys)
    for i in range(len(heldout)):
        same = np.flatnonzero((digests == digests[i]).all(axis=1))
        if heldout[same].any():
            same = same[heldout[same]]
            if not heldout[i]:
                assert decision.reason(i) == "exact duplicate of held-out"
                continue
        assert decision.kept()[i] == decision.kept()[same[0]] == removed.kept()[same[0]]


def test_exact_duplicates_may_stay_but_never_those_of_held_out_text() -> None:
    heldout = np.array([False, False, True, False])
    digests = np.array([[1, 1], [1, 1], [2, 2], [2, 2]], np.uint64)
    keys = np.array([[1, 1, 2, 2], [1, 1, 2, 2]], np.uint64)
    for spec, given_keys in ((keeping(near_duplicates=None), None), (keeping(), keys)):
        decision = decided(heldout, digests, given_keys, spec)
        assert decision.kept().tolist() == [True, True, True, False]
        assert decision.reason(3) == "exact duplicate of held-out"
    assert decided(heldout, digests, keys).kept().tolist() == [True, False, True, False]


def test_an_exact_copy_of_a_near_duplicate_names_the_one_that_is_kept() -> None:
    heldout = np.zeros(3, bool)
    digests = np.array([[1, 1], [2, 2], [2, 2]], np.uint64)
    keys = np.full((2, 3), 7, np.uint64)
    assert decided(heldout, digests, keys).kept_for_D.tolist() == [0, 0, 0]
    assert decided(heldout, digests, keys, keeping()).kept_for_D.tolist() == [0, 0, 0]


def test_a_document_is_dropped_once() -> None:
    decision = Decision.keep_all(2).dropping(np.array([0]), "filter", "a")
    assert [decision.stage(0), decision.reason(0), decision.kept().tolist()] == ["filter", "a", [False, True]]
    with pytest.raises(AssertionError, match="dropped already"):
        decision.dropping(np.array([0]), "near", "b")
