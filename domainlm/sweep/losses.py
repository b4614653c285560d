"""What the proxies of a sweep lost on the same held-out documents, in numbers that can be resampled."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq

from domainlm.errors import DataError
from domainlm.evaluate import store
from domainlm.manifest import Manifest
from domainlm.mix.law import Floats, Points

SIDES = ("domain", "general")
"""Whose loss: that of the domain whose share varies, and that of all other domains of the mix together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Proxy:
    """A small training of a sweep."""

    name: str
    start: str
    """The model that it continues."""
    asked_share: float
    """Of the domain."""
    share: float
    """Of the domain, as it was realised."""
    parameters: int
    tokens: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Losses:
    """Losses of M models on the documents of one side: ratios of sums, as all metrics here."""

    models: tuple[str, ...]
    metric: str
    numerator_MI: Floats
    """Bits, by model and document."""
    denominator_I: Floats
    """Bytes of each document."""

    def of(self, model: str) -> float:
        """A model's loss over all documents."""
        return float(self.numerator_MI[self.models.index(model)].sum() / self.denominator_I.sum())

    def resampled_SM(self, num_samples: int, seed: int) -> Floats:
        """Losses of the models on S resamples of the documents, the same ones for all."""
        random = np.random.default_rng(seed)
        num_items = len(self.denominator_I)
        counts_SI = random.multinomial(num_items, np.full(num_items, 1 / num_items), num_samples).astype(np.float64)
        return (counts_SI @ self.numerator_MI.T) / (counts_SI @ self.denominator_I)[:, None]


def losses(evaluations: Mapping[str, Manifest], domains: Collection[str], what: str) -> Losses:
    """The losses of every model on the held-out documents of `domains`.

    Raises DataError where there are none, or where two models were scored on different ones.
    """
    numerators, first, denominators, metric = [], None, np.zeros(0), ""
    for name, made in evaluations.items():
        rows = [row for row in pq.read_table(made.only("documents")).to_pylist() if row["domain"] in domains]
        pairs = {(row["domain"], row["source"], row["id"], row["metric"]): store.measured(row) for row in rows}
        if not pairs:
            raise DataError(f"the {what} has no held-out documents ({', '.join(domains)}): raise `heldout_share` in it")
        keys = sorted(pairs)
        if first is not None and keys != first:
            raise DataError(f"{name} was not scored on the same held-out documents as {next(iter(evaluations))}")
        first, metric = keys, keys[0][-1]
        numerators.append([pairs[key][0] for key in keys])
        denominators = np.array([pairs[key][1] for key in keys], np.float64)
    return Losses(
        models=tuple(evaluations), metric=metric, numerator_MI=np.array(numerators), denominator_I=denominators
    )


def proxy(name: str, start: str, asked_share: float, domain: str, training: Manifest) -> Proxy:
    """What a finished training says of itself."""
    facts = training.facts
    realised = sum(part for source, part in facts["realised_share"].items() if source.partition("/")[0] == domain)
    return Proxy(
        name=name,
        start=start,
        asked_share=asked_share,
        share=min(1.0, realised),
        parameters=int(facts["num_parameters"]),
        tokens=int(facts["tokens"]),
    )


def points(proxies: Sequence[Proxy], side: str) -> Points:
    """The trainings as the law of a side sees them: with the share of its own text."""
    share = np.array([one.share for one in proxies])
    return Points(
        parameters=np.array([one.parameters for one in proxies], np.float64),
        tokens=np.array([one.tokens for one in proxies], np.float64),
        share=share if side == "domain" else 1 - share,
    )
