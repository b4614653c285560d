"""The spec of a mix: which share of the training tokens comes from which domain."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from domainlm.specs.ratio import Ratio
from domainlm.specs.spec import Name, PositiveFloat, Spec
from domainlm.specs.units import Amount


class MixSpec(Spec):
    """Shares of tokens by domain; inside a domain, sources share in proportion to their tokens."""

    name: Name = Field(examples=["law"])
    """The file has the same name."""
    description: str = ""
    """What the mix is for, in a sentence."""
    token_ratio: Annotated[Ratio, Field(min_length=1)] = Field(examples=[{"general": 1.0}])
    """Share of the training tokens from each domain; the shares sum to 1."""
    budget_tokens: Amount = Field(examples=["1B"])
    """Training tokens in all."""
    max_epochs: PositiveFloat = 4.0
    """Most often that a token may be repeated (four epochs are nearly as good as new data: arXiv:2305.16264)."""
