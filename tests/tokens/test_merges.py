"""Merges are learnt as one who counted all anew after each would learn them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domainlm.tokens.merges import MAX_WORDS, Merge, Rows, learn

FIRST_ID = 10
WORDS = st.lists(st.integers(0, 3), min_size=1, max_size=3)
ROWS = st.lists(st.lists(WORDS, min_size=1, max_size=6), min_size=1, max_size=8)
COUNTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=8, max_size=8)


def rows_of(rows: list[list[list[int]]], counts: list[tuple[int, int]]) -> Rows:
    lengths = [sum(map(len, row)) for row in rows]
    return Rows(
        ids_T=np.array([id_ for row in rows for word in row for id_ in word], np.int32),
        begins_T=np.array([k == 0 for row in rows for word in row for k in range(len(word))]),
        ends_R=np.cumsum(lengths),
        counts_KR=np.array(counts[: len(rows)], np.int32).T,
    )


def naive(rows: list[list[list[int]]], counts: list[tuple[int, int]], price: float) -> list[Merge]:
    """One token is (id, whether a word begins with it, its words); all pairs are counted anew for each merge."""
    texts = [[(id_, k == 0, 1) for word in row for k, id_ in enumerate(word)] for row in rows]
    totals = [max(1, sum(len(text) * count[k] for text, count in zip(texts, counts, strict=False))) for k in (0, 1)]
    merges: list[Merge] = []
    while True:
        found: dict[tuple[int, int], list] = {}
        for text, count in zip(texts, counts, strict=False):
            for k in places(text):
                (left, _, of_left), (right, joins, of_right) = text[k], text[k + 1]
                entry = found.setdefault((left, right), [0, 0, of_left + of_right if joins else 1])
                entry[0] += count[0]
                entry[1] += count[1]
        worth = {
            pair: float(np.array([1.0, -price]) / totals @ np.array(entry[:2]))
            for pair, entry in found.items()
            if entry[0] >= 2 and entry[2] <= MAX_WORDS
        }
        best = min(worth, key=lambda pair: (-worth[pair], pair), default=None)
        if best is None or worth[best] <= 0:
            return merges
        merges.append(Merge(*best, FIRST_ID + len(merges), found[best][2]))
        texts = [merged(text, merges[-1]) for text in texts]


def places(text: list[tuple[int, bool, int]]) -> list[int]:
    """Where a pair may be merged, of equal tokens in a row each second one: within a word, or of whole words."""
    found = []
    for k in range(len(text) - 1):
        ends = k + 2 == len(text) or text[k + 2][1]
        if not text[k + 1][1] or (text[k][1] and ends):
            found.append(k)
    return found


def merged(text: list[tuple[int, bool, int]], merge: Merge) -> list[tuple[int, bool, int]]:
    out, k, allowed = [], 0, places(text)
    while k < len(text):
        if k in allowed and (text[k][0], text[k + 1][0]) == merge[:2]:
            out.append((merge.into, text[k][1], merge.words))
            k += 1
        else:
            out.append(text[k])
        k += 1
    return out


@given(rows=ROWS, counts=COUNTS, price=st.sampled_from([0.0, 0.5, 2.0]))
def test_each_merge_is_the_best_that_there_then_is(rows, counts, price):
    # A word's tokens after its first differ from all first ones, as a space tells them apart in text.
    rows = [[[word[0], *(id_ + 4 for id_ in word[1:])] for word in row] for row in rows]
    learnt = learn(rows_of(rows, counts), FIRST_ID, 1_000, lambda _: True, np.array([1.0, -price]))
    assert learnt.merges == naive(rows, counts, price)
