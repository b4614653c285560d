from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.errors import DataError
from domainlm.mix.budget import concatenated, draft, facts, plan, rows_by_phase, shortage
from domainlm.mix.demand import by_size
from domainlm.specs.mix import MixSpec, ShareRule

TOKENS = {"law/acts": 30_001, "law/cases": 10_001, "web/pages": 90_001}


def planned(tokens=TOKENS, **fields):
    spec = MixSpec.model_validate({"name": "test", "budget_tokens": 100_000, **fields}, strict=False)
    return plan(spec, tokens, sequence_tokens=10, batch_rows=10, seed=0)


def shares(mix) -> dict[str, float]:
    return {source.name: source.rows / mix.rows for source in mix.sources}


HALF = {"law": 0.5, "web": 0.5}


def test_inside_a_domain_sources_share_by_size_by_a_power_of_it_or_as_is_said():
    assert shares(planned(token_ratio=HALF)) == {"law/acts": 0.375, "law/cases": 0.125, "web/pages": 0.5}
    # The square root of three to one.
    root = planned(token_ratio=HALF, inside={"law": {"rule": "temperature", "exponent": 0.5}})
    assert shares(root)["law/acts"] / shares(root)["law/cases"] == pytest.approx(3**0.5, rel=1e-3)
    equal = planned(token_ratio=HALF, inside={"law": {"rule": "temperature", "exponent": 0.0}})
    assert shares(equal) == {"law/acts": 0.25, "law/cases": 0.25, "web/pages": 0.5}
    said = planned(
        token_ratio=HALF, inside={"law": {"rule": "source_ratio", "source_ratio": {"cases": 0.1, "acts": 0.9}}}
    )
    assert shares(said) == {"law/acts": 0.45, "law/cases": 0.05, "web/pages": 0.5}
    only = planned(token_ratio=HALF, inside={"law": {"rule": "source_ratio", "source_ratio": {"acts": 1.0}}})
    assert shares(only) == {"law/acts": 0.5, "web/pages": 0.5}
    assert dict(only.left_out) == {"law/cases": 10_001}


def test_between_domains_size_decides_where_no_ratio_is_given():
    mix = planned(between={"rule": "proportional"})
    assert shares(mix) == pytest.approx({"law/acts": 3 / 13, "law/cases": 1 / 13, "web/pages": 9 / 13}, abs=1e-4)


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 10**12), min_size=1), st.floats(0, 1))
def test_a_temperature_lies_between_equal_shares_and_proportional_ones(sizes, exponent):
    got = by_size(ShareRule(rule="temperature", exponent=exponent), sizes)
    assert sum(got.values()) == 1
    by_tokens = {name: Fraction(size, sum(sizes.values())) for name, size in sizes.items()}
    largest, smallest = max(sizes, key=sizes.__getitem__), min(sizes, key=sizes.__getitem__)
    assert Fraction(1, len(sizes)) - Fraction(1, 10**9) <= got[largest] <= by_tokens[largest] + Fraction(1, 10**9)
    assert by_tokens[smallest] - Fraction(1, 10**9) <= got[smallest] <= Fraction(1, len(sizes)) + Fraction(1, 10**9)


def test_a_source_that_is_to_give_and_has_no_row_is_refused_by_name():
    with pytest.raises(DataError, match=r"law/notes is to give 50.0% of law, but has no row of 10 tokens"):
        inside = {"law": {"rule": "source_ratio", "source_ratio": {"acts": 0.5, "notes": 0.5}}}
        planned({**TOKENS, "law/notes": 5}, token_ratio=HALF, inside=inside)


def test_a_cap_of_its_own_holds_for_a_source_and_the_rest_keep_the_mix_s():
    fields = {"token_ratio": HALF, "max_epochs_of": {"law": {"cases": 1.0}}}
    with pytest.raises(DataError) as refused:
        planned(**fields)
    assert str(refused.value).startswith(
        "mix test: law/cases: 12,500 tokens wanted (12.5% of 100,000), "
        "but 10,000 on disk x 1 epoch: 2,500 are missing.\n"
    )
    assert "raise `max_epochs` and `max_epochs_of` to 1.25." in str(refused.value)
    assert planned(**fields | {"max_epochs_of": {"law": {"cases": 1.25}}}).rows == 10_000


def test_what_a_small_source_lacks_comes_from_those_named_in_their_order_up_to_their_caps():
    fields = {"token_ratio": {"law": 0.9, "web": 0.1}, "max_epochs": 1.0, "when_short": "refill"}
    # Law has 40,000 of the 90,000 that are asked of it; web can give 80,000 more.
    mix = planned(**fields, refill_from=["web/pages"])
    assert sum(source.rows for source in mix.sources) == mix.rows == 10_000
    assert all(source.missing_rows == 0 and source.epochs <= 1 for source in mix.sources)
    epochs = {source.name: source.epochs for source in mix.sources}
    assert epochs["law/acts"] == pytest.approx(1, abs=0.002) and epochs["law/cases"] == pytest.approx(1, abs=0.005)
    asked, got = facts(mix)["token_ratio"], facts(mix)["realised_ratio"]
    assert asked == {"law": 0.9, "web": 0.1} and got["web"] == pytest.approx(0.6, abs=0.001)
    both = planned({**TOKENS, "books/old": 20_001}, **fields, refill_from=["books/old", "web/pages"])
    assert {s.name: s.rows for s in both.sources}["books/old"] == pytest.approx(2000, abs=5)


def test_a_refill_that_is_not_enough_is_refused_with_what_is_missing():
    fields = {"token_ratio": {"law": 1.0}, "max_epochs": 1.0, "when_short": "refill", "refill_from": ["web/pages"]}
    with pytest.raises(DataError, match=r"`refill_from` has no more to give") as refused:
        planned(**fields, budget_tokens=200_000)
    assert "are missing" in str(refused.value)


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(["law/a", "law/b", "web/a", "web/b"]), st.integers(10, 400), min_size=4, max_size=4
    ),
    st.integers(1, 99),
    st.integers(100, 8000),
    st.sampled_from([0.5, 1.0, 1.3, 4.0]),
)
def test_a_refilled_mix_keeps_every_cap_and_every_row(rows, percent, budget_tokens, max_epochs):
    tokens = {name: count * 10 + 1 for name, count in rows.items()}
    fields = {"token_ratio": {"law": percent / 100, "web": 1 - percent / 100}, "max_epochs": max_epochs}
    try:
        mix = planned(tokens, **fields, budget_tokens=budget_tokens, when_short="refill", refill_from=sorted(tokens))
    except DataError:
        # Refused only where all the sources together hardly have enough: a schedule needs three rows to spare a source.
        assert budget_tokens > 10 * (sum(int(max_epochs * count) for count in rows.values()) - 4 * 4 * 2)
    else:
        assert sum(source.rows for source in mix.sources) == mix.rows
        assert all(source.rows <= source.cap_rows for source in mix.sources)


PHASES = [
    {"name": "replay", "token_ratio": {"law": 0.2, "web": 0.8}, "budget_tokens": 60_000},
    {
        "name": "anneal",
        "token_ratio": {"law": 0.9, "web": 0.1},
        "budget_tokens": 20_000,
        "inside": {"law": {"rule": "source_ratio", "source_ratio": {"cases": 1.0}}},
    },
]


def test_phases_follow_one_another_each_with_its_own_ratio_and_sources():
    spec = MixSpec.model_validate({"name": "test", "phases": PHASES}, strict=False)
    mix = plan(spec, TOKENS, sequence_tokens=10, batch_rows=10, seed=0)
    assert rows_by_phase(mix) == [
        {"law/acts": 900, "law/cases": 300, "web/pages": 4800},
        {"law/cases": 1800, "web/pages": 200},
    ]
    told = facts(mix)
    assert [phase["realised_ratio"] for phase in told["phases"]] == [{"law": 0.2, "web": 0.8}, {"law": 0.9, "web": 0.1}]
    assert told["token_ratio"] == {"law": 0.375, "web": 0.625} == told["realised_ratio"]


def test_a_floor_of_replay_holds_in_every_phase_also_after_refilling():
    def with_floor(floor, **more):
        spec = MixSpec.model_validate(
            {"name": "test", "phases": PHASES, "min_replay": {"web": floor}, **more}, strict=False
        )
        return plan(spec, TOKENS, sequence_tokens=10, batch_rows=10, seed=0)

    assert with_floor(0.1).rows == 8000
    with pytest.raises(DataError, match=r"phase anneal has 10.00% of web, below the floor of 11.00% in `min_replay`"):
        with_floor(0.11)
    short = {"max_epochs_of": {"web": {"pages": 0.1}}, "when_short": "refill", "refill_from": ["law/acts"]}
    with pytest.raises(DataError, match=r"after refilling, phase replay has 14.\d+% of web, below the floor of 15.00%"):
        with_floor(0.15, phases=[PHASES[0]], **short)


def test_a_draft_says_what_is_missing_and_does_not_refuse():
    spec = MixSpec(name="test", token_ratio={"law": 1.0}, budget_tokens=50_000, max_epochs=1.0)
    mix = draft(spec, concatenated(TOKENS, 10), TOKENS, sequence_tokens=10, batch_rows=10, seed=0)
    assert {source.name: source.missing_rows for source in mix.sources} == {"law/acts": 750, "law/cases": 250}
    assert "7,500 are missing" in shortage(spec, mix)
