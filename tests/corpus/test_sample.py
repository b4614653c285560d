"""Samples to read by eye: of the right reason and source, the same each time."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domainlm import manifest
from domainlm.corpus import sample
from domainlm.errors import DataError
from domainlm.manifest import Made, Manifest, Request, shard_of

REASONS = ("near duplicate", "near duplicate of held-out", "length: fewer than 200 characters")


@pytest.fixture
def corpus(tmp_path: Path) -> Manifest:
    def do(folder: Path) -> Made:
        rows = [
            {
                "id": f"d{number}",
                "domain": ("law", "general")[number % 2],
                "source": "some",
                "split": "train",
                "reason": REASONS[number % 3],
                "duplicate_of": "x" if number % 3 < 2 else None,
                "text_head": "Text",
            }
            for number in range(300)
        ]
        pq.write_table(pa.Table.from_pylist(rows), folder / "dropped.parquet", row_group_size=37)
        texts = pa.table({"id": [f"k{n}" for n in range(100)], "text": ["y" * 500] * 100})
        pq.write_table(texts, folder / "text.parquet", row_group_size=9)
        bad = [{"file": "a.jsonl", "offset": 7, "reason": "no JSON", "domain": "law", "source": "some", "excerpt": "{"}]
        pq.write_table(pa.Table.from_pylist(bad), folder / "quarantined.parquet")
        where = {"domain": "law", "source": "some", "split": "train", "num_docs": 100}
        shards = [
            shard_of(folder / "dropped.parquet", folder, "dropped"),
            shard_of(folder / "quarantined.parquet", folder, "quarantined"),
            shard_of(folder / "text.parquet", folder, "text", **where),
        ]
        return Made(shards=tuple(shards))

    request = Request(stage="corpus", name="c", spec={}, seed=0, code="c", libraries={}, inputs={})
    return manifest.make(request, tmp_path, do)


def test_a_reason_that_is_named_in_full_is_meant_alone_and_words_mean_all_that_hold_them(corpus: Manifest) -> None:
    assert {row.reason for row in sample.dropped(corpus, "near duplicate", 40)} == {REASONS[0]}
    assert {row.reason for row in sample.dropped(corpus, "DUPLICATE", 40)} == set(REASONS[:2])


def test_the_same_seed_gives_the_same_documents_and_another_gives_others(corpus: Manifest) -> None:
    first = sample.dropped(corpus, "length", 5)
    assert len({row.id for row in first}) == 5
    assert sample.dropped(corpus, "length", 5) == first
    assert sample.dropped(corpus, "length", 5, seed=1) != first


def test_a_source_or_a_domain_can_be_asked_for(corpus: Manifest) -> None:
    for asked in ("law", "law/some"):
        found = sample.dropped(corpus, "length", 100, source=asked)
        assert len(found) == 50
        assert {row.source for row in found} == {"law/some"}
    assert sample.dropped(corpus, "length", 5, source="law/other") == []


def test_a_reason_that_took_nothing_is_an_error_with_those_that_did(corpus: Manifest) -> None:
    with pytest.raises(DataError, match=r"nothing was dropped for 'language'; there is: near duplicate \(100\)"):
        sample.dropped(corpus, "language", 5)


def test_kept_documents_and_quarantined_records_are_shown_too(corpus: Manifest) -> None:
    found = sample.kept(corpus, 12)
    assert len({row.id for row in found}) == 12
    assert all(len(row.text_head) == sample.HEAD_CHARS for row in found)
    assert sample.kept(corpus, 12, source="general") == []
    assert [row.id for row in sample.quarantined(corpus, "json", 5)] == ["a.jsonl:7"]
