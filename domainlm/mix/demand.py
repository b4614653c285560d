"""What a mix asks of each source: shares become rows, exactly; and where a source lacks, others fill in, or it is said.

A row is `sequence_tokens` places. Shares are of tokens, so that a source whose rows are padded gives more rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from domainlm.errors import DataError
from domainlm.specs.mix import InsideSpec, MixSpec, PhaseSpec, ShareRule

Shares = Mapping[str, Mapping[str, Fraction]]
"""By domain and `domain/source`."""

_SPARE_ROWS = 3
"""A schedule gives a source up to so many rows of a phase more than its share: `schedule.bound`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Supply:
    """What a source has."""

    rows: int
    tokens: int
    """In those rows: without padding, and without what is too short for a row."""

    def tokens_a_row(self) -> Fraction:
        return Fraction(self.tokens, self.rows)


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """What a phase asks for."""

    name: str
    rows: int
    asked: Mapping[str, float]
    """Share of the phase's tokens by domain, before any source was found too small."""
    shares: Shares
    """Of the phase's rows; they sum to 1."""

    def rows_of(self, name: str) -> Fraction:
        return self.rows * self.shares.get(name.partition("/")[0], {}).get(name, Fraction())


def demands(mix: MixSpec, supplies: Mapping[str, Supply], *, sequence_tokens: int, batch_rows: int) -> list[Demand]:
    """Each phase's demand, in whole batches. DataError where a phase has no batch, or a domain or source has no row."""
    found = []
    for phase in mix.stretches:
        rows = phase.budget_tokens // (sequence_tokens * batch_rows) * batch_rows
        if rows == 0:
            what = f"phase {phase.name}: " if mix.phases else ""
            raise DataError(
                f"mix {mix.name}: {what}{phase.budget_tokens:,} tokens are less than one batch of {batch_rows:,} rows "
                f"of {sequence_tokens:,}.\nRaise `budget_tokens` to {sequence_tokens * batch_rows} or more."
            )
        tokens = _token_shares(mix, phase, supplies, sequence_tokens)
        asked = {domain: float(sum(of.values(), Fraction())) for domain, of in tokens.items()}
        asked |= {domain: 0.0 for domain, ratio in phase.token_ratio.items() if not ratio}
        _check_floors(mix, phase.name, asked)
        # From shares of tokens to shares of rows: those with little in them are needed in greater number.
        by_rows = {d: {n: share / supplies[n].tokens_a_row() for n, share in of.items()} for d, of in tokens.items()}
        total = sum((sum(of.values(), Fraction()) for of in by_rows.values()), Fraction())
        shares = {domain: {n: share / total for n, share in of.items()} for domain, of in by_rows.items()}
        found.append(Demand(name=phase.name, rows=rows, asked=asked, shares=shares))
    return found


def _token_shares(mix: MixSpec, phase: PhaseSpec, supplies: Mapping[str, Supply], sequence_tokens: int) -> Shares:
    by_domain: dict[str, dict[str, Supply]] = {}
    for name, supply in sorted(supplies.items()):
        if supply.rows:
            by_domain.setdefault(name.partition("/")[0], {})[name] = supply
    if phase.between is not None:
        sizes = {domain: sum(supply.tokens for supply in of.values()) for domain, of in by_domain.items()}
        ratios = by_size(phase.between, sizes)
    else:
        # The shortest decimal that names the float is what the person wrote: 0.51 is 51/100.
        written = {domain: Fraction(repr(ratio)) for domain, ratio in sorted(phase.token_ratio.items()) if ratio > 0}
        ratios = {domain: ratio / sum(written.values()) for domain, ratio in written.items()}
    shares: dict[str, dict[str, Fraction]] = {}
    for domain, ratio in ratios.items():
        of = by_domain.get(domain)
        if not of:
            raise DataError(
                f"mix {mix.name}: {domain} is to give {float(ratio):.1%} of the tokens, but no source of it "
                f"has a row of {sequence_tokens:,} tokens.\n"
                f"Add text to `{domain}`, take it out of `token_ratio`, or lower `sequence_tokens`."
            )
        rule = phase.inside.get(domain) or mix.inside.get(domain) or InsideSpec()
        inside = _inside(mix, domain, rule, of, sequence_tokens)
        shares[domain] = {name: ratio * share for name, share in inside.items() if share}
    return shares


def _inside(
    mix: MixSpec, domain: str, rule: InsideSpec, of: Mapping[str, Supply], sequence_tokens: int
) -> dict[str, Fraction]:
    if rule.rule != "source_ratio":
        return by_size(rule, {name: supply.tokens for name, supply in of.items()})
    written = {f"{domain}/{n}": Fraction(repr(ratio)) for n, ratio in sorted(rule.source_ratio.items()) if ratio > 0}
    for name, ratio in written.items():
        if name not in of:
            raise DataError(
                f"mix {mix.name}: {name} is to give {float(ratio):.1%} of {domain}, but has no row of "
                f"{sequence_tokens:,} tokens.\nTake it out of `source_ratio`, add text, or lower `sequence_tokens`."
            )
    return {name: ratio / sum(written.values()) for name, ratio in written.items()}


def by_size(rule: ShareRule | InsideSpec, sizes: Mapping[str, int]) -> dict[str, Fraction]:
    """Shares that sum to 1, in proportion to the sizes or to a power of them.

    With an exponent of 0.5, four times the size is twice the share:

    >>> shares = by_size(ShareRule(rule="temperature", exponent=0.5), {"a": 100, "b": 400})
    >>> {name: float(share) for name, share in shares.items()}
    {'a': 0.333333333333, 'b': 0.666666666667}
    """
    if rule.rule == "proportional":
        return {name: Fraction(size, sum(sizes.values())) for name, size in sizes.items()}
    assert rule.exponent is not None
    powers = {name: size**rule.exponent for name, size in sizes.items()}
    # Twelve decimals: powers differ between machines in the sixteenth.
    rounded = {name: Fraction(repr(round(power / math.fsum(powers.values()), 12))) for name, power in powers.items()}
    return {name: share / sum(rounded.values()) for name, share in rounded.items()}


def _check_floors(mix: MixSpec, phase: str, shares: Mapping[str, float]) -> None:
    for domain, floor in mix.min_replay.items():
        if shares.get(domain, 0.0) < floor - 1e-9:
            where = f"phase {phase} " if mix.phases else "it "
            raise DataError(
                f"mix {mix.name}: {where}has {shares.get(domain, 0.0):.2%} of {domain}, below the floor of {floor:.2%} "
                f"in `min_replay`.\nGive {domain} a greater share, or lower the floor."
            )


def refilled(mix: MixSpec, wanted: list[Demand], supplies: Mapping[str, Supply]) -> list[Demand]:
    """The demands with what sources lack taken from `refill_from`; sources that still lack are left as they are.

    A source that lacks gives what its cap allows, the same part of its share in each phase. What it lacks comes from
    the named sources, in order, each up to its own cap.
    """
    margin = _SPARE_ROWS * len(wanted)
    room = {name: max(cap_rows(mix, name, supply) - margin, 0) for name, supply in supplies.items()}
    total = {name: sum((demand.rows_of(name) for demand in wanted), Fraction()) for name in supplies}
    keeps = {n: Fraction(room[n]) / total[n] for n in total if total[n] > cap_rows(mix, n, supplies[n])}
    if not keeps:
        return wanted
    rows: list[dict[str, Fraction]] = []
    missing: list[Fraction] = []
    for demand in wanted:
        of = {name: demand.rows_of(name) * keeps.get(name, 1) for name in supplies}
        missing.append(demand.rows - sum(of.values(), Fraction()))
        rows.append(of)
    for name in mix.refill_from:
        left = sum(missing, Fraction())
        if not left or name not in room or name in keeps:
            continue
        gives = min(left, max(room[name] - sum((of[name] for of in rows), Fraction()), Fraction()))
        for number, of in enumerate(rows):
            part = gives * missing[number] / left
            of[name] += part
            missing[number] -= part
    if any(missing):
        # Nobody has it: to those that lack it back, so that the arithmetic that is shown is theirs.
        for number, demand in enumerate(wanted):
            lost = {name: demand.rows_of(name) * (1 - keep) for name, keep in keeps.items()}
            for name, of_name in lost.items():
                rows[number][name] += missing[number] * of_name / (sum(lost.values()) or 1)
    return [replace(demand, shares=_nested(of, demand.rows)) for demand, of in zip(wanted, rows, strict=True)]


def _nested(rows: Mapping[str, Fraction], total: int) -> Shares:
    shares: dict[str, dict[str, Fraction]] = {}
    for name, of in sorted(rows.items()):
        if of:
            shares.setdefault(name.partition("/")[0], {})[name] = of / total
    return shares


def cap_rows(mix: MixSpec, name: str, supply: Supply) -> int:
    """Most rows that a source may give, repetitions counted."""
    return math.floor(Fraction(repr(mix.cap(name))) * supply.rows)
