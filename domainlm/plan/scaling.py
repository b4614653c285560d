"""What training costs in FLOPs, time and money, and how parameters and tokens best share it.

Kaplan: arXiv:2001.08361. Chinchilla: arXiv:2203.15556. Both speak of training from scratch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

PETAFLOP_S_DAY = 1e15 * 86_400
"""FLOPs in a petaflop/s-day: 8.64e19."""
TOKENS_PER_PARAMETER = 20
"""Chinchilla's rule of thumb: 70B parameters, 1.4T tokens."""


def petaflop_s_days(flops: float) -> float:
    """Days at 10^15 floating-point operations a second.

    GPT-3, 174.6B parameters and 300B tokens, is 3,640 of them in its paper (arXiv:2005.14165, table D.1):

    >>> round(petaflop_s_days(training_flops(174.6e9, 300e9)))
    3637
    """
    return flops / PETAFLOP_S_DAY


def training_flops(num_parameters: float, num_tokens: float, *, recompute: bool = False) -> float:
    """The estimate of C = 6 N D, or 8 N D where full activation checkpointing runs the forward pass twice."""
    return (8 if recompute else 6) * num_parameters * num_tokens


def gpu_hours(flops: float, peak_flops: float, mfu: float) -> float:
    """Hours of one GPU of `peak_flops` a second, of which the model's own work takes the share `mfu`."""
    return flops / (peak_flops * mfu) / 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """A parametric law of the loss in nats a token: L(N, D) = E + A / N^alpha + B / D^beta."""

    name: str
    irreducible: float
    parameter_factor: float
    token_factor: float
    alpha: float
    beta: float

    def loss(self, num_parameters: float, num_tokens: float) -> float:
        """Nats a token that `num_parameters` reach with `num_tokens`.

        >>> round(CHINCHILLA.loss(70e9, 1.4e12), 3)
        1.937
        """
        by_parameters = self.parameter_factor / num_parameters**self.alpha
        return self.irreducible + by_parameters + self.token_factor / num_tokens**self.beta

    def optimum(self, flops: float) -> tuple[float, float]:
        """(parameters, tokens) of least loss for 6 N D = `flops`: arXiv:2203.15556, equation 4."""
        total = self.alpha + self.beta
        ratio = (self.alpha * self.parameter_factor / (self.beta * self.token_factor)) ** (1 / total)
        return ratio * (flops / 6) ** (self.beta / total), (flops / 6) ** (self.alpha / total) / ratio


CHINCHILLA = Fit(
    name="Chinchilla, approach 3", irreducible=1.69, parameter_factor=406.4, token_factor=410.7, alpha=0.34, beta=0.28
)
"""arXiv:2203.15556, equation 10, as it is printed; its rounding moves the optimum by a good deal."""
REPLICATION = Fit(
    name="Chinchilla, fitted anew",
    irreducible=1.8172,
    parameter_factor=482.01,
    token_factor=2085.43,
    alpha=0.3478,
    beta=0.3658,
)
"""arXiv:2404.10102: the same data, fitted anew; it agrees with 20 tokens a parameter."""


def rule_optimum(flops: float, tokens_per_parameter: float = TOKENS_PER_PARAMETER) -> tuple[float, float]:
    """(parameters, tokens) for 6 N D = `flops` at so many tokens a parameter."""
    num_parameters = math.sqrt(flops / (6 * tokens_per_parameter))
    return num_parameters, tokens_per_parameter * num_parameters


def kaplan_loss(num_parameters: float, num_tokens: float) -> float:
    """Nats a token by arXiv:2001.08361, equation 1.5 with table 2; parameters without embeddings."""
    alpha_n, alpha_d = 0.076, 0.103
    by_parameters = (6.4e13 / num_parameters) ** (alpha_n / alpha_d)
    return (by_parameters + 1.8e13 / num_tokens) ** alpha_d


def kaplan_optimum(flops: float) -> tuple[float, float]:
    """(parameters, tokens) for the compute, by arXiv:2001.08361, table 6: N = 1.3e9 C^0.73, D = 2e10 C^0.27.

    C in petaflop/s-days, parameters without embeddings. Chinchilla found that this starves models of tokens.
    """
    days = petaflop_s_days(flops)
    return 1.3e9 * days**0.73, 2e10 * days**0.27


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What arXiv:2203.15556 says of a training."""

    tokens_per_parameter: float
    optimal_tokens: float
    """Twenty for each parameter."""
    best_parameters: float
    """For the same FLOPs, at twenty tokens for each."""
    best_tokens: float
    fit_parameters: float
    """For the same FLOPs, by the parametric fit."""
    fit_tokens: float
    loss: float
    """Nats a token, by the parametric fit; of another tokenizer and other text: a size, no promise."""
    sentence: str


def verdict(
    num_parameters: int, num_tokens: int, flops: float, *, from_scratch: bool, tokens_before: int | None = None
) -> Verdict:
    """What Chinchilla's laws say of so many parameters and tokens; `tokens_before`: what a base was trained on."""
    best_parameters, best_tokens = rule_optimum(flops)
    fit_parameters, fit_tokens = CHINCHILLA.optimum(flops)
    ratio = num_tokens / num_parameters
    if not from_scratch:
        sentence = f"{ratio:.2g} tokens a parameter, on top of {_before(num_parameters, num_tokens, tokens_before)}"
    elif ratio < TOKENS_PER_PARAMETER:
        sentence = f"{TOKENS_PER_PARAMETER / ratio:.2g} times fewer tokens than is best for its size."
    else:
        sentence = f"{ratio / TOKENS_PER_PARAMETER:.2g} times the tokens that are best for its size."
    return Verdict(
        tokens_per_parameter=ratio,
        optimal_tokens=TOKENS_PER_PARAMETER * num_parameters,
        best_parameters=best_parameters,
        best_tokens=best_tokens,
        fit_parameters=fit_parameters,
        fit_tokens=fit_tokens,
        loss=CHINCHILLA.loss(num_parameters, num_tokens),
        sentence=sentence,
    )


def _before(num_parameters: int, num_tokens: int, tokens_before: int | None) -> str:
    if not tokens_before:
        return "what it was trained on; the law is for training anew."
    losses = [CHINCHILLA.loss(num_parameters, tokens) for tokens in (tokens_before, tokens_before + num_tokens)]
    each = round(tokens_before / num_parameters, 1)
    return (
        f"{each:,g} before: were all text alike, {losses[0]:.3f} nats a token would become {losses[1]:.3f}, "
        "so that what is gained is the domain's; the law is for training anew."
    )


LAWS = (kaplan_optimum, rule_optimum, CHINCHILLA.optimum, REPLICATION.optimum)
"""(parameters, tokens) that are best for so many FLOPs: Kaplan, 20 tokens a parameter, parametric fit, fitted anew."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """A model of the literature and what it was trained on."""

    name: str
    num_parameters: float
    num_tokens: float
    source: str

    @property
    def optimal_tokens(self) -> float:
        return TOKENS_PER_PARAMETER * self.num_parameters

    @property
    def flops(self) -> float:
        return training_flops(self.num_parameters, self.num_tokens)


LITERATURE = (
    Trained(name="Chinchilla", num_parameters=70e9, num_tokens=1.4e12, source="arXiv:2203.15556"),
    Trained(name="LLaMA-65B", num_parameters=65e9, num_tokens=1.4e12, source="arXiv:2302.13971"),
    Trained(name="GPT-3", num_parameters=175e9, num_tokens=300e9, source="arXiv:2005.14165"),
    Trained(name="OPT-175B", num_parameters=175e9, num_tokens=180e9, source="arXiv:2205.01068"),
    Trained(name="BLOOM", num_parameters=176e9, num_tokens=350e9, source="arXiv:2211.05100"),
    Trained(name="BloombergGPT", num_parameters=50.6e9, num_tokens=569e9, source="arXiv:2303.17564"),
)
"""The lecture's table of compute-optimal against actual tokens, and BloombergGPT's place in it."""
