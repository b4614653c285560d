"""The five kinds of spec: which folder of `data_specs` holds each, and which record it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domainlm.specs.domain import DomainSpec
from domainlm.specs.mix import MixSpec
from domainlm.specs.run import RunSpec
from domainlm.specs.spec import Spec
from domainlm.specs.sweep import SweepSpec
from domainlm.specs.tokenizer import TokenizerSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of spec."""

    name: str
    folder: str
    model: type[Spec]


KINDS = (
    Kind(name="domain", folder="domains", model=DomainSpec),
    Kind(name="mix", folder="mixes", model=MixSpec),
    Kind(name="tokenizer", folder="tokenizers", model=TokenizerSpec),
    Kind(name="run", folder="runs", model=RunSpec),
    Kind(name="sweep", folder="sweeps", model=SweepSpec),
)


def kind_of(folder: str, values: Mapping[str, Any]) -> Kind | None:
    """The kind of a spec by the name of its folder, or else by its keys; None where they say nothing.

    >>> kind_of("mixes", {}).name, kind_of("elsewhere", {"token_ratio": {}, "name": "x"}).name
    ('mix', 'mix')
    """
    for kind in KINDS:
        if kind.folder == folder:
            return kind
    own = {kind.name: (set(kind.model.model_fields) - {"name", "description"}) & set(values) for kind in KINDS}
    best = max(KINDS, key=lambda kind: len(own[kind.name]))
    return best if own[best.name] else None
