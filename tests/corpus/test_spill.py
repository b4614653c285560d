"""What is spilled comes back whole and sorted, in however many splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from domainlm.corpus import spill
from domainlm.corpus.spill import Spill


@pytest.mark.parametrize("split_pairs", [10, 1000, 10**6])
def test_pairs_come_back_sorted_and_equal_hashes_together_in_the_order_they_came(
    tmp_path: Path, split_pairs: int
) -> None:
    chance = np.random.default_rng(1)
    hashes = chance.integers(0, 2**64, 700, np.uint64)[chance.integers(0, 700, 3000)]
    spilled = Spill(tmp_path / "spill", len(hashes), split_pairs)
    for begin in range(0, 3000, 500):
        spilled.add(hashes[begin : begin + 500], np.arange(begin, begin + 500))
    splits = list(spilled.splits())
    assert len(splits) == {10: 512, 1000: 4, 10**6: 1}[split_pairs]
    found_hashes, found_numbers = (np.concatenate(arrays) for arrays in zip(*splits, strict=True))
    assert np.array_equal(found_numbers, np.argsort(hashes, kind="stable"))
    assert np.array_equal(found_hashes, np.sort(hashes))


def test_every_known_hash_is_found_and_no_other() -> None:
    known = np.unique(np.random.default_rng(2).integers(0, 2**64, 5000, np.uint64))
    slots = spill.table_of(known)
    assert np.array_equal(spill.find(known, known, slots), np.arange(len(known)))
    assert (spill.find(known + np.uint64(1), known, slots) == -1).all()
    assert spill.find(known, known[:0], spill.table_of(known[:0])).tolist() == [-1] * len(known)
