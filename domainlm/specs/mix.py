"""The spec of a mix: which share of the training tokens comes from where, when, and what to do where that lacks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from domainlm.specs.license import License
from domainlm.specs.ratio import Ratio
from domainlm.specs.spec import Mistake, Name, PositiveFloat, Share, Spec
from domainlm.specs.units import Amount

SomeRatio = Annotated[Ratio, Field(min_length=1)]


Exponent = Annotated[float, Field(ge=0, le=1)] | None


class ShareRule(Spec):
    """Shares of domains from their sizes: in proportion to tokens, or to a power of them."""

    rule: Literal["proportional", "temperature"] = "proportional"
    """`proportional`: to the tokens on disk. `temperature`: to tokens to the power of `exponent`."""
    exponent: Exponent = None
    """Of `temperature`, from 0 (all the same) to 1 (proportional): 0.7 in mBERT, 0.3 in XLM-R and mT5; T5 writes it as
    1/T (arXiv:1910.10683, section 3.5.2)."""

    @model_validator(mode="after")
    def _exponent_fits(self) -> Self:
        _check_exponent(self.rule, self.exponent)
        return self


class InsideSpec(Spec):
    """How the sources of a domain share its part."""

    rule: Literal["proportional", "temperature", "source_ratio"] = "proportional"
    """`proportional`: to the tokens on disk. `temperature`: to tokens to the power of `exponent`. `source_ratio`: as it
    says."""
    exponent: Exponent = None
    """Of `temperature`, from 0 (all the same) to 1 (proportional): 0.7 in mBERT, 0.3 in XLM-R and mT5; T5 writes it as
    1/T (arXiv:1910.10683, section 3.5.2)."""
    source_ratio: SomeRatio = Field(default_factory=dict, examples=[{"documents": 1.0}])
    """Share of the domain's tokens from each of its sources; they sum to 1, and a source without one gives none."""

    @model_validator(mode="after")
    def _rule_fits(self) -> Self:
        if self.rule == "source_ratio" and not self.source_ratio:
            fix = "add a line such as `source_ratio: {documents: 1.0}`"
            raise Mistake("source_ratio", got="nothing", want="a share of each source", fix=fix)
        if self.rule != "source_ratio" and self.source_ratio:
            raise Mistake("rule", got=self.rule, want="source_ratio, which is given", changes={"rule": "source_ratio"})
        _check_exponent(self.rule, self.exponent)
        return self


def _check_exponent(rule: str, exponent: float | None) -> None:
    if rule == "temperature" and exponent is None:
        want = "the power of the tokens that shares are in proportion to, from 0 to 1"
        raise Mistake("exponent", got="nothing", want=want, changes={"exponent": 0.3})
    if rule != "temperature" and exponent is not None:
        raise Mistake("rule", got=rule, want="temperature, with an exponent", changes={"rule": "temperature"})


class PhaseSpec(Spec):
    """A stretch of training with its own ratio."""

    name: Name = Field(examples=["replay"])
    """What reports call it."""
    token_ratio: SomeRatio = Field(default_factory=dict, examples=[{"general": 1.0}])
    """Share of the phase's tokens from each domain; the shares sum to 1."""
    between: ShareRule | None = Field(default=None, examples=[{"rule": "proportional"}])
    """In place of `token_ratio`: all domains share by their sizes."""
    inside: dict[Name, InsideSpec] = Field(default_factory=dict, examples=[{"general": {"rule": "proportional"}}])
    """How the sources of a domain share its part in this phase; others share as the mix says."""
    budget_tokens: Amount = Field(examples=["100M"])
    """Training tokens of the phase."""

    @model_validator(mode="after")
    def _one_ratio(self) -> Self:
        _check_ratio(self.token_ratio, self.between, self.inside)
        return self


class MixSpec(Spec):
    """Shares of tokens by domain, and inside a domain by source: one ratio for all of training, or one a phase."""

    name: Name = Field(examples=["law"])
    """The file has the same name."""
    description: str = ""
    """What the mix is for, in a sentence."""
    token_ratio: SomeRatio = Field(default_factory=dict, examples=[{"general": 1.0}])
    """Share of the training tokens from each domain; the shares sum to 1."""
    between: ShareRule | None = Field(default=None, examples=[{"rule": "proportional"}])
    """In place of `token_ratio`: all domains share by their sizes."""
    inside: dict[Name, InsideSpec] = Field(default_factory=dict, examples=[{"general": {"rule": "proportional"}}])
    """How the sources of a domain share its part; without it, in proportion to their tokens."""
    budget_tokens: Amount = Field(default=0, examples=["1B"])
    """Training tokens in all. Padding, where `packing` makes any, is counted: it is paid for as well."""
    phases: tuple[PhaseSpec, ...] = Field(
        default=(), examples=[[{"name": "replay", "token_ratio": {"general": 1.0}, "budget_tokens": "100M"}]]
    )
    """In place of `token_ratio` and `budget_tokens`: stretches of training one after the other, each with its own."""
    max_epochs: PositiveFloat = 4.0
    """Most often that a token may be repeated (four epochs are nearly as good as new data: arXiv:2305.16264)."""
    max_epochs_of: dict[Name, dict[Name, PositiveFloat]] = Field(
        default_factory=dict, examples=[{"general": {"documents": 1.0}}]
    )
    """By domain and source: other caps than `max_epochs`."""
    when_short: Literal["refuse", "refill"] = "refuse"
    """Where a source is too small for its share within its cap. `refuse`: the mix is not made, and the arithmetic is
    shown. `refill`: the source gives all that its cap allows, and `refill_from` gives the rest."""
    refill_from: tuple[str, ...] = Field(default=(), examples=[["general/documents"]])
    """`domain/source`, in order: each gives what its own cap allows, before the next is asked."""
    min_replay: dict[Name, Share] = Field(default_factory=dict, examples=[{"general": 0.05}])
    """By domain: no phase may have less of it. Against forgetting, 1 to 5% of what the model was made of does much
    (arXiv:2403.08763)."""
    licenses: tuple[License, ...] | None = Field(default=None, examples=[["CC-BY-4.0"]])
    """SPDX identifiers of the licences that sources may have, or names of your own that begin with `LicenseRef-`;
    without it, any."""
    seed: int | None = None
    """From it comes the order of rows; without it, from the run's."""
    packing: Literal["concat", "best_fit"] = "concat"
    """How documents become rows. `concat`: one after the other, cut where a row is full. `best_fit`: no document
    shorter than a row is cut, and rows are padded (arXiv:2404.10830)."""
    sizes: dict[Name, dict[Name, Amount]] = Field(default_factory=dict, examples=[{"general": {"documents": "10B"}}])
    """Tokens by domain and source, for `domainlm mix plan` before there are any."""

    @model_validator(mode="after")
    def _one_plan(self) -> Self:
        if not self.phases:
            _check_ratio(self.token_ratio, self.between, self.inside)
            if not self.budget_tokens:
                fix = "add a line such as `budget_tokens: 1B`"
                want = "a whole number of at least 1, such as 300k or 2.5B"
                raise Mistake("budget_tokens", got="nothing", want=want, fix=fix, changes={"budget_tokens": 10**9})
        else:
            for key in ("token_ratio", "between", "budget_tokens"):
                if getattr(self, key):
                    raise Mistake(
                        key, got="given beside `phases`", want="only those of each phase", fix=f"delete `{key}`"
                    )
        return self

    @model_validator(mode="after")
    def _refill_is_named(self) -> Self:
        if self.when_short == "refill" and not self.refill_from:
            fix = "add a line such as `refill_from: [general/documents]`"
            raise Mistake("refill_from", got="nothing", want="sources that give what others lack", fix=fix)
        if self.when_short == "refuse" and self.refill_from:
            want = "refill, as `refill_from` is given"
            raise Mistake("when_short", got="refuse", want=want, changes={"when_short": "refill"})
        return self

    @property
    def stretches(self) -> tuple[PhaseSpec, ...]:
        """The phases; a mix with one ratio has one of its own name."""
        if self.phases:
            return self.phases
        fields: dict[str, Any] = {key: getattr(self, key) for key in ("name", "between", "inside", "budget_tokens")}
        if self.token_ratio:
            fields["token_ratio"] = self.token_ratio
        return (PhaseSpec(**fields),)

    @property
    def total_tokens(self) -> int:
        """Training tokens of all phases."""
        return sum(phase.budget_tokens for phase in self.stretches)

    @property
    def domains(self) -> list[str]:
        """The domains that ratios and sizes name, those with a share of 0 included."""
        named = [name for phase in self.stretches for name in phase.token_ratio]
        return list(dict.fromkeys([*named, *self.sizes]))

    @property
    def shared_domains(self) -> set[str]:
        """The domains that have a share in some phase, as far as the spec alone tells."""
        by_size = set(self.sizes) if any(phase.between for phase in self.stretches) else set()
        return by_size | {n for phase in self.stretches for n, share in phase.token_ratio.items() if share > 0}

    def taken_from(self, known: Iterable[str]) -> set[str]:
        """The domains that text is taken from: where some phase shares by size, all that are `known`."""
        return set(known) if any(phase.between for phase in self.stretches) else self.shared_domains

    def cap(self, name: str) -> float:
        """Most epochs of the source `domain/source`."""
        domain, _, source = name.partition("/")
        return self.max_epochs_of.get(domain, {}).get(source, self.max_epochs)


def _check_ratio(ratio: dict[str, float], between: ShareRule | None, inside: dict[str, InsideSpec]) -> None:
    if not ratio and between is None:
        fix = "add a line such as `token_ratio: {general: 1.0}`"
        want = "a mapping of at least one name, each to a number from 0 to 1"
        raise Mistake("token_ratio", got="nothing", want=want, fix=fix, changes={"token_ratio": {"general": 1.0}})
    if ratio and between is not None:
        raise Mistake("between", got="beside `token_ratio`", want="one of them", fix="delete `between`")
    for name in inside if ratio else ():
        if not ratio.get(name):
            want, fix = "domains that `token_ratio` gives a share to", f"delete `{name}`, or give it a share"
            raise Mistake("inside", got=f"{name}, which has no share", want=want, fix=fix)
