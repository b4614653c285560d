"""The share of a domain that a tolerance of general loss allows, by the laws of a sweep, with its confidence band.

The bands are percentiles over refits. Each is to losses on resampled held-out documents, the same ones for every model,
with errors of the fit drawn anew (residual bootstrap: Efron and Tibshirani 1993, section 9.4), enlarged by
sqrt(n / (n - p)) for the p constants that were fitted: so they hold the noise of documents, of trainings, and the law's
own misses inside the sweep. They don't hold what a law may miss beyond it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from domainlm.digest import seed_for
from domainlm.mix import law
from domainlm.mix.law import Floats, Laws, Points
from domainlm.sweep.losses import SIDES, Losses, Proxy, points

NUM_SHARES = 1001
"""Shares that are looked at: thousandths."""
_LEVELS = (0.025, 0.975)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """The law of one side, of the form that predicts each proxy best from all others."""

    law: Laws
    design: law.Design
    predicted_N: Floats
    left_out_N: Floats
    """Each proxy's loss, predicted from all others."""
    left_out_errors: Mapping[law.Form, float]
    """Mean relative error of such predictions by either form."""
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
    base: Span
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
    resampled = {side: of_side[side].resampled_SM(num_samples, seed_for(seed, "documents", side)) for side in SIDES}
    fitted = {
        side: _fitted(proxies, side, of_side[side], resampled[side], seed_for(seed, "errors", side)) for side in SIDES
    }
    share_R = np.linspace(0, 1, NUM_SHARES)
    at = {side: along(share_R, side, parameters, tokens) for side in SIDES}
    best = {side: fitted[side].law.loss_KM(at[side])[0] for side in SIDES}
    drawn = {side: fitted[side].resamples.loss_KM(at[side]) for side in SIDES}
    general = of_side["general"]
    everywhere = np.array([[general.of(model) for model in general.models]])
    base = float(_base(proxies, general.models, everywhere, parameters)[0])
    base_S = _base(proxies, general.models, resampled["general"], parameters)
    index = _chosen(best["domain"][None], best["general"][None], np.array([base]), tolerance)[0]
    indices_S = _chosen(drawn["domain"], drawn["general"], base_S, tolerance)
    some = indices_S[indices_S >= 0]
    shares = share_R[some] if len(some) else np.zeros(1)
    return Found(
        fitted=fitted,
        parameters=parameters,
        tokens=tokens,
        base=_span(base, base_S),
        share_R=share_R,
        curves={side: _curve(best[side], drawn[side]) for side in SIDES},
        share=_span(float(share_R[index]), shares) if index >= 0 else None,
        num_without=int((indices_S < 0).sum()),
        at_share={side: _span(float(best[side][index]), drawn[side][:, index]) for side in SIDES} if index >= 0 else {},
    )


def _fitted(proxies: Sequence[Proxy], side: str, losses: Losses, resampled_SM: Floats, seed: int) -> Fitted:
    trained = points(proxies, side)
    of_proxies = [losses.models.index(one.name) for one in proxies]
    loss_N = np.array([losses.of(one.name) for one in proxies])
    tried = {form: _left_out(trained, loss_N, form) for form in law.FORMS}
    errors = {form: law.mean_relative_error(loss_N, left_out_N) for form, (_, left_out_N) in tried.items()}
    # The first of equals: with one size and one budget both forms are the same.
    found, left_out_N = tried[min(law.FORMS, key=lambda form: errors[form])]
    asked = law.design(trained, found.form)
    predicted_N = found.loss_KM(trained)[0]
    error_N = np.log(loss_N / predicted_N)
    error_N = (error_N - error_N.mean()) * np.sqrt(len(loss_N) / max(1, len(loss_N) - len(asked.free)))
    # What a resample of documents does to the losses as they are; the errors of the fit are drawn beside it.
    moved_SN = resampled_SM[:, of_proxies] / loss_N
    drawn_SN = np.random.default_rng(seed).choice(error_N, moved_SN.shape)
    return Fitted(
        law=found,
        design=asked,
        predicted_N=predicted_N,
        left_out_N=left_out_N,
        left_out_errors=errors,
        resamples=law.refit(found, trained, predicted_N * moved_SN * np.exp(drawn_SN)),
    )


def _left_out(trained: Points, loss_N: Floats, form: law.Form) -> tuple[Laws, Floats]:
    """The law of all trainings, and the loss of each by the law of all others."""
    found = law.fit(trained, loss_N, form)
    without = law.refit(found, trained, np.tile(loss_N, (len(loss_N), 1)), 1 - np.eye(len(loss_N)))
    return found, np.diagonal(without.loss_KM(trained)).copy()


def along(share_R: Floats, side: str, parameters: float, tokens: float) -> Points:
    """Trainings of one size and budget at each share of the domain, as the law of a side sees them."""
    own = share_R if side == "domain" else 1 - share_R
    sizes, budgets = np.full(len(own), float(parameters)), np.full(len(own), float(tokens))
    return Points(parameters=sizes, tokens=budgets, share=own)


def _base(proxies: Sequence[Proxy], models: Sequence[str], loss_SM: Floats, parameters: float) -> Floats:
    """General loss before adaptation of a model of that size: measured, or on a line through the logarithms."""
    sizes = {one.start: one.parameters for one in proxies}
    same = [start for start, size in sizes.items() if size == parameters]
    if same:
        return loss_SM[:, [models.index(start) for start in same]].mean(1)
    log_sizes = np.log(np.array([*sizes.values()], np.float64))
    log_losses = np.log(loss_SM[:, [models.index(start) for start in sizes]])
    centred = log_sizes - log_sizes.mean()
    slope_S = log_losses @ centred / (centred @ centred)
    return np.exp(log_losses.mean(1) + slope_S * (np.log(parameters) - log_sizes.mean()))


def _chosen(domain_SR: Floats, general_SR: Floats, base_S: Floats, tolerance: float) -> Floats:
    """Index of the allowed share with the least domain loss, or -1 where none is allowed."""
    allowed = general_SR <= base_S[:, None] * (1 + tolerance)
    best = np.where(allowed, domain_SR, np.inf).argmin(1)
    return np.where(allowed.any(1), best, -1)


def _span(value: float, samples: Floats) -> Span:
    low, high = np.quantile(samples, _LEVELS)
    return Span(value=value, low=float(low), high=float(high))


def _curve(value_R: Floats, samples_SR: Floats) -> Curve:
    low_R, high_R = np.quantile(samples_SR, _LEVELS, axis=0)
    return Curve(value_R=value_R, low_R=low_R, high_R=high_R)
