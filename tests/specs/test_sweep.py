"""A sweep is a run of proxies, and each mistake in it is told in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainlm import pipeline
from domainlm.specs.project import check, load_run

SWEEP = Path("data_specs/sweeps/try.yaml")
TEXT = """\
name: try
run: trial
mix: law-51
domain: law
domain_shares: [0.0, 0.25, 0.5, 1.0]
budget_tokens: [8k, 16k]
proxies:
  - base
  - wide
recipe: adapt
recipes:
  adapt:
    sequence_tokens: 256
    batch_tokens: 4096
    schedule: {peak: 1e-3}
    parallel: {strategy: single}
models:
  wide:
    architecture:
      {family: llama, hidden_size: 256, intermediate_size: 704, num_layers: 4, num_heads: 4, max_position: 256}
    mix: plain-all
    recipe: make
"""


@pytest.fixture
def sweep(project: Path) -> Path:
    SWEEP.parent.mkdir()
    SWEEP.write_text(TEXT, encoding="utf-8")
    return SWEEP


def test_a_sweep_is_a_run_whose_models_are_the_proxies_and_what_they_start_from(sweep: Path) -> None:
    assert check(sweep) == []
    run = load_run(sweep)
    assert run.sweep is not None
    assert list(run.spec.models)[:3] == ["base", "wide", "base-0-8k"] and len(run.spec.models) == 2 + 16
    one = run.spec.models["wide-0.25-16k"]
    assert (one.start, one.mix, one.recipe) == ("wide", "law-0.25-16k", "adapt")
    assert run.mixes["law-0.25-16k"].token_ratio == {"law": 0.25, "plain": 0.75}
    # All else is as in the mix that the sweep names.
    assert run.mixes["law-0.25-16k"].max_epochs == run.mixes["law-1-8k"].max_epochs == 4
    assert run.spec.evaluate.suites == ()


def test_a_sweep_has_the_stages_of_a_run_and_shares_those_that_are_the_same(sweep: Path) -> None:
    run, of = load_run(Path("data_specs/runs/trial.yaml")), load_run(sweep)
    ids = [stage.id for stage in pipeline.stages(of)]
    assert ids[-1] == "sweep" and {"report", "compare"}.isdisjoint(ids)
    for stage in pipeline.stages(run):
        if stage.kind in ("read", "mix") and stage.id in ids:
            finished = dict.fromkeys(stage.needs, _Made())
            assert pipeline.request(run, stage, finished) == pipeline.request(of, stage, finished)  # type: ignore


class _Made:
    def digest(self) -> str:
        return "made"


MISTAKES = [
    (
        "run: trial",
        "run: trail",
        "data_specs/sweeps/try.yaml:2:6: run\n  got:  trail\n  want: one of trial\n  fix:  write `run: trial`",
    ),
    (
        "mix: law-51",
        "mix: law-15",
        "data_specs/sweeps/try.yaml:3:6: mix\n  got:  law-15\n  want: one of law-51, plain-all\n"
        "  fix:  write `mix: law-51`",
    ),
    (
        "domain: law\n",
        "domain: laws\n",
        "data_specs/sweeps/try.yaml:4:9: domain\n  got:  laws\n"
        "  want: one of law, plain, the domains of the mix law-51, beside another one with a share\n"
        "  fix:  write `domain: law`",
    ),
    (
        "[0.0, 0.25, 0.5, 1.0]",
        "[0.0, 0.25, 0.5, 0.5, 1.0]",
        "data_specs/sweeps/try.yaml:5:16: domain_shares\n  got:  0.5 2 times\n  want: each once\n"
        "  fix:  write `domain_shares: [0.0, 0.25, 0.5, 1.0]`",
    ),
    (
        "  - wide\n",
        "  - wider\n",
        "data_specs/sweeps/try.yaml:9:5: proxies.1\n  got:  wider\n  want: one of adapted, base, wide\n"
        "  fix:  write `- wide`",
    ),
    (
        "recipe: adapt\n",
        "recipe: adept\n",
        "data_specs/sweeps/try.yaml:10:9: recipe\n  got:  adept\n  want: one of adapt, make\n"
        "  fix:  write `recipe: adapt`",
    ),
    (
        "[8k, 16k]",
        "[1k, 16k]",
        "data_specs/sweeps/try.yaml:6:17: budget_tokens.0\n  got:  1000\n"
        "  want: at least one batch of adapt: 4096 tokens\n  fix:  write `- 4096`",
    ),
    (
        "    sequence_tokens: 256\n",
        "    sequence_tokens: 512\n",
        "data_specs/sweeps/try.yaml:13:22: recipes.adapt.sequence_tokens\n  got:  512\n"
        "  want: at most 256, the `max_position` of base\n  fix:  write `sequence_tokens: 256`",
    ),
    (
        "models:\n  wide:",
        "models:\n  base:",
        "data_specs/sweeps/try.yaml:18:3: models.base\n  got:  base\n"
        "  want: a name that models of the run trial and the proxies do not have\n  fix:  rename it to `base-proxy`",
    ),
]


@pytest.mark.parametrize(("old", "new", "told"), MISTAKES, ids=[new.split()[0] for _, new, _ in MISTAKES])
def test_a_mistake_is_named_in_its_place(sweep: Path, problems_of, old: str, new: str, told: str) -> None:
    sweep.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    assert told in [str(problem) for problem in problems_of(sweep)]


def test_a_target_that_the_design_says_nothing_of_is_told(sweep: Path, problems_of) -> None:
    sweep.write_text(TEXT.replace("[8k, 16k]", "[8k]") + "target: {tokens: 1B}\n", encoding="utf-8")
    (problem,) = problems_of(sweep)
    assert problem.key == "target" and problem.want.startswith("nothing, or two budgets in `budget_tokens`")


def test_shares_keep_to_the_floors_of_the_mix(sweep: Path, edit, problems_of) -> None:
    edit("mixes/law-51", "max_epochs: 4", "min_replay: {plain: 0.1}")
    (problem,) = problems_of(sweep)
    assert (problem.key, problem.got, problem.fix) == ("domain_shares.3", "1, which leaves plain 0", "delete `1`")
    assert problem.want == "at least 0.1 of plain: `min_replay` of the mix law-51"


def test_what_is_wrong_in_the_run_is_told_in_the_runs_file(sweep: Path, edit, problems_of) -> None:
    edit("runs/trial", "peak: 1e-3", "peak: fast")
    assert [problem.file for problem in problems_of(sweep)] == ["data_specs/runs/trial.yaml"]
