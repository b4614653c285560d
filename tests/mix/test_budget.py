from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.errors import DataError
from domainlm.mix.budget import plan
from domainlm.specs.mix import MixSpec


def spec_of(budget_tokens: int, max_epochs: float = 4.0, **token_ratio: float) -> MixSpec:
    return MixSpec(name="test", token_ratio=token_ratio, budget_tokens=budget_tokens, max_epochs=max_epochs)


def planned(spec: MixSpec, tokens: dict[str, int], sequence_tokens: int = 10, batch_rows: int = 10):
    return plan(spec, tokens, sequence_tokens=sequence_tokens, batch_rows=batch_rows, seed=0)


def test_a_decimal_ratio_is_met_exactly():
    mix = planned(spec_of(100_000, law=0.51, web=0.49), {"law/acts": 30_001, "web/pages": 90_001})
    assert dict(mix.phases[0].parts) == {"law/acts": 51, "web/pages": 49}
    assert {source.name: source.rows for source in mix.sources} == {"law/acts": 5100, "web/pages": 4900}


def test_sources_share_their_domains_part_by_rows_on_disk():
    mix = planned(spec_of(10_000, law=0.5, web=0.5), {"law/acts": 3001, "law/cases": 1001, "web/pages": 9001})
    assert [(source.rows_on_disk, source.rows) for source in mix.sources] == [(300, 375), (100, 125), (900, 500)]


def test_rows_are_whole_batches_and_the_rest_is_reported():
    mix = planned(spec_of(1999, law=1.0), {"law/acts": 1018, "law/note": 10, "web/pages": 500})
    assert mix.rows == 190
    (acts,) = mix.sources
    # 101 rows of 10 and the last target are 1,011 tokens; ten tokens are no row, because a row needs the one after it.
    assert (acts.rows_on_disk, acts.tokens_on_disk - acts.tokens_in_rows) == (101, 8)
    assert dict(mix.left_out) == {"law/note": 10, "web/pages": 500}


def test_too_small_a_source_is_refused_with_the_arithmetic_and_a_fix():
    tokens = {"law/acts": 401, "web/pages": 5001}
    with pytest.raises(DataError) as refused:
        planned(spec_of(1000, max_epochs=1.0, law=0.8, web=0.2), tokens)
    assert str(refused.value) == (
        "mix test: law/acts: 800 tokens wanted (80.0% of 1,000), but 400 on disk x 1 epoch: 400 are missing.\n"
        "Others have more: `when_short: refill` with `refill_from: [web/pages]` takes it from there.\n"
        "Lower `budget_tokens` to 500, or raise `max_epochs` to 2.00."
    )
    assert planned(spec_of(500, max_epochs=1.0, law=0.8, web=0.2), tokens).rows == 50
    assert planned(spec_of(1000, max_epochs=2.0, law=0.8, web=0.2), tokens).rows == 100


@settings(deadline=None, max_examples=50)
@given(
    st.dictionaries(st.sampled_from(["law/a", "law/b", "web/a", "web/b"]), st.integers(1, 500), min_size=1),
    st.integers(1, 99),
    st.integers(10, 20_000),
    st.floats(0.1, 5),
)
def test_what_a_refusal_proposes_is_then_accepted(rows, percent, budget_tokens, max_epochs):
    tokens = {name: count * 10 + 1 for name, count in rows.items()}
    ratio = {"law": percent / 100, "web": 1 - percent / 100}
    domains = {name.split("/")[0] for name in rows}
    ratio = ratio if domains == {"law", "web"} else {domain: 1.0 for domain in domains}
    try:
        mix = planned(spec_of(budget_tokens, max_epochs, **ratio), tokens, batch_rows=1)
    except DataError as refused:
        message = str(refused)
        raised = float(message.split("`max_epochs` to ")[1][:-1])
        planned(spec_of(budget_tokens, raised, **ratio), tokens, batch_rows=1)
        if "`budget_tokens` to " in message:
            lowered = int(message.split("`budget_tokens` to ")[1].split(",")[0])
            planned(spec_of(lowered, max_epochs, **ratio), tokens, batch_rows=1)
            with pytest.raises(DataError):
                planned(spec_of(lowered + 10, max_epochs, **ratio), tokens, batch_rows=1)
    else:
        assert all(source.epochs <= max_epochs for source in mix.sources)
        assert sum(source.rows for source in mix.sources) == mix.rows == budget_tokens // 10


def test_a_budget_below_one_batch_and_a_domain_without_a_row_are_refused():
    with pytest.raises(DataError, match=r"99 tokens are less than one batch .*\nRaise `budget_tokens` to 100 or more"):
        planned(spec_of(99, law=1.0), {"law/acts": 1000})
    with pytest.raises(DataError, match=r"web is to give 30.0% of the tokens, but no source of it has a row of 10"):
        planned(spec_of(1000, law=0.7, web=0.3), {"law/acts": 1000, "web/pages": 10})


def test_ratios_that_sum_to_one_but_for_the_last_digit_are_taken_in_proportion():
    mix = planned(spec_of(9000, a=0.3333333, b=0.3333333, c=0.3333333), {f"{d}/x": 10_000 for d in "abc"})
    assert list(mix.phases[0].parts.values()) == [1, 1, 1]


def test_the_mix_is_one_small_file_and_a_changed_ratio_writes_no_tokens(tokens_of, mix_of):
    tokens = tokens_of({"law/acts": [40, 41], "web/pages": [100, 200]})
    before = {path: path.stat().st_mtime_ns for path in tokens.folder.rglob("*")}
    facts = {}
    for law in (0.5, 0.75):
        mix = mix_of(spec_of(320, law=law, web=1 - law), tokens)
        assert [shard.path for shard in mix.shards] == ["mix.json"]
        facts[law] = mix.facts
    assert {path: path.stat().st_mtime_ns for path in tokens.folder.rglob("*")} == before
    assert facts[0.5]["realised_ratio"] == facts[0.5]["token_ratio"] == {"law": 0.5, "web": 0.5}
    assert facts[0.75]["sources"]["law/acts"] == {
        "domain": "law",
        "share": 0.75,
        "rows": 60,
        "tokens": 240,
        "rows_on_disk": 20,
        "tokens_on_disk": 81,
        "unused_tokens": 0,
        "epochs": 3.0,
    }
