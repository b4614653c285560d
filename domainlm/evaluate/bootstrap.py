"""Intervals and tests of ratios of sums, by resampling whole items: seeded, vectorised, and paired where two meet.

Every metric here is a ratio of sums over items (bits over bytes by document; points over items), so that one method
serves all. Intervals are percentile bootstrap intervals (Efron and Tibshirani 1993, chapter 13). The test of a
difference flips signs of the items' differences (Fisher's randomisation test; in NLP: Yeh, COLING 2000; Dror et al.,
ACL 2018): unlike the bootstrap it is honest with a handful of items, where it can't become significant. Where an item
is right or wrong, all flips have a closed form, McNemar's exact test, and none is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
LEVEL = 0.95
_CHUNK = 2**22
"""Numbers drawn at once: bounds the memory (32 MiB), whatever the items and samples."""


def interval(numerators: Floats, denominators: Floats, num_samples: int, seed: int) -> tuple[float, float]:
    """95% interval of sum(numerators) / sum(denominators), items resampled."""
    return _percentiles(ratios(numerators, denominators, num_samples, seed))


def paired_interval(
    base: Floats, adapted: Floats, denominators: Floats, num_samples: int, seed: int
) -> tuple[float, float]:
    """95% interval of the difference adapted - base of the two ratios, both on the same resampled items."""
    return _percentiles(ratios(adapted - base, denominators, num_samples, seed))


def ratios(numerators: Floats, denominators: Floats, num_samples: int, seed: int) -> Floats:
    """sum(numerators) / sum(denominators) of each resample of the items; (num_samples,)."""
    random = np.random.default_rng(seed)
    parts = []
    for num_rows in _chunks(num_samples, len(numerators)):
        chosen = random.integers(0, len(numerators), (num_rows, len(numerators)))
        parts.append(numerators[chosen].sum(axis=1) / denominators[chosen].sum(axis=1))
    return np.concatenate(parts)


def rate_interval(gains: Floats, losses: Floats) -> tuple[float, float]:
    """95% interval of gain / loss from resamples of each, drawn independently: they come from different documents.

    A resample that loses nothing has an endless rate, with the sign of its gain; so where the loss may be nothing, the
    interval is open: its upper end is infinite. The ends are resamples themselves, since infinities can't be averaged.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = np.where(losses > 0, gains / np.where(losses > 0, losses, 1.0), np.copysign(np.inf, gains))
    low = np.quantile(rates, (1 - LEVEL) / 2, method="lower")
    high = np.quantile(rates, (1 + LEVEL) / 2, method="higher")
    return float(low), float(high)


def _percentiles(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def sign_flip_p_value(differences: Floats, num_samples: int, seed: int) -> float:
    """Two-sided p-value of a sum of paired differences, under the null that each could as well have the other sign.

    Never below 1 / (num_samples + 1). Items without a difference say nothing.

    >>> sign_flip_p_value(np.array([0.0, 0.0]), 100, seed=0)
    1.0
    """
    differences = differences[differences != 0]
    if len(differences) == 0:
        return 1.0
    # Half a billionth of slack, so that the sum of the same numbers in another order counts as equal.
    observed = abs(differences.sum()) * (1 - 5e-10)
    random = np.random.default_rng(seed)
    num_extreme = 0
    for num_rows in _chunks(num_samples, len(differences)):
        signs = random.integers(0, 2, (num_rows, len(differences)), dtype=np.int8) * 2.0 - 1.0
        num_extreme += int((np.abs(signs @ differences) >= observed).sum())
    return (num_extreme + 1) / (num_samples + 1)


def mcnemar_p_value(num_lost: int, num_won: int) -> float:
    """Two-sided exact p-value of items that only one of two models got right. Source: McNemar, Psychometrika 12 (1947).

    It is what `sign_flip_p_value` tends to when differences are -1, 0 and 1, without its noise.

    >>> [round(mcnemar_p_value(*pair), 6) for pair in [(0, 0), (1, 7), (3, 0)]]
    [1.0, 0.070312, 0.25]
    """
    total, fewer = num_lost + num_won, min(num_lost, num_won)
    # By logarithms: 2 ** -total is nought from 1,075 items on.
    logs = [math.lgamma(total + 1) - math.lgamma(i + 1) - math.lgamma(total - i + 1) for i in range(fewer + 1)]
    tail = math.fsum(math.exp(log - total * math.log(2)) for log in logs)
    return min(1.0, 2 * tail)


def _chunks(num_samples: int, num_items: int) -> Iterator[int]:
    step = max(1, _CHUNK // max(1, num_items))
    for start in range(0, num_samples, step):
        yield min(step, num_samples - start)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected over the family, in the same order. Source: Holm, Scand. J. Statist. 6 (1979).

    >>> [round(p, 6) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, p_values[index] * (len(p_values) - rank)))
        corrected[index] = highest
    return corrected
