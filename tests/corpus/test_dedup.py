"""Who stays: held-out before training, earlier before later; and each dropped document names the one kept for it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domainlm.corpus.dedup import decide
from domainlm.specs.run import CorpusSpec

SPEC = CorpusSpec(domains=("d",))
DOCUMENTS = st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), max_size=30)


def arrays(documents: list[tuple[bool, int, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = np.array(documents, np.uint64).reshape(-1, 4)
    # Equal texts have equal bands: the digest decides them.
    keys = np.stack([table[:, 2] + 10 * table[:, 1], table[:, 3] + 10 * table[:, 1]])
    keys[:, table[:, 1] == 0] = np.stack([table[:, 2], table[:, 3]])[:, table[:, 1] == 0]
    digests = np.stack([table[:, 1], table[:, 2] * 10 + table[:, 3]], axis=1)
    return table[:, 0].astype(bool), digests, keys


@given(DOCUMENTS)
def test_no_kept_training_document_is_like_a_held_out_one_and_no_two_kept_are_alike(documents: list) -> None:
    heldout, digests, keys = arrays(documents)
    decision = decide(heldout, digests, keys, SPEC)
    kept = np.flatnonzero(decision.kept())
    for i in kept:
        for j in kept[kept < i]:
            assert not (keys[:, i] == keys[:, j]).any()
    assert (decision.kept_for_D[decision.kept_for_D] == decision.kept_for_D).all()
    assert (decision.kept_for_D[kept] == kept).all()


@given(DOCUMENTS)
def test_the_one_kept_comes_first_in_priority_and_the_reason_says_if_it_is_held_out(documents: list) -> None:
    heldout, digests, keys = arrays(documents)
    decision = decide(heldout, digests, keys, SPEC)
    for i in np.flatnonzero(~decision.kept()):
        kept_for = decision.kept_for_D[i]
        assert (not heldout[kept_for], kept_for) < (not heldout[i], i)
        if decision.reason(i).startswith("near"):
            assert decision.reason(i).endswith("of held-out") == bool(heldout[kept_for] and not heldout[i])


def test_exact_duplicates_may_stay_but_never_those_of_held_out_text() -> None:
    heldout = np.array([False, False, True, False])
    digests = np.array([[1, 1], [1, 1], [2, 2], [2, 2]], np.uint64)
    spec = CorpusSpec(domains=("d",), exact_duplicates="keep", near_duplicates=None)
    decision = decide(heldout, digests, None, spec)
    assert decision.kept().tolist() == [True, True, True, False]
    assert decision.reason(3) == "exact duplicate of held-out"
    assert decide(heldout, digests, None, SPEC).kept().tolist() == [True, False, True, False]


def test_an_exact_copy_of_a_near_duplicate_names_the_one_that_is_kept() -> None:
    heldout = np.zeros(3, bool)
    digests = np.array([[1, 1], [2, 2], [2, 2]], np.uint64)
    decision = decide(heldout, digests, np.array([[7, 7, 7]], np.uint64), SPEC)
    assert decision.kept_for_D.tolist() == [0, 0, 0]
    assert decision.largest_clusters(5) == [(0, 3)]
