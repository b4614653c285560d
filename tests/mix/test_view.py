from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from domainlm.errors import DataError
from domainlm.mix import hold, view
from domainlm.mix.budget import plan
from domainlm.planned import planned
from domainlm.specs.mix import MixSpec

TABLE_1 = Path(__file__).parents[2] / "data_specs/mixes/bloomberggpt-table-1.yaml"
PUBLISHED = {
    "finpile/web": 42.01,
    "finpile/news": 5.31,
    "finpile/filings": 2.04,
    "finpile/press": 1.21,
    "finpile/bloomberg": 0.70,
    "public/pile": 25.9,
    "public/c4": 19.48,
    "public/wikipedia": 3.35,
}
"""arXiv:2303.17564, table 1, in percent of the tokens."""


def test_bloomberggpt_s_table_1_comes_from_the_sizes_of_its_rows():
    (found,) = planned(TABLE_1)
    record = view.record(found.mix)
    assert found.shortage == "" and record["missing_tokens"] == 0
    assert record["tokens"] == pytest.approx(569e9, rel=1e-8)
    assert set(record["sources"]) == set(PUBLISHED)
    for name, published in PUBLISHED.items():
        assert 100 * record["sources"][name]["share"] == pytest.approx(published, abs=0.01)
        assert round(record["sources"][name]["epochs"], 2) == 0.80
    assert sum(source["tokens_on_disk"] for source in record["sources"].values()) == pytest.approx(709e9, rel=1e-3)


def test_at_800_billion_tokens_it_says_what_is_missing_of_each_source():
    (found,) = planned(TABLE_1, budget_tokens=800 * 10**9)
    record = view.record(found.mix)
    # 800 asked for of 708.8 there are.
    assert record["missing_tokens"] == pytest.approx(91.2e9, rel=1e-6)
    for name, of in record["sources"].items():
        assert of["missing_tokens"] == pytest.approx(of["tokens_on_disk"] * (800 / 708.8 - 1), rel=1e-4)
        assert f"{name}: {of['tokens']:,} tokens wanted" in found.shortage
    assert "Lower `budget_tokens` to 7087" in found.shortage and "raise `max_epochs` to 1.13." in found.shortage


def mix_of(**ratio: float):
    spec = MixSpec(name="test", token_ratio=ratio, budget_tokens=100_000)
    tokens = {"law/acts": 100_001, "web/pages": 200_001, "books/old": 50_001}
    return plan(spec, tokens, sequence_tokens=10, batch_rows=10, seed=0)


def test_a_difference_names_tokens_epochs_and_share_of_each_source_before_and_after():
    changed = view.difference(mix_of(law=0.5, web=0.5), mix_of(law=0.7, books=0.3))
    assert changed == {
        "books/old": {
            "tokens": {"before": 0, "after": 30_000},
            "epochs": {"before": 0.0, "after": 0.6},
            "share": {"before": 0.0, "after": 0.3},
        },
        "law/acts": {
            "tokens": {"before": 50_000, "after": 70_000},
            "epochs": {"before": 0.5, "after": 0.7},
            "share": {"before": 0.5, "after": 0.7},
        },
        "web/pages": {
            "tokens": {"before": 50_000, "after": 0},
            "epochs": {"before": 0.25, "after": 0.0},
            "share": {"before": 0.5, "after": 0.0},
        },
    }
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(view.difference_table(("a", "b"), changed))
    assert "law/acts" in (text := console.export_text()) and "50k → 70k" in text and "+20.00" in text


def test_a_mix_made_of_other_documents_than_it_is_locked_to_is_refused_by_name(tokens_of, tmp_path):
    facts = {"sources": {"law/acts": {"rows": 8}, "web/pages": {"rows": 8}}}
    tokens = tokens_of({"law/acts": [30, 20], "web/pages": [40]})
    path = hold.write(tmp_path, "demo", {"base": (facts, 3)}, tokens)
    held = hold.held(tmp_path, "demo")["base"]
    again = hold.account(facts, 3, tokens)
    hold.check(held, again, path=path, run=Path("demo.yaml"))
    assert held["sources"]["law/acts"]["docs"] == 2 and held["sources"]["law/acts"]["tokens"] == 50
    changed = hold.account(facts, 3, tokens_of({"law/acts": [30, 20], "web/pages": [41]}))
    with pytest.raises(
        DataError, match=r"web/pages is not as it was locked: 40 tokens in 1 documents \(\w+\) then, 41"
    ):
        hold.check(held, changed, path=path, run=Path("demo.yaml"))
    with pytest.raises(DataError, match="the sources are as they were locked, but the ratio, the rows or the seed"):
        hold.check(held, hold.account(facts, 4, tokens), path=path, run=Path("demo.yaml"))
    assert hold.held(tmp_path, "other") == {}
