"""One sentence out of a comparison: extend the base's vocabulary, replace or leave it, with the numbers behind it."""

from __future__ import annotations

from collections.abc import Sequence

from domainlm.tokens.compare import Compared, Fit

WORTH = 0.05
"""FLOPs per byte that a change of a trained model's vocabulary has to save on the domains: it costs new embeddings, and
training to learn them. A guess."""
REPLACING = 0.10
"""What a vocabulary with other ids has to save beyond one that keeps them: every embedding is learnt anew. A guess."""
_HARM = 0.01
"""More tokens on general text than this are told. A guess."""


def advice(compared: Sequence[Compared], general: Sequence[str]) -> str:
    """What to do with the first one's vocabulary, given the others; `general` names domains that are no target."""
    base, *others = compared
    domains = [fit.domain for fit in base.fits if fit.domain not in general] or [fit.domain for fit in base.fits]
    if not others:
        return f"Nothing to weigh: {base.name} is compared with no other."
    extended = [one for one in others if one.keeps_ids and one.vocab_size > base.vocab_size]
    saved = {one.name: _saved(base, one, domains) for one in others}
    best = max(others, key=lambda one: saved[one.name])
    kept = max(extended, key=lambda one: saved[one.name], default=None)
    gain = saved[kept.name] if kept is not None else 0.0
    if best not in extended and saved[best.name] > max(gain, WORTH) + REPLACING:
        less = f"; {kept.name}, which keeps the ids, saves {gain:.1%} of them" if kept is not None else ""
        return (
            f"Replace: {_said(base, best, domains, general)}{less}. A model that was trained with {base.name} has to "
            "learn all its embeddings anew."
        )
    if kept is not None and gain > WORTH:
        return f"Extend: {_said(base, kept, domains, general)}; it keeps every id of {base.name}."
    why = f"a change has to save {WORTH:.0%}"
    if best not in extended and saved[best.name] > WORTH:
        why = f"new embeddings have to save {WORTH + REPLACING:.0%}; extending {base.name} might give most of it"
    return f"Leave {base.name} as it is. The best of the others: {_said(base, best, domains, general)}; {why}."


def _said(base: Compared, one: Compared, domains: Sequence[str], general: Sequence[str]) -> str:
    per_token = one.flops_per_token / base.flops_per_token - 1
    said = (
        f"{one.name} takes {_change(_more_tokens(base, one, domains))} tokens on {' and '.join(domains)}, at "
        f"{_change(per_token)} FLOPs a token: {_change(-_saved(base, one, domains))} FLOPs a byte"
    )
    kept = [fit.domain for fit in base.fits if fit.domain in general and fit.domain not in domains]
    if kept:
        harm = _more_tokens(base, one, kept)
        said += f", {'but' if harm > _HARM else 'and'} {_change(harm)} tokens on {' and '.join(kept)}"
    return said


def _change(share: float) -> str:
    return f"{abs(share):.1%} {'more' if share > 0 else 'fewer'}" if abs(share) >= 0.0005 else "as many"


def _of(one: Compared, domains: Sequence[str]) -> list[Fit]:
    return [fit for fit in one.fits if fit.domain in domains]


def _more_tokens(base: Compared, one: Compared, domains: Sequence[str]) -> float:
    return sum(f.num_tokens for f in _of(one, domains)) / max(1, sum(f.num_tokens for f in _of(base, domains))) - 1


def _saved(base: Compared, one: Compared, domains: Sequence[str]) -> float:
    """Share of FLOPs per byte that `one` saves over the domains' text, all of it together."""
    spent = [sum(f.num_tokens for f in _of(who, domains)) * who.flops_per_token for who in (base, one)]
    return 1 - spent[1] / spent[0] if spent[0] else 0.0
