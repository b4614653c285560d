"""The spec of a sweep: small models trained at several ratios, from which the ratio of a large one is predicted."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Self

from pydantic import Field, model_validator

from domainlm.specs.recipe import RecipeSpec
from domainlm.specs.run import ModelSpec
from domainlm.specs.spec import Mistake, Name, Positive, Share, Spec
from domainlm.specs.units import Amount

LEAST_SHARES = 4
"""The term of the law in the share has three constants, and the loss without it is a fourth."""


class TargetSpec(Spec):
    """The training that the ratio is wanted for."""

    parameters: Amount | None = Field(default=None, examples=["1B"])
    """Of its model, embeddings included; those of the largest proxy where nothing is said."""
    tokens: Amount | None = Field(default=None, examples=["2B"])
    """That it is trained on; the longest budget of the sweep where nothing is said."""


class SweepSpec(Spec):
    """Proxies at each share of a domain, budget and size; a law fitted to them; the share that it recommends."""

    name: Name = Field(examples=["law"])
    """The file has the same name."""
    description: str = ""
    """What is to be found out, in a sentence."""
    run: Name = Field(examples=["demo"])
    """A file of `data_specs/runs`: its text, tokenizer, seed and held-out documents, and what it has made of them."""
    mix: Name = Field(examples=["demo-legal-51"])
    """A file of `data_specs/mixes`, with one `token_ratio`: all of it but the share and the budget is as it says."""
    domain: Name = Field(examples=["legal"])
    """Of the mix: gets the share that varies. The others share what is left as they do in the mix."""
    domain_shares: Annotated[tuple[Share, ...], Field(min_length=LEAST_SHARES)] = Field(
        examples=[[0.0, 0.25, 0.5, 0.75, 1.0]]
    )
    """Shares of the domain that are tried, four at least. Those near 0 and 1 tell most."""
    budget_tokens: Annotated[tuple[Amount, ...], Field(min_length=1)] = Field(examples=[["100k", "200k"]])
    """Tokens that a proxy is trained on: each share is tried with each. One says nothing of longer trainings."""
    proxies: Annotated[tuple[Name, ...], Field(min_length=1)] = Field(examples=[["base"]])
    """What the proxies start from: models of the run, or of `models`. One size says nothing of larger ones."""
    recipe: Name = Field(examples=["continue"])
    """How a proxy is trained: a key of the run's `recipes`, or of `recipes`. As many train at once as there is room
    for: with `parallel: {strategy: single}` one a GPU, or one a core where there is no GPU."""
    recipes: dict[Name, RecipeSpec] = Field(default_factory=dict)
    """More ways of training than the run has."""
    models: dict[Name, ModelSpec] = Field(default_factory=dict)
    """More models than the run has, to start proxies from."""
    general_tolerance: Annotated[float, Field(ge=0, le=1)] = 0.01
    """By how much the bits per byte of general text may rise over those before adaptation: 0.01 is one percent."""
    target: TargetSpec = TargetSpec()
    """What is wanted: the largest proxy and the longest budget of the sweep where nothing is said."""
    bootstrap_samples: Positive = 300
    """Refits behind the bands: to other held-out documents, and other errors of the fit."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for key in ("domain_shares", "budget_tokens", "proxies"):
            values = getattr(self, key)
            value, times = Counter(values).most_common(1)[0]
            if times > 1:
                changes = {key: list(dict.fromkeys(values))}
                raise Mistake(key, got=f"{value} {times} times", want="each once", changes=changes)
        return self

    @model_validator(mode="after")
    def _the_target_is_in_sight(self) -> Self:
        seen = {"parameters": ("proxies", "sizes"), "tokens": ("budget_tokens", "budgets")}
        for key, (of, plural) in seen.items():
            if getattr(self.target, key) is not None and len(getattr(self, of)) < 2:
                want = f"nothing, or two {plural} in `{of}`: one says nothing of others"
                fix = f"delete `{key}` in `target`, or add to `{of}`"
                raise Mistake("target", got=f"{key}: {getattr(self.target, key)}", want=want, fix=fix)
        return self

    @property
    def grid(self) -> dict[str, tuple[str, float, int]]:
        """Start, share of the domain and tokens of each proxy, by its name."""
        return {
            f"{start}-{share:g}-{_short(tokens)}": (start, share, tokens)
            for start in self.proxies
            for tokens in self.budget_tokens
            for share in self.domain_shares
        }

    def mix_name(self, share: float, tokens: int) -> str:
        """What the mix of proxies with that share and budget is called."""
        return f"{self.domain}-{share:g}-{_short(tokens)}"


def _short(tokens: int) -> str:
    """Tokens in a name.

    >>> _short(250_000), _short(2_000_000_000), _short(4096)
    ('250k', '2b', '4096')
    """
    for scale, letter in ((10**9, "b"), (10**6, "m"), (10**3, "k")):
        if tokens % scale == 0:
            return f"{tokens // scale}{letter}"
    return str(tokens)
