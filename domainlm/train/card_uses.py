"""The parts of a model card that say what the model is for, what can go wrong, and how it is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domainlm.train import card_data

if TYPE_CHECKING:
    from domainlm.train.card import About

_DIRECT = {
    "causal": "Continuing text, and scoring how likely a text is.",
    "masked": "Filling in masked tokens, and representing text.",
    "span_corruption": "Filling in missing spans of a text.",
}


def uses(about: About) -> list[str]:
    """What it is for, and what it is not for."""
    domains = ", ".join(about.domains)
    return [
        "## Uses",
        "",
        "### Direct Use",
        "",
        f"{_DIRECT[about.recipe.objective]} It is a base model: it was not tuned to follow instructions.",
        "",
        "### Downstream Use",
        "",
        f"Fine-tuning for tasks on text like its training text ({domains}), and as a base to compare others with.",
        "",
        "### Out-of-Scope Use",
        "",
        "Advice that people act on (legal, medical, financial or other) without a person who answers for it;",
        "statements of fact without a source; text in languages or domains that its training text does not have;",
        "finding out about, or making up statements of, real persons.",
        "",
    ]


def risks() -> list[str]:
    """What can go wrong, and what to do about it."""
    return [
        "## Bias, Risks, and Limitations",
        "",
        "The model repeats what its training text says, errors, opinions and stereotypes included, and writes what is",
        "false as fluently as what is true. Text of a domain is older than the model and does not know what changed",
        "since. It may have memorised passages, and what its sources say of persons, where they were not redacted.",
        "What it gained in its domain may have cost it elsewhere: see Evaluation.",
        "",
        "### Recommendations",
        "",
        "Judge it on text of your own that it was not trained on, look at what it lost as well as at what it gained,",
        "tune and filter it before people meet it, and keep a person in the loop where its text has consequences.",
        "",
    ]


def start(about: About) -> list[str]:
    """The lines that load it."""
    loader, task = card_data.LOADERS[about.recipe.objective]
    from_here = f'".", gguf_file="{about.gguf_name}"' if about.gguf_name else '"."'
    return [
        "## How to Get Started with the Model",
        "",
        "```python",
        f"from transformers import AutoTokenizer, {loader}",
        "",
        f"model = {loader}.from_pretrained({from_here})  # {task}",
        'tokenizer = AutoTokenizer.from_pretrained(".")',
        "```",
        "",
    ]
