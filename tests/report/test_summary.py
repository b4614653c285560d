"""The summary holds the numbers of the evaluations, and its sentences say what these numbers say."""

from __future__ import annotations

import io

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from domainlm.errors import DataError
from domainlm.report import corpus, lineage, table, training
from domainlm.report.scores import read_scores
from domainlm.report.wording import fixed
from tests.report.conftest import LEVELS, ReportOf

MIX, PURE = LEVELS["mix"], LEVELS["pure"]


def levels(mix: dict[str, float], pure: dict[str, float] | None = None) -> dict[str, dict[str, float]]:
    return {"base": dict(LEVELS["base"]), "mix": mix} | ({"pure": pure} if pure else {})


def test_every_number_is_the_inputs_number(report_of: ReportOf) -> None:
    report = report_of()
    results = {
        (name, r["suite"], r["task"], r["metric"]): r
        for name, made in report.inputs["evaluations"].items()
        for r in pq.read_table(made.only("results")).to_pylist()
        if not r["source"]
    }
    differences = {
        (r["adapted"], r["suite"], r["task"], r["metric"]): r
        for r in pq.read_table(report.inputs["comparison"].only("comparison")).to_pylist()
        if not r["source"]
    }
    seen = 0
    for row in report.summary["rows"]:
        for model, cell in row["cells"].items():
            key = (model, row["suite"], row["task"], row["metric"])
            assert {n: cell[n] for n in ("value", "low", "high", "num_items")}.items() <= results[key].items()
            assert ("compared" in cell) == (key in differences)
            if "compared" in cell:
                compared = {n: v for n, v in cell["compared"].items() if n != "outcome"}
                assert compared.items() <= differences[key].items()
            seen += 1
    assert seen == len(results) == 12


def test_measures_begin_with_general_and_models_keep_the_runs_order(report_of: ReportOf) -> None:
    summary = report_of().summary
    assert summary["columns"] == ["measure", "base", "mix", "pure"]
    assert [row["measure"] for row in summary["rows"]] == [
        "bits per byte, general",
        "bits per byte, legal",
        "acc, general_continuation",
        "acc, legal_continuation",
    ]


def test_verdict_tells_gain_loss_and_no_difference_apart(report_of: ReportOf) -> None:
    mix, pure, exchange, tasks = report_of().summary["verdicts"]
    assert mix == (
        "Against base, mix gains 0.687 bits per byte on legal (4.076 → 3.389, −16.9%) and shows no significant "
        "change on general (+0.011, p\u00a0=\u00a00.310)."
    )
    assert "pure gains 0.814 bits per byte on legal" in pure and "loses 0.559 bits per byte on general" in pure
    assert "mix (49% general) keeps 84% of its gain on legal (−0.687 against −0.814)" in exchange
    assert "avoids 98% of its loss on general (+0.011 against +0.559), its own change there being not" in exchange
    assert tasks.startswith("Of 4 paired comparisons on 2 tasks, 2 are significant gains, 1 is a significant loss")


@pytest.mark.parametrize(
    ("mix", "pure", "said"),
    [
        ({"legal": 4.3, "general": 2.875}, PURE, "mix loses 0.224 bits per byte on legal"),
        ({"legal": 4.3, "general": 2.875}, PURE, "keeps nothing of its gain on legal and loses there"),
        ({"legal": 4.07, "general": 2.875}, PURE, "shows no significant gain on legal, where pure has one"),
        (MIX, {"legal": 4.07, "general": 3.4}, "finds no significant gain of pure on legal to keep"),
        (MIX, {"legal": 3.262, "general": 2.88}, "finds no significant loss of pure on general to avoid"),
        ({"legal": 3.4, "general": 2.7}, PURE, "turns its loss on general into a gain"),
        ({"legal": 3.4, "general": 3.6}, PURE, "loses even more on general"),
        ({"legal": 3.4, "general": 3.0}, PURE, "avoids 78% of its loss on general (+0.125 against +0.559)."),
        (MIX, None, "mix gains 0.687 bits per byte on legal"),
    ],
)
def test_sentences_change_with_the_numbers(report_of: ReportOf, mix: dict, pure: dict | None, said: str) -> None:
    report = report_of(levels=levels(mix, pure))
    assert any(said in verdict for verdict in report.summary["verdicts"])
    assert said in report.page
    assert pure or not any("Next to" in verdict for verdict in report.summary["verdicts"])


def test_a_run_without_an_adapted_model_claims_no_gain(report_of: ReportOf) -> None:
    summary = report_of(levels={"base": LEVELS["base"]}, tasks=()).summary
    assert summary["verdicts"] == [
        "No model was adapted from another in this run, so nothing was gained or lost: these are levels only.",
        "No benchmark task was run: bits per byte is the only measure.",
    ]


def test_failed_tasks_are_shown_with_their_cause(report_of: ReportOf) -> None:
    report = report_of(failed={"mix": {"legal_continuation": "no answer in <4> items"}})
    assert report.summary["failed_tasks"] == {"mix": {"legal/legal_continuation": "no answer in <4> items"}}
    assert "no answer in &lt;4&gt; items" in report.page
    assert "1 evaluation of a task failed" in report.summary["verdicts"][-1]


def test_scores_that_guessing_explains_are_counted(report_of: ReportOf) -> None:
    assert "1 of 6 scores cannot be told from guessing: its 95% interval holds the chance level." in report_of().page


def test_a_comparison_of_what_no_evaluation_measured_is_refused(report_of: ReportOf) -> None:
    inputs = report_of().inputs
    alone = {name: made for name, made in inputs["evaluations"].items() if name != "pure"}
    with pytest.raises(DataError, match=r"comparison of base and pure has .*no evaluation has"):
        read_scores(inputs["run"], alone, inputs["comparison"], inputs["mixes"])


def test_terminal_table_holds_values_signs_and_verdicts(report_of: ReportOf) -> None:
    summary = report_of(title="[bold]title[/bold]").summary
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(table.render(summary))
    shown = console.export_text()
    assert "[bold]title[/bold]" in shown
    for expected in ("▲ −0.687", "▼ +0.559", "· +0.011", "44.0%", "▲ +13.0 pts", "lower is better", *LEVELS):
        assert expected in shown


def test_corpus_counts_add_up_and_say_so_only_then(report_of: ReportOf) -> None:
    sources = report_of().inputs["corpus"].counts["sources"]
    flows = corpus._flows(sources, corpus.drop_reasons(sources))
    for name, counts in sources.items():
        assert sum(row["docs"] for row in flows if row["source"] == name) == counts["read"]
        assert sum(row["share"] for row in flows if row["source"] == name) == pytest.approx(1)
    assert corpus._sentence(sources, corpus.drop_reasons(sources)).endswith("The counts of every source add up.")
    wrong = sources | {"legal/licenses": sources["legal/licenses"] | {"read": 7}}
    assert "legal/licenses do not add up" in corpus._sentence(wrong, corpus.drop_reasons(wrong))


@given(st.lists(st.floats(-1e3, 1e3), max_size=60), st.integers(1, 20))
def test_downsampling_keeps_the_number_of_points_low_and_the_ends_inside(values: list[float], points: int) -> None:
    means = training.downsample(values, points)
    assert len(means) <= points
    assert all(min(values) - 1e-9 <= mean <= max(values) + 1e-9 for mean in means)
    assert bool(means) == bool(values)


def test_lineage_joins_stages_by_digest_and_leaves_out_implied_arrows(report_of: ReportOf) -> None:
    inputs = report_of().inputs
    reads = inputs["reads"]
    manifests = [*reads.values(), inputs["corpus"], inputs["tokenizer"], inputs["tokens"], *inputs["mixes"].values()]
    nodes = [lineage.node(made) for made in manifests]
    links, outside = lineage.edges(nodes)
    assert ("corpus/demo", "tokens/demo") in links and ("tokens/demo", "mix/pure") in links
    assert {stage: set(names) for stage, names in outside.items()} == {
        f"read/{domain}": set(made.inputs) for domain, made in reads.items()
    }
    graph = lineage.graph(nodes, "this page")
    ends = {(route[0], route[-1]) for route in graph["routes"]}
    assert ("tokenizer/demo", "tokens/demo") in ends and ("corpus/demo", "tokens/demo") not in ends
    assert [[node for node in layer if node in graph["nodes"]] for layer in graph["layers"]][-1] == ["report"]


@given(st.floats(allow_nan=True, allow_infinity=True, width=32))
def test_numbers_never_show_a_negative_nought(value: float) -> None:
    assert fixed(value) not in ("−0.000", "-0.000") and "-" not in fixed(value)
