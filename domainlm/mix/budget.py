"""Ratios and token counts become whole rows: each domain has exactly its ratio, or the mix is refused.

A row is `sequence_tokens` tokens of one source's stream (and the token after it, the last target). Domains have the
shares that the spec says; inside a domain, sources share in proportion to their rows on disk.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

from domainlm.errors import DataError
from domainlm.manifest import Made, Manifest, shard_of, write_atomically
from domainlm.mix.order import MAX_PERIOD, Order, order, rows_before
from domainlm.specs.mix import MixSpec

FILE_NAME = "mix.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceShare:
    """What one source gives to a mix."""

    name: str
    """`domain/source`."""
    domain: str
    period_rows: int
    """Rows of each `Mix.period`: the share as a whole number."""
    rows: int
    """Rows asked for, over the whole mix."""
    rows_on_disk: int
    tokens_on_disk: int
    unused_tokens: int
    """Tokens after the last whole row: never trained on."""

    @property
    def epochs(self) -> float:
        return self.rows / self.rows_on_disk


@dataclass(frozen=True, kw_only=True, slots=True)
class Mix:
    """A mix, ready to be read: everything but the tokens themselves."""

    sequence_tokens: int
    batch_rows: int
    rows: int
    """Rows in all: a whole number of batches."""
    seed: int
    period: int
    """Every so many rows, each source has had exactly its share."""
    tokens_digest: str
    """Digest of the manifest of the token shards that were counted."""
    sources: tuple[SourceShare, ...]
    left_out: Mapping[str, int]
    """Tokens on disk of the sources that have no share: too short for a row, or in a domain of ratio 0."""

    def order(self) -> Order:
        return order(
            {source.name: source.period_rows for source in self.sources},
            {source.name: source.rows_on_disk for source in self.sources},
            num_rows=self.rows,
            seed=self.seed,
        )


def read(manifest: Manifest) -> Mix:
    """The mix that `build` wrote."""
    content = json.loads(manifest.only("mix").read_bytes())
    return Mix(**content | {"sources": tuple(SourceShare(**source) for source in content["sources"])})


def build(mix: MixSpec, tokens: Manifest, folder: Path, *, sequence_tokens: int, batch_rows: int, seed: int) -> Made:
    """Plan the mix over the finished token shards and write it down; no token is read or written.

    Raises DataError where a domain has nothing to read, the budget is less than a batch, or a source is too small.
    """
    counts: dict[str, int] = {}
    for shard in tokens.files("tokens", split="train"):
        name = f"{shard.domain}/{shard.source}"
        counts[name] = counts.get(name, 0) + shard.num_tokens
    planned = plan(
        mix, counts, sequence_tokens=sequence_tokens, batch_rows=batch_rows, seed=seed, tokens_digest=tokens.digest()
    )
    path = folder / FILE_NAME
    write_atomically(path, json.dumps(asdict(planned), indent=1).encode() + b"\n")
    return Made(shards=(shard_of(path, folder, "mix"),), facts=_facts(mix, planned))


def plan(
    mix: MixSpec,
    tokens_on_disk: Mapping[str, int],
    *,
    sequence_tokens: int,
    batch_rows: int,
    seed: int,
    tokens_digest: str = "",
) -> Mix:
    """The mix from the tokens on disk by `domain/source`: arithmetic only. Raises as `build`."""
    # One token more than whole rows is needed: the last target.
    on_disk = {name: max(count - 1, 0) // sequence_tokens for name, count in sorted(tokens_on_disk.items())}
    rows = mix.budget_tokens // (sequence_tokens * batch_rows) * batch_rows
    if rows == 0:
        raise DataError(
            f"mix {mix.name}: {mix.budget_tokens:,} tokens are less than one batch of {batch_rows:,} rows of "
            f"{sequence_tokens:,}.\nRaise `budget_tokens` to {sequence_tokens * batch_rows} or more."
        )
    shares = whole_shares(_source_shares(mix, on_disk, sequence_tokens))
    drawn = order(shares, on_disk, num_rows=rows, seed=seed)
    rows_of = dict(zip(drawn.names, rows_before(drawn, rows).tolist(), strict=True))
    _check_epochs(mix, rows, rows_of, on_disk, drawn, sequence_tokens, batch_rows)
    sources = tuple(
        SourceShare(
            name=name,
            domain=name.partition("/")[0],
            period_rows=share,
            rows=rows_of[name],
            rows_on_disk=on_disk[name],
            tokens_on_disk=tokens_on_disk[name],
            unused_tokens=tokens_on_disk[name] - on_disk[name] * sequence_tokens - 1,
        )
        for name, share in shares.items()
    )
    return Mix(
        sequence_tokens=sequence_tokens,
        batch_rows=batch_rows,
        rows=rows,
        seed=seed,
        period=sum(shares.values()),
        tokens_digest=tokens_digest,
        sources=sources,
        left_out={name: count for name, count in sorted(tokens_on_disk.items()) if name not in shares},
    )


def _source_shares(
    mix: MixSpec, rows_on_disk: Mapping[str, int], sequence_tokens: int
) -> dict[str, dict[str, Fraction]]:
    """Shares by domain and source, exact; a domain's sum to its ratio, and the whole to 1."""
    # The shortest decimal that names the float is what the person wrote: 0.51 is 51/100.
    ratios = {domain: Fraction(repr(ratio)) for domain, ratio in mix.token_ratio.items() if ratio > 0}
    total = sum(ratios.values())
    shares: dict[str, dict[str, Fraction]] = {}
    for domain, ratio in sorted(ratios.items()):
        rows = {name: n for name, n in rows_on_disk.items() if name.partition("/")[0] == domain and n > 0}
        if not rows:
            raise DataError(
                f"mix {mix.name}: {domain} is to give {float(ratio / total):.1%} of the tokens, but no source of it "
                f"has a row of {sequence_tokens:,} tokens.\n"
                f"Add text to `{domain}`, take it out of `token_ratio`, or lower `sequence_tokens`."
            )
        in_domain = sum(rows.values())
        shares[domain] = {name: ratio / total * n / in_domain for name, n in rows.items()}
    return shares


def whole_shares(shares: Mapping[str, Mapping[str, Fraction]]) -> dict[str, int]:
    """Rows of each source in a period of at most 10^6: as exact as that allows.

    Domains are exact where their ratios have a common denominator of at most 10^6. Sources are exact where theirs do;
    if not, the largest remainder inside each domain, with the least period of 10^4, 10^5 and 10^6 that puts no source
    off by more than a thousandth of its share. A source whose share is below a millionth may end without one.

    >>> whole_shares({"law": {"law/a": Fraction(51, 100)}, "general": {"general/b": Fraction(49, 100)}})
    {'law/a': 51, 'general/b': 49}
    """
    flat = {name: share for sources in shares.values() for name, share in sources.items()}
    exact = math.lcm(*(share.denominator for share in flat.values()))
    if exact <= MAX_PERIOD:
        return {name: int(share * exact) for name, share in flat.items()}
    domain_shares = {domain: sum(sources.values(), Fraction()) for domain, sources in shares.items()}
    of_domains = math.lcm(*(share.denominator for share in domain_shares.values()))
    whole: dict[str, int] = {}
    for resolution in (10**4, 10**5, MAX_PERIOD):
        period = resolution // of_domains * of_domains or resolution
        domain_rows = _largest_remainder(domain_shares, period)
        whole = {}
        for domain, sources in shares.items():
            inside = {name: share / domain_shares[domain] for name, share in sources.items()}
            whole |= _largest_remainder(inside, domain_rows[domain])
        if all(abs(Fraction(whole[name], period) - share) <= share / 1000 for name, share in flat.items()):
            break
    return {name: rows for name, rows in whole.items() if rows}


def _largest_remainder(shares: Mapping[str, Fraction], total: int) -> dict[str, int]:
    """`total` in whole parts as near to `shares`, which sum to 1, as can be: no row is lost to rounding."""
    parts = {name: math.floor(share * total) for name, share in shares.items()}
    missing = total - sum(parts.values())
    for name in sorted(shares, key=lambda name: (parts[name] - shares[name] * total, name))[:missing]:
        parts[name] += 1
    return parts


def _check_epochs(
    mix: MixSpec,
    rows: int,
    rows_of: Mapping[str, int],
    on_disk: Mapping[str, int],
    drawn: Order,
    sequence_tokens: int,
    batch_rows: int,
) -> None:
    short = [name for name, wanted in rows_of.items() if wanted > mix.max_epochs * on_disk[name]]
    if not short:
        return

    def fits(batches: int) -> bool:
        wanted = rows_before(drawn, batches * batch_rows).tolist()
        return all(n <= mix.max_epochs * on_disk[name] for name, n in zip(drawn.names, wanted, strict=True))

    # Rows only grow with the budget, so bisect for the most batches that fit.
    low, high = 0, rows // batch_rows
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    lines = [
        f"{name}: {rows_of[name] * sequence_tokens:,} tokens wanted ({rows_of[name] / rows:.1%} of "
        f"{rows * sequence_tokens:,}), but {on_disk[name] * sequence_tokens:,} on disk x {mix.max_epochs:g} "
        f"{'epoch' if mix.max_epochs == 1 else 'epochs'} is less."
        for name in short
    ]
    epochs = max(Fraction(rows_of[name], on_disk[name]) for name in short)
    lower = f"Lower `budget_tokens` to {low * batch_rows * sequence_tokens}, or raise" if low else "Raise"
    raise DataError(
        f"mix {mix.name}: " + "\n".join(lines) + f"\n{lower} `max_epochs` to {math.ceil(epochs * 100) / 100:.2f}."
    )


def _facts(spec: MixSpec, mix: Mix) -> dict[str, object]:
    realised = {domain: 0.0 for domain in spec.token_ratio}
    for source in mix.sources:
        realised[source.domain] += source.rows / mix.rows
    return {
        "rows": mix.rows,
        "batch_rows": mix.batch_rows,
        "sequence_tokens": mix.sequence_tokens,
        "period": mix.period,
        "sources": {
            source.name: {
                "domain": source.domain,
                "share": source.period_rows / mix.period,
                "rows": source.rows,
                "tokens": source.rows * mix.sequence_tokens,
                "rows_on_disk": source.rows_on_disk,
                "tokens_on_disk": source.tokens_on_disk,
                "unused_tokens": source.unused_tokens,
                "epochs": source.epochs,
            }
            for source in mix.sources
        },
        "left_out": dict(mix.left_out),
        "token_ratio": dict(spec.token_ratio),
        "realised_ratio": realised,
    }
