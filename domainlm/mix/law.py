"""The loss of a continued pretraining, from its model's size, its tokens and the domain's share.

    L(N, D, r) = E + A / N^alpha + B r^eta / D^beta + C N^mu D^kappa / (r + epsilon)^gamma

N parameters, D tokens, r the share of the text whose loss it is: of the domain for the domain's loss, and one minus
that for the loss of general text. With mu = kappa = 0 it is D-CPT Law (arXiv:2406.01375, equation 6; `d-cpt`). That has
two faults here: without any of a text (r = 0) its loss does not depend on the training at all, with a kink there, and a
longer training can't raise it, so that it knows no forgetting. `interacting` has eta = 0 instead, and mu and kappa are
fitted: what the share does grows or shrinks with size and tokens. It is closer inside a sweep, and D-CPT Law beyond the
longest budget: docs/mixing.md has the errors of both.

A sweep fits what its design identifies, and no more (`Design`): with one size A is part of E, with one budget B is 0,
and with two of either the exponent is Chinchilla's. The fit is Chinchilla's as well (arXiv:2203.15556, appendix D.2):
Huber's loss of the errors of log L, from many starts. Here the steps are Levenberg's and Marquardt's, from all starts
at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from domainlm.digest import seed_for

Floats = npt.NDArray[np.float64]
Form = Literal["d-cpt", "interacting"]
FORMS: tuple[Form, ...] = ("d-cpt", "interacting")
"""The second is taken within a sweep's budgets, the first beyond them."""
NAMES = ("E", "A", "alpha", "B", "beta", "eta", "C", "gamma", "epsilon", "mu", "kappa")
_E, _A, _ALPHA, _B, _BETA, _ETA, _C, _GAMMA, _EPSILON, _MU, _KAPPA = range(len(NAMES))
CHINCHILLA = {"alpha": 0.34, "beta": 0.28}
"""arXiv:2203.15556, equation 10."""
_DELTA = 1e-3
"""Where Huber's loss turns linear, in log L: Chinchilla's."""
_NUM_STARTS = 128
_NUM_STEPS = 300
_LOW = np.array([*np.log([1e-2, 1e-4, 0.05, 1e-4, 0.05, 0.05, 1e-4, 0.05, 1e-2]), -2.0, -2.0])
_HIGH = np.array([*np.log([1e2, 1e2, 2.0, 1e2, 2.0, 3.0, 1e2, 3.0, 1e1]), 2.0, 2.0])
"""Bounds of the constants' logarithms, and of mu and kappa themselves; sizes and tokens are counted in their geometric
means. Guesses, far around any loss in bits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Points:
    """Trainings: arrays of one length."""

    parameters: Floats
    tokens: Floats
    share: Floats
    """Of the text whose loss is meant, from 0 to 1."""

    def __len__(self) -> int:
        return len(self.share)


@dataclass(frozen=True, kw_only=True, slots=True)
class Design:
    """What trainings at so many sizes, budgets and shares identify."""

    free: tuple[str, ...]
    """Constants that are fitted."""
    absent: tuple[str, ...]
    """Terms that are left out, by their factor."""
    told: tuple[str, ...]
    """The same in sentences."""


def design(points: Points, form: Form = "interacting") -> Design:
    """What `points` identify.

    >>> one = Points(parameters=np.full(4, 1e6), tokens=np.full(4, 1e5), share=np.arange(4) / 3)
    >>> design(one).free
    ('E', 'C', 'gamma', 'epsilon')
    """
    free, absent, told = ["E", "C", "gamma", "epsilon"], [], []
    own = form == "interacting"
    kinds = (
        ("A", "alpha", ["mu"] if own else [], len(np.unique(points.parameters)), "size", "larger models"),
        ("B", "beta", ["kappa"] if own else ["eta"], len(np.unique(points.tokens)), "budget", "longer trainings"),
    )
    for factor, exponent, more, number, what, other in kinds:
        if number == 1:
            absent.append(factor)
            told.append(
                f"one {what}: {', '.join([factor, exponent, *more])} are not identified, and nothing is said of {other}"
            )
            continue
        free += [factor, *more, *([exponent] if number > 2 else [])]
        if number == 2:
            told.append(f"two {what}s: {exponent} is not identified, and is Chinchilla's {CHINCHILLA[exponent]:g}")
    return Design(free=tuple(name for name in NAMES if name in free), absent=tuple(absent), told=tuple(told))


@dataclass(frozen=True, kw_only=True, slots=True)
class Laws:
    """K laws of one design: fits to K data sets, or to resamples of one."""

    form: Form
    constants_KP: Floats
    """In the order of NAMES: natural logarithms, but mu and kappa as they are."""
    absent: tuple[str, ...]
    unit_parameters: float
    """Sizes are counted in it, and tokens in `unit_tokens`, so that A, B and C are bits at the middle of the sweep."""
    unit_tokens: float

    def loss_KM(self, points: Points) -> Floats:
        """The loss of M trainings by each of the K laws, in the unit of the losses that they were fitted to."""
        return _forward(self.constants_KP, self.scaled(points), self.absent)[0]

    def of(self, constants_KP: Floats) -> Laws:
        """Laws of the same design with other constants."""
        return replace(self, constants_KP=constants_KP)

    def constants(self) -> dict[str, float]:
        """The constants of the first law as papers write them, sizes in parameters and budgets in tokens."""
        found = dict(zip(NAMES, np.exp(self.constants_KP[0]).tolist(), strict=True))
        found |= {"mu": float(self.constants_KP[0, _MU]), "kappa": float(self.constants_KP[0, _KAPPA])}
        found["A"] *= self.unit_parameters ** found["alpha"]
        found["B"] *= self.unit_tokens ** found["beta"]
        found["C"] /= self.unit_parameters ** found["mu"] * self.unit_tokens ** found["kappa"]
        gone = {"A": ("A", "alpha", "mu"), "B": ("B", "beta", "eta", "kappa")}
        without = {name for factor in self.absent for name in gone[factor]}
        without |= {"eta"} if self.form == "interacting" else {"mu", "kappa"}
        return {name: value for name, value in found.items() if name not in without}

    def scaled(self, points: Points) -> tuple[Floats, Floats, Floats]:
        """Logarithms of sizes and tokens in the law's units, and the shares."""
        sizes, tokens = np.log(points.parameters / self.unit_parameters), np.log(points.tokens / self.unit_tokens)
        return sizes, tokens, points.share


def fit(points: Points, loss_N: Floats, form: Form = "interacting") -> Laws:
    """The law of `loss_N`, from many starts. Deterministic."""
    random = np.random.default_rng(seed_for(0, "law"))
    start_KP = random.uniform(_LOW, _HIGH, (_NUM_STARTS, len(NAMES)))
    # E and the terms begin below the losses, and without an interaction: else most starts end at a bound.
    least = np.log(loss_N.min())
    start_KP[:, _E] = least + random.uniform(-2, 0, _NUM_STARTS)
    start_KP[:, [_A, _B, _C]] = least + random.uniform(-5, 0, (_NUM_STARTS, 3))
    start_KP[:, [_MU, _KAPPA]] = 0
    begun = Laws(
        form=form,
        constants_KP=start_KP,
        absent=design(points, form).absent,
        unit_parameters=float(np.exp(np.log(points.parameters).mean())),
        unit_tokens=float(np.exp(np.log(points.tokens).mean())),
    )
    loss_KN = np.tile(loss_N, (_NUM_STARTS, 1))
    found, cost = _descend(begun, points, loss_KN, np.ones_like(loss_KN))
    return begun.of(found[[cost.argmin()]])


def refit(law: Laws, points: Points, loss_KN: Floats, weight_KN: Floats | None = None) -> Laws:
    """A law for each row of losses, from the one law that is given: of resamples, whose optimum is near.

    A weight of 0 leaves a training out.
    """
    start = law.of(np.tile(law.constants_KP, (len(loss_KN), 1)))
    return law.of(_descend(start, points, loss_KN, np.ones_like(loss_KN) if weight_KN is None else weight_KN)[0])


def _forward(at_KP: Floats, scaled: tuple[Floats, Floats, Floats], absent: Sequence[str]) -> tuple[Floats, Floats]:
    """Losses, K by N, and the derivatives of their logarithms by each of `constants_KP`, K by N by P."""
    sizes, tokens, share = scaled
    alpha, beta, eta, gamma, epsilon = (np.exp(at_KP[:, [p]]) for p in (_ALPHA, _BETA, _ETA, _GAMMA, _EPSILON))
    log_share = np.where(share > 0, np.log(np.maximum(share, 1e-300)), -1e3)
    power = np.where(eta > 0, np.exp(np.maximum(eta * log_share, -700)), 1.0)
    size = np.exp(at_KP[:, [_A]] - alpha * sizes) * ("A" not in absent)
    budget = np.exp(at_KP[:, [_B]] - beta * tokens) * power * ("B" not in absent)
    interaction = at_KP[:, [_MU]] * sizes + at_KP[:, [_KAPPA]] * tokens
    mixed = np.exp(at_KP[:, [_C]] + interaction - gamma * np.log(share + epsilon))
    floor = np.exp(at_KP[:, [_E]]) * np.ones_like(share)
    loss = floor + size + budget + mixed
    parts = {
        _E: floor,
        _A: size,
        _ALPHA: -size * alpha * sizes,
        _B: budget,
        _BETA: -budget * beta * tokens,
        _ETA: budget * eta * log_share,
        _C: mixed,
        _GAMMA: -mixed * gamma * np.log(share + epsilon),
        _EPSILON: -mixed * gamma * epsilon / (share + epsilon),
        _MU: mixed * sizes,
        _KAPPA: mixed * tokens,
    }
    return loss, np.stack([parts[p] for p in range(len(NAMES))], axis=-1) / loss[..., None]


def _descend(start: Laws, points: Points, loss_KN: Floats, weight_KN: Floats) -> tuple[Floats, Floats]:
    """Constants and costs after Levenberg's and Marquardt's steps from each start, each with its own damping.

    Huber's loss by reweighting: an error beyond delta counts as delta / |error| of its square.
    """
    asked = design(points, start.form)
    free = [NAMES.index(name) for name in asked.free]
    here_KP = start.constants_KP.copy()
    fixed = {"alpha": np.log(CHINCHILLA["alpha"]), "beta": np.log(CHINCHILLA["beta"]), "mu": 0.0, "kappa": 0.0}
    for name, value in (fixed | {"eta": -np.inf}).items():
        if name not in asked.free:
            here_KP[:, NAMES.index(name)] = value
    scaled = start.scaled(points)
    log_loss_KN = np.log(loss_KN)

    def measured(at_KP: Floats) -> tuple[Floats, Floats, Floats]:
        fitted, slopes = _forward(at_KP, scaled, start.absent)
        error = log_loss_KN - np.log(fitted)
        far = np.abs(error)
        huber = np.where(far <= _DELTA, far**2 / 2, _DELTA * (far - _DELTA / 2))
        return (weight_KN * huber).sum(1), error, slopes[..., free]

    cost, error, slopes = measured(here_KP)
    damping = np.full(len(here_KP), 1e-2)
    for _ in range(_NUM_STEPS):
        weight = weight_KN * np.minimum(1, _DELTA / np.maximum(np.abs(error), 1e-300))
        weighted = slopes * weight[..., None]
        normal = np.einsum("knp,knq->kpq", weighted, slopes)
        gradient = np.einsum("knp,kn->kp", weighted, error)
        diagonal = np.einsum("kpp->kp", normal)
        ridge = damping[:, None] * (diagonal + 1e-9 * diagonal.max(1, keepdims=True) + 1e-15)
        step = np.linalg.solve(normal + ridge[..., None] * np.eye(len(free)), gradient[..., None])[..., 0]
        there_KP = here_KP.copy()
        there_KP[:, free] = np.clip(here_KP[:, free] + np.clip(step, -1, 1), _LOW[free], _HIGH[free])
        new_cost, new_error, new_slopes = measured(there_KP)
        better = new_cost < cost
        gained = np.where(better, cost - new_cost, 0.0)
        here_KP[better], cost[better], error[better] = there_KP[better], new_cost[better], new_error[better]
        slopes[better] = new_slopes[better]
        damping = np.clip(np.where(better, damping / 3, damping * 4), 1e-9, 1e9)
        if (gained <= 1e-10 * cost).all() and (damping > 1e6).all():
            break
    return here_KP, cost


def mean_relative_error(loss: Floats, predicted: Floats) -> float:
    """Mean of |predicted - loss| / loss."""
    return float(np.mean(np.abs(predicted - loss) / loss))


def r_squared(loss: Floats, predicted: Floats) -> float:
    """Share of the variance that is explained: 1 is all, 0 no better than the mean; 1 where all are alike and met."""
    spread = float(((loss - loss.mean()) ** 2).sum())
    missed = float(((loss - predicted) ** 2).sum())
    return 1 - missed / spread if spread else float(missed == 0)
