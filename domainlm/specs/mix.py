"""The spec of a mix: which share of the training tokens comes from which domain."""

from __future__ import annotations

import math
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from domainlm.specs.spec import Name, PositiveFloat, Share, Spec
from domainlm.specs.units import Amount


def _sums_to_one(token_ratio: dict[str, float]) -> dict[str, float]:
    total = math.fsum(token_ratio.values())
    if abs(total - 1) > 1e-6:
        raise ValueError(f"ratios sum to {total:.6g}, not 1")
    return token_ratio


TokenRatio = Annotated[dict[Name, Share], Field(min_length=1), AfterValidator(_sums_to_one)]


class MixSpec(Spec):
    """Shares of tokens by domain; inside a domain, sources share in proportion to their tokens."""

    name: Name
    """The file has the same name."""
    description: str = ""
    """What the mix is for, in a sentence."""
    token_ratio: TokenRatio
    """Share of the training tokens from each domain; the shares sum to 1."""
    budget_tokens: Amount
    """Training tokens in all."""
    max_epochs: PositiveFloat = 4.0
    """Most often that a token may be repeated (four epochs are nearly as good as new data: arXiv:2305.16264)."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not any(share > 0 for share in self.token_ratio.values()):
            raise ValueError("no domain has a share over 0")
        return self
