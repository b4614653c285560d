"""A mix fits the domains that it takes from: its names, its floors of replay and the licences of its sources."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from domainlm.specs.domain import DomainSpec
from domainlm.specs.flow import flow, line, one_of
from domainlm.specs.license import allows, canonical
from domainlm.specs.mix import MixSpec
from domainlm.specs.read import Problems, Reading
from domainlm.specs.tree import Key


def check_mix(mix: Reading[MixSpec], domains: Mapping[str, DomainSpec], problems: Problems) -> None:
    """Add each source that no domain has, each phase below a floor, and each source under a licence not allowed."""
    spec = mix.spec
    if spec is None:
        return
    sources = {name: {source.name: source.license for source in domain.sources} for name, domain in domains.items()}
    known = {name: list(of) for name, of in spec.sizes.items()} | {name: list(of) for name, of in sources.items()}
    _check_sources(mix, known, problems)
    _check_floors(mix, problems)
    for index, uri in enumerate(spec.refill_from):
        _check_refill(mix, ("refill_from", index), uri, known, problems)
    if spec.licenses is not None:
        shared = spec.taken_from(sources)
        refill = {uri.partition("/")[0] for uri in spec.refill_from}
        for domain in sorted((shared | refill) & set(sources)):
            _check_licenses(mix, domain, sources[domain], problems)


def ratio_keys(spec: MixSpec) -> Iterator[tuple[Key, dict[str, float]]]:
    """Where in the file each phase's `token_ratio` stands, and what it says."""
    if spec.token_ratio:
        yield ("token_ratio",), spec.token_ratio
    for index, phase in enumerate(spec.phases):
        if phase.token_ratio:
            yield ("phases", index, "token_ratio"), phase.token_ratio


def _check_sources(mix: Reading[MixSpec], known: Mapping[str, list[str]], problems: Problems) -> None:
    spec = mix.spec
    assert spec is not None
    named: list[tuple[Key, Mapping[str, object]]] = [
        (("max_epochs_of", domain), of) for domain, of in spec.max_epochs_of.items()
    ]
    named += [(("sizes", domain), of) for domain, of in spec.sizes.items()]
    insides = [(("inside",), spec.inside), *((("phases", i, "inside"), p.inside) for i, p in enumerate(spec.phases))]
    for key, inside in insides:
        named += [((*key, domain, "source_ratio"), rule.source_ratio) for domain, rule in inside.items()]
    for key, of in named:
        domain = str(next(part for part in reversed(key) if part != "source_ratio"))
        if domain not in known:
            there = (*key[: key.index(domain) + 1],)
            near = difflib.get_close_matches(domain, known, 1)
            fix = f"rename it to `{near[0]}`" if near else f"delete `{domain}`"
            problems.add(mix, there, got=domain, want=one_of(known), fix=fix, at_key=True)
            continue
        for name in of:
            if name not in known[domain]:
                near = difflib.get_close_matches(name, [other for other in known[domain] if other not in of], 1)
                fix = f"rename it to `{near[0]}`" if near else f"delete `{name}`"
                want = f"{one_of(known[domain])}, the sources of {domain}"
                problems.add(mix, (*key, name), got=name, want=want, fix=fix, at_key=True)


def _check_refill(
    mix: Reading[MixSpec], key: Key, uri: str, known: Mapping[str, list[str]], problems: Problems
) -> None:
    names = [f"{domain}/{source}" for domain, of in known.items() for source in of]
    if uri not in names:
        near = difflib.get_close_matches(uri, names, 1, 0.3)
        fix = f"write `{line(key[-1], near[0])}`" if near else f"delete `{uri}`"
        problems.add(mix, key, got=uri, want=one_of(names), fix=fix)


def _check_floors(mix: Reading[MixSpec], problems: Problems) -> None:
    spec = mix.spec
    assert spec is not None
    ratios = list(ratio_keys(spec))
    named = {name for _, ratio in ratios for name in ratio}
    for domain, floor in spec.min_replay.items():
        if ratios and domain not in named and len(ratios) == len(spec.stretches):
            near = difflib.get_close_matches(domain, named, 1)
            fix = f"rename it to `{near[0]}`" if near else f"give `{domain}` a share of at least {floor:g}"
            problems.add(mix, ("min_replay", domain), got=domain, want=one_of(named), fix=fix, at_key=True)
            continue
        for key, ratio in ratios:
            share = ratio.get(domain, 0.0)
            if share < floor:
                got = f"{domain}: {share:g}" if domain in ratio else f"no share of {domain}"
                want = f"at least {floor:g} of it in every phase, the floor in `min_replay`"
                rest = sum(ratio.values()) - share
                scaled = {n: round(s * (1 - floor) / rest, 6) if rest else s for n, s in ratio.items() if n != domain}
                fix = f"write `{line('token_ratio', {**scaled, domain: floor})}`, or lower `min_replay`"
                at = (*key, domain) if domain in ratio else key
                problems.add(mix, at, got=got, want=want, fix=fix)


def _check_licenses(mix: Reading[MixSpec], domain: str, sources: Mapping[str, str], problems: Problems) -> None:
    spec = mix.spec
    assert spec is not None and spec.licenses is not None
    for name, stated in sources.items():
        if not allows(spec.licenses, stated):
            got = f"{domain}/{name} is under {stated}"
            want = f"sources under {', '.join(spec.licenses) or 'no licence at all'}"
            expression = canonical(stated)
            if expression is None:
                fix = f"in domains/{domain}.yaml, write its SPDX identifier, or a name of yours: LicenseRef-NAME"
            else:
                parts = [part for part in expression.replace(" OR ", " AND ").split(" AND ") if part]
                allowed = flow([*spec.licenses, *(part for part in parts if part not in spec.licenses)])
                fix = f"take `{domain}` or the source out, or, if you may, write `licenses: {allowed}`"
            problems.add(mix, ("licenses",), got=got, want=want, fix=fix)
