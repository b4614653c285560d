from pathlib import Path

from domainlm.plan.devices import device
from domainlm.plan.models import Task, registry, shortlist

MODELS = registry(Path(__file__).parents[2])


def task(**changes: object) -> Task:
    asked = {"text_bytes": 4 * 10**9, "device": device("A100-40GB"), "num_gpus": 8, "mfu": 0.4, "price_per_hour": 1.5}
    return Task(**(asked | changes))


def test_names_and_hub_names_are_unique():
    assert len({m.name for m in MODELS}) == len({m.hub for m in MODELS}) == len(MODELS) >= 12


def test_a_model_with_an_obstacle_stands_behind_all_that_will_do_and_says_why():
    ranked = shortlist(MODELS, task(licenses=("apache-2.0", "mit"), budget=200.0))
    will_do = [not c.obstacles for c in ranked]
    assert will_do == sorted(will_do, reverse=True) and any(will_do) and not all(will_do)
    why = {c.name: " and ".join(c.obstacles) for c in ranked}
    assert why["llama-3.1-8b"] == "its licence is llama3.1"
    assert "does not fit 8 x A100-40GB" in why["bloom"]
    assert why["gpt-neox-20b"].startswith("costs ") and why["gpt-neox-20b"].endswith(" over the budget")


def test_of_those_that_will_do_the_law_ranks_parameters_and_tokens_together():
    ranked = [c.name for c in shortlist(MODELS, task()) if not c.obstacles]
    # 8B parameters on 15T tokens before 20B on, as far as is known, 20 tokens for each.
    assert ranked.index("llama-3.1-8b") < ranked.index("gpt-neox-20b")
    assert ranked.index("smollm2-1.7b") < ranked.index("pythia-1.4b")


def test_a_measured_fertility_counts_in_tokens_and_in_bits_per_byte():
    def of(fertility: dict[str, float]):
        return next(c for c in shortlist(MODELS, task(bytes_per_token=fertility)) if c.name == "qwen2.5-7b")

    guessed, measured = of({}), of({"qwen2.5-7b": 5.0})
    assert (guessed.num_tokens, measured.num_tokens) == (10**9, 8 * 10**8)
    assert measured.cost < guessed.cost and measured.bits_per_byte < guessed.bits_per_byte
    assert guessed.guesses == ("4 bytes a token",) and measured.guesses == ()
