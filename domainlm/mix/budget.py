"""Ratios and token counts become whole rows: each domain has exactly its ratio, or the mix is refused.

A mix is arithmetic over finished token shards: it is planned in well under a second for any size of corpus, and what is
written down is how many rows each source gives to each phase, and nothing of the tokens.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from domainlm.errors import DataError
from domainlm.manifest import Made, Manifest, shard_of, write_atomically
from domainlm.mix import best_fit
from domainlm.mix.demand import Demand, Supply, cap_rows, demands, refilled
from domainlm.mix.order import Order, order, rows_before
from domainlm.mix.schedule import MAX_TABLE, whole_shares
from domainlm.records import Shard
from domainlm.specs.mix import MixSpec
from domainlm.tokens.shards import Stream, open_stream

FILE_NAME = "mix.json"
PACKS = "packs"
"""The folder of packing plans, beside those of the stages."""
_STRETCHES, _STRETCH_DOCS = 8, 2048
"""Where documents are looked at, to say how many rows cut one: 16 kB in each place, for any size of corpus."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceShare:
    """What one source gives to a mix."""

    name: str
    """`domain/source`."""
    domain: str
    share: float
    """Of the mix's rows, as asked for, before sources that are too small were filled up from others."""
    rows: int
    """Rows that it gives, over the whole mix."""
    rows_on_disk: int
    tokens_on_disk: int
    tokens_in_rows: int
    """Of those on disk, what its rows hold."""
    cap_rows: int
    """Most rows that it may give, repetitions counted."""

    @property
    def epochs(self) -> float:
        return self.rows / self.rows_on_disk

    @property
    def tokens(self) -> int:
        """Tokens that it gives, padding not counted; where rows are padded, their mean over the source."""
        return self.rows * self.tokens_in_rows // self.rows_on_disk

    @property
    def missing_rows(self) -> int:
        return max(self.rows - self.cap_rows, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class MixPhase:
    """One stretch of a mix."""

    name: str
    rows: int
    asked: Mapping[str, float]
    """Share of the tokens by domain, as asked for."""
    parts: Mapping[str, int]
    """By source: its part of `sum(parts)`, the share of the phase's rows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mix:
    """A mix, ready to be read: everything but the tokens themselves."""

    sequence_tokens: int
    batch_rows: int
    rows: int
    """Rows in all: a whole number of batches."""
    seed: int
    packing: str
    tokens_digest: str
    """Digest of the manifest of the token shards that were counted."""
    sources: tuple[SourceShare, ...]
    phases: tuple[MixPhase, ...]
    left_out: Mapping[str, int]
    """Tokens on disk of the sources that have no share: too short for a row, or not asked for."""

    def order(self) -> Order:
        on_disk = {source.name: source.rows_on_disk for source in self.sources}
        return order([(phase.rows, phase.parts) for phase in self.phases], on_disk, seed=self.seed)


@dataclass(frozen=True, kw_only=True, slots=True)
class Packed:
    """How the documents of a source lie in its rows."""

    supply: Supply
    files: Mapping[str, tuple[Path, str]] = field(default_factory=dict)
    """By kind: a file of the packing plan and its sha256."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What is padded and cut, for the report."""


def read(manifest: Manifest) -> Mix:
    """The mix that `build` wrote."""
    return from_json(json.loads(manifest.only("mix").read_bytes()))


def from_json(content: Mapping[str, Any]) -> Mix:
    """The mix that `asdict` took apart."""
    read: dict[str, Any] = dict(content)
    read["sources"] = tuple(SourceShare(**source) for source in content["sources"])
    read["phases"] = tuple(MixPhase(**phase) for phase in content["phases"])
    return Mix(**read)


def build(
    mix: MixSpec,
    tokens: Manifest,
    folder: Path,
    *,
    sequence_tokens: int,
    batch_rows: int,
    seed: int,
    packs: Path | None = None,
) -> Made:
    """Plan the mix over the finished token shards and write it down; no token is read or written.

    Packing plans are kept in `packs`, else beside the folders of the stages, and shared by all mixes. Raises DataError
    where a domain has nothing to read, the budget is less than a batch, or a source is too small.
    """
    counts = tokens_by_source(tokens)
    packed = {
        name: _packed(mix, tokens, name, count, sequence_tokens, packs or folder.parent.parent / PACKS)
        for name, count in counts.items()
    }
    drafted = draft(
        mix,
        {name: of.supply for name, of in packed.items()},
        counts,
        sequence_tokens=sequence_tokens,
        batch_rows=batch_rows,
        seed=seed,
        tokens_digest=tokens.digest(),
    )
    check(mix, drafted)
    path = folder / FILE_NAME
    write_atomically(path, json.dumps(asdict(drafted), indent=1).encode() + b"\n")
    shards = [shard_of(path, folder, "mix")]
    for source in drafted.sources:
        shards += [_linked(folder, source.name, kind, *file) for kind, file in packed[source.name].files.items()]
    packing = {source.name: dict(packed[source.name].facts) for source in drafted.sources}
    return Made(shards=tuple(shards), facts=facts(drafted) | {"packing": mix.packing, "packed": packing})


def tokens_by_source(tokens: Manifest) -> dict[str, int]:
    """Training tokens by `domain/source`."""
    counts: dict[str, int] = {}
    for shard in tokens.files("tokens", split="train"):
        name = f"{shard.domain}/{shard.source}"
        counts[name] = counts.get(name, 0) + shard.num_tokens
    return counts


def concatenated(tokens_on_disk: Mapping[str, int], sequence_tokens: int) -> dict[str, Supply]:
    """What sources have where their documents are laid end to end."""
    # One token more than whole rows is needed: the last target.
    rows = {name: max(count - 1, 0) // sequence_tokens for name, count in tokens_on_disk.items()}
    return {name: Supply(rows=n, tokens=n * sequence_tokens) for name, n in rows.items()}


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
    supplies = concatenated(tokens_on_disk, sequence_tokens)
    sizes = {"sequence_tokens": sequence_tokens, "batch_rows": batch_rows, "seed": seed}
    drafted = draft(mix, supplies, tokens_on_disk, tokens_digest=tokens_digest, **sizes)
    check(mix, drafted)
    return drafted


def draft(
    mix: MixSpec,
    supplies: Mapping[str, Supply],
    tokens_on_disk: Mapping[str, int],
    *,
    sequence_tokens: int,
    batch_rows: int,
    seed: int,
    tokens_digest: str = "",
) -> Mix:
    """As `plan`, but a source may lack rows: `SourceShare.missing_rows` says how many."""
    asked = demands(mix, supplies, sequence_tokens=sequence_tokens, batch_rows=batch_rows)
    given = refilled(mix, asked, supplies) if mix.when_short == "refill" else asked
    phases = tuple(
        MixPhase(name=demand.name, rows=demand.rows, asked=demand.asked, parts=whole_shares(demand.shares))
        for demand in given
    )
    names = sorted({name for phase in phases for name in phase.parts})
    drawn = order([(p.rows, p.parts) for p in phases], {name: supplies[name].rows for name in names}, seed=seed)
    rows = sum(phase.rows for phase in phases)
    counts = dict(zip(names, rows_before(drawn, rows).tolist(), strict=True))
    return Mix(
        sequence_tokens=sequence_tokens,
        batch_rows=batch_rows,
        rows=rows,
        seed=seed,
        packing=mix.packing,
        tokens_digest=tokens_digest,
        sources=tuple(
            SourceShare(
                name=name,
                domain=name.partition("/")[0],
                share=_share(asked, name, rows),
                rows=counts[name],
                rows_on_disk=supplies[name].rows,
                tokens_on_disk=tokens_on_disk[name],
                tokens_in_rows=supplies[name].tokens,
                cap_rows=cap_rows(mix, name, supplies[name]),
            )
            for name in names
        ),
        phases=phases,
        left_out={name: count for name, count in sorted(tokens_on_disk.items()) if name not in names},
    )


def _share(demanded: list[Demand], name: str, rows: int) -> float:
    return float(sum((demand.rows_of(name) for demand in demanded), Fraction()) / rows)


def check(spec: MixSpec, mix: Mix) -> None:
    """Raises DataError, with the arithmetic and what would help, where a source lacks rows or a floor is not held."""
    for message in (shortage(spec, mix), _below_floor(spec, mix)):
        if message:
            raise DataError(f"mix {spec.name}: {message}")


def shortage(spec: MixSpec, mix: Mix) -> str:
    """Which sources lack how many tokens, and what would help; empty where none does."""
    short = [source for source in mix.sources if source.missing_rows]
    if not short:
        return ""
    row, rows = mix.sequence_tokens, mix.rows
    lines = [
        f"{source.name}: {source.rows * row:,} tokens wanted ({source.rows / rows:.1%} of {rows * row:,}), but "
        f"{source.rows_on_disk * row:,} on disk x {spec.cap(source.name):g} "
        f"{'epoch' if spec.cap(source.name) == 1 else 'epochs'}: {source.missing_rows * row:,} are missing."
        for source in short
    ]
    spare = sorted((s for s in mix.sources if s.cap_rows > s.rows), key=lambda s: (s.rows - s.cap_rows, s.name))
    others = ", ".join(source.name for source in spare[:2])
    if spec.when_short == "refill":
        lines.append(f"`refill_from` has no more to give; add to it{f': {others}' if others else ''}.")
    elif others:
        lines.append(f"Others have more: `when_short: refill` with `refill_from: [{others}]` takes it from there.")
    epochs = max(Fraction(source.rows, source.rows_on_disk) for source in short)
    own = any(source.name.partition("/")[2] in spec.max_epochs_of.get(source.domain, {}) for source in short)
    caps = "`max_epochs` and `max_epochs_of`" if own else "`max_epochs`"
    lower = _lower_budget(spec, mix)
    raised = f"{f'{lower}, or raise' if lower else 'Raise'} {caps} to {math.ceil(epochs * 100) / 100:.2f}."
    return "\n".join([*lines, raised])


def _lower_budget(spec: MixSpec, mix: Mix) -> str:
    on_disk = {source.name: source.rows_on_disk for source in mix.sources}
    if len(mix.phases) > 1:
        part = min(Fraction(source.cap_rows, source.rows) for source in mix.sources if source.missing_rows)
        return f"Lower each phase's `budget_tokens` to {math.floor(part * 1000) / 10:.1f}% of it"
    if spec.when_short == "refill":
        return "Lower `budget_tokens`"
    parts, names = mix.phases[0].parts, [source.name for source in mix.sources]
    caps = np.array([source.cap_rows for source in mix.sources])
    # Which of two schedules is drawn depends on the rows in all: one of each, so that none is made for each guess.
    orders = [order([(rows, parts)], on_disk, seed=0) for rows in {mix.rows, min(mix.rows, MAX_TABLE)}]
    orders.sort(key=lambda made: made.num_rows)
    assert list(orders[0].names) == names

    def fits(batches: int) -> bool:
        rows = batches * mix.batch_rows
        made = next(made for made in orders if rows <= made.num_rows)
        return bool((rows_before(made, rows) <= caps).all())

    # Rows only grow with the budget, so bisect for the most batches that fit.
    low, high = 0, mix.rows // mix.batch_rows
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return f"Lower `budget_tokens` to {low * mix.batch_rows * mix.sequence_tokens}" if low else ""


def _below_floor(spec: MixSpec, mix: Mix) -> str:
    for phase in mix.phases:
        got = _realised({}, mix, phase.parts)
        for domain, floor in spec.min_replay.items():
            # A share told to a billionth may be below by as much.
            if got.get(domain, 0.0) < floor - 1e-8:
                return (
                    f"after refilling, phase {phase.name} has {got.get(domain, 0.0):.2%} of {domain}, below the floor "
                    f"of {floor:.2%} in `min_replay`.\nRefill from sources of {domain}, or lower the floor."
                )
    return ""


def facts(mix: Mix) -> dict[str, Any]:
    """What the report, the training and the next stages need to know of a mix."""
    tokens = {source.name: source.tokens for source in mix.sources}
    asked: dict[str, float] = {}
    for phase in mix.phases:
        for domain, share in phase.asked.items():
            asked[domain] = asked.get(domain, 0.0) + share * phase.rows / mix.rows
    phases, first_row = [], 0
    for phase, of in zip(mix.phases, rows_by_phase(mix), strict=True):
        phases.append(
            {
                "name": phase.name,
                "first_row": first_row,
                "rows": phase.rows,
                "token_ratio": dict(phase.asked),
                "realised_ratio": _realised(phase.asked, mix, of),
                "sources": of,
            }
        )
        first_row += phase.rows
    return {
        "rows": mix.rows,
        "batch_rows": mix.batch_rows,
        "sequence_tokens": mix.sequence_tokens,
        "sources": {
            source.name: {
                "domain": source.domain,
                "share": source.share,
                "rows": source.rows,
                "tokens": tokens[source.name],
                "rows_on_disk": source.rows_on_disk,
                "tokens_on_disk": source.tokens_on_disk,
                "unused_tokens": max(source.tokens_on_disk - source.tokens_in_rows - (mix.packing == "concat"), 0),
                "epochs": source.epochs,
            }
            for source in mix.sources
        },
        "phases": phases,
        "left_out": dict(mix.left_out),
        "token_ratio": {domain: round(share, 12) for domain, share in asked.items()},
        "realised_ratio": _realised(asked, mix, {source.name: source.rows for source in mix.sources}),
    }


def rows_by_phase(mix: Mix) -> list[dict[str, int]]:
    """Rows that each source gives to each phase."""
    drawn = mix.order()
    names = [source.name for source in mix.sources]
    found, before, first_row = [], rows_before(drawn, 0), 0
    for phase in mix.phases:
        first_row += phase.rows
        after = rows_before(drawn, first_row)
        found.append({name: n for name, n in zip(names, (after - before).tolist(), strict=True) if n})
        before = after
    return found


def _realised(asked: Mapping[str, float], mix: Mix, rows: Mapping[str, int]) -> dict[str, float]:
    """Share of the tokens by domain, padding not counted."""
    tokens = dict.fromkeys(asked, Fraction())
    for source in mix.sources:
        of = Fraction(rows.get(source.name, 0) * source.tokens_in_rows, source.rows_on_disk)
        tokens[source.domain] = tokens.get(source.domain, Fraction()) + of
    total = sum(tokens.values(), Fraction())
    return {domain: float(of / total) for domain, of in tokens.items()}


def _packed(mix: MixSpec, tokens: Manifest, name: str, num_tokens: int, sequence_tokens: int, packs: Path) -> Packed:
    domain, _, source = name.partition("/")
    if mix.packing == "concat":
        supply = concatenated({name: num_tokens}, sequence_tokens)[name]
        return Packed(supply=supply, facts=_cuts(open_stream(tokens, domain, source), supply.rows, sequence_tokens))
    ends = [shard.sha256 for shard in tokens.files("ends", domain=domain, source=source, split="train")]
    folder = best_fit.place(ends, sequence_tokens, packs)
    account = best_fit.pack(open_stream(tokens, domain, source), folder, sequence_tokens)
    kinds = {"rows": best_fit.ROWS, "pieces": best_fit.PIECES}
    return Packed(
        supply=Supply(rows=account.num_rows, tokens=account.num_tokens),
        files={kind: (folder / file, account.sha256[file]) for kind, file in kinds.items()},
        facts={
            "padding_tokens": account.padding_tokens,
            "padding_share": account.padding_tokens / max(account.num_rows * sequence_tokens, 1),
            "cut_docs": account.cut_docs,
            "docs": account.num_docs,
            "dropped_tokens": 0,
        },
    )


def _cuts(stream: Stream, rows: int, sequence_tokens: int) -> dict[str, Any]:
    """How many of the places where a row ends are inside a document: in a few stretches, evenly spread."""
    looked_at = cut = 0
    for ends in stream.some_ends(_STRETCHES, _STRETCH_DOCS):
        # Row ends after the stretch's first document end, up to its last.
        places = (int(ends[-1]) // sequence_tokens) - (int(ends[0]) // sequence_tokens)
        looked_at += places
        cut += places - int((ends[1:] % sequence_tokens == 0).sum())
    return {
        "padding_tokens": 0,
        "padding_share": 0.0,
        "cut_share": cut / looked_at if looked_at else 0.0,
        "cuts_looked_at": looked_at,
        "dropped_tokens": max(stream.num_tokens - rows * sequence_tokens - 1, 0),
    }


def _linked(folder: Path, name: str, kind: str, path: Path, sha256: str) -> Shard:
    """The record of a packing plan's file, linked into the mix's folder: a link where the file system has them."""
    target = folder / "packing" / name / f"{kind}.bin"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)
    domain, _, source = name.partition("/")
    return Shard(
        path=target.relative_to(folder).as_posix(),
        kind=kind,
        num_bytes=path.stat().st_size,
        sha256=sha256,
        domain=domain,
        source=source,
    )
