"""The share of a domain that a tolerance of general loss allows, by the laws of a sweep, with its confidence band.

The bands are percentiles over refits. Each is to losses on resampled held-out documents, the same ones for every model,
with errors of the fit drawn anew (residual bootstrap: Efron and Tibshirani 1993, section 9.4), enlarged by
sqrt(n / (n - p)) for the p constants that were fitted: so they hold the noise of documents, of trainings, and the law's
own misses inside the sweep. They don't hold what a law may miss beyond it. Bands of losses are paired with the loss
before adaptation: they are of what training changes, and not of how hard the documents are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from domainlm.digest import seed_for
from domainlm.mix import law
from domainlm.mix.law import Floats, Laws, Points
from domainlm.sweep.losses import SIDES, Losses, Proxy, points

NUM_SHARES = 1001
"""Shares that are looked at: thousandths."""
_LEVELS = (0.025, 0.975)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """The law of one side."""

    law: Laws
    design: law.Design
    predicted_N: Floats
    left_out_N: Floats
    """Each proxy's loss, predicted from all others."""
    resamples: Laws
    """One law a resample."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A value with its 95% band."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """A side's loss at the target, by the share of the domain."""

    value_R: Floats
    low_R: Floats
    high_R: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a sweep says."""

    fitted: Mapping[str, Fitted]
    """By side."""
    parameters: float
    tokens: float
    """Of the target."""
    base: float
    """General loss at the target's size before adaptation."""
    share_R: Floats
    curves: Mapping[str, Curve]
    share: Span | None
    """Recommended; None where no share keeps general loss within the tolerance."""
    num_without: int
    """Resamples in which no share does."""
    at_share: Mapping[str, Span]
    """Losses at the recommended share, by side."""


def recommend(
    proxies: Sequence[Proxy],
    of_side: Mapping[str, Losses],
    *,
    tolerance: float,
    parameters: float | None,
    tokens: float | None,
    num_samples: int,
    seed: int,
) -> Found:
    """Laws of both sides, and the share with the least domain loss whose general loss is within the tolerance.

    `parameters` and `tokens` are the target's; None is the largest of the proxies. The losses hold those of the models
    that proxies start from. The base of a size between or beyond those is on a straight line in logarithms.
    """
    parameters = parameters or max(one.parameters for one in proxies)
    tokens = tokens or max(one.tokens for one in proxies)
    form = form_for(proxies, tokens)
    share_R = np.linspace(0, 1, NUM_SHARES)
    fitted, best, drawn, base = {}, {}, {}, {}
    for side, losses in of_side.items():
        resampled_SM = losses.resampled_SM(num_samples, seed_for(seed, "documents", side))
        fitted[side] = _fitted(proxies, side, losses, resampled_SM, form, seed_for(seed, "errors", side))
        target = along(share_R, side, parameters, tokens)
        best[side] = fitted[side].law.loss_KM(target)[0]
        as_is = np.array([[losses.of(model) for model in losses.models]])
        base[side] = float(_base(proxies, losses.models, as_is, parameters)[0])
        base_S = _base(proxies, losses.models, resampled_SM, parameters)
        drawn[side] = fitted[side].resamples.loss_KM(target) * (base[side] / base_S)[:, None]
    limit = base["general"] * (1 + tolerance)
    index = int(_chosen(best["domain"][None], best["general"][None], limit)[0])
    indices_S = _chosen(drawn["domain"], drawn["general"], limit)
    found = index >= 0
    return Found(
        fitted=fitted,
        parameters=parameters,
        tokens=tokens,
        base=base["general"],
        share_R=share_R,
        curves={side: _curve(best[side], drawn[side]) for side in SIDES},
        # Where no share will do in a resample, that says: less than any.
        share=_span(float(share_R[index]), share_R[np.maximum(indices_S, 0)]) if found else None,
        num_without=int((indices_S < 0).sum()),
        at_share={side: _span(float(best[side][index]), drawn[side][:, index]) for side in SIDES} if found else {},
    )


def form_for(proxies: Sequence[Proxy], tokens: float) -> law.Form:
    """The form of the law that predicted better on what was held out: docs/mixing.md.

    A budget is a whole number of batches, and so a little less than was asked for.
    """
    return "d-cpt" if tokens > 1.1 * max(one.tokens for one in proxies) else "interacting"


def _fitted(
    proxies: Sequence[Proxy], side: str, losses: Losses, resampled_SM: Floats, form: law.Form, seed: int
) -> Fitted:
    trained = points(proxies, side)
    of_proxies = [losses.models.index(one.name) for one in proxies]
    loss_N = np.array([losses.of(one.name) for one in proxies])
    found = law.fit(trained, loss_N, form)
    asked = law.design(trained, form)
    predicted_N = found.loss_KM(trained)[0]
    error_N = np.log(loss_N / predicted_N)
    error_N = (error_N - error_N.mean()) * np.sqrt(len(loss_N) / max(1, len(loss_N) - len(asked.free)))
    # What a resample of documents does to the losses as they are; the errors of the fit are drawn beside it.
    moved_SN = resampled_SM[:, of_proxies] / loss_N
    drawn_SN = np.random.default_rng(seed).choice(error_N, moved_SN.shape)
    without = law.refit(found, trained, np.tile(loss_N, (len(loss_N), 1)), 1 - np.eye(len(loss_N)))
    return Fitted(
        law=found,
        design=asked,
        predicted_N=predicted_N,
        left_out_N=np.diagonal(without.loss_KM(trained)).copy(),
        resamples=law.refit(found, trained, predicted_N * moved_SN * np.exp(drawn_SN)),
    )


def along(share_R: Floats, side: str, parameters: float, tokens: float) -> Points:
    """Trainings of one size and budget at each share of the domain, as the law of a side sees them."""
    own = share_R if side == "domain" else 1 - share_R
    sizes, budgets = np.full(len(own), float(parameters)), np.full(len(own), float(tokens))
    return Points(parameters=sizes, tokens=budgets, share=own)


def _base(proxies: Sequence[Proxy], models: Sequence[str], loss_SM: Floats, parameters: float) -> Floats:
    """General loss before adaptation of a model of that size: measured, or on a line through the logarithms."""
    sizes = {one.start: one.parameters for one in proxies}
    same = [start for start, size in sizes.items() if size == parameters]
    if same or len(set(sizes.values())) == 1:
        return loss_SM[:, [models.index(start) for start in same or sizes]].mean(1)
    log_sizes = np.log(np.array([*sizes.values()], np.float64))
    log_losses = np.log(loss_SM[:, [models.index(start) for start in sizes]])
    centred = log_sizes - log_sizes.mean()
    slope_S = log_losses @ centred / (centred @ centred)
    return np.exp(log_losses.mean(1) + slope_S * (np.log(parameters) - log_sizes.mean()))


def _chosen(domain_SR: Floats, general_SR: Floats, limit: float) -> npt.NDArray[np.int64]:
    """Index of the share with the least domain loss whose general loss is within the limit, or -1 where none is."""
    allowed = general_SR <= limit
    best = np.where(allowed, domain_SR, np.inf).argmin(1)
    return np.where(allowed.any(1), best, -1)


def _span(value: float, samples: Floats) -> Span:
    low, high = np.quantile(samples, _LEVELS)
    return Span(value=value, low=float(low), high=float(high))


def _curve(value_R: Floats, samples_SR: Floats) -> Curve:
    low_R, high_R = np.quantile(samples_SR, _LEVELS, axis=0)
    return Curve(value_R=value_R, low_R=low_R, high_R=high_R)
