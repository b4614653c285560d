"""What reading a domain depends on: all of its spec but the thresholds, so that moving one reads nothing again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domainlm.specs.corpus import NearDuplicates
from domainlm.specs.domain import DomainSpec
from domainlm.specs.redact import RedactSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What is asked of the stage `read/DOMAIN`: its digest goes into the stage's key, and into that of each part."""

    domain: str
    sources: tuple[Mapping[str, Any], ...]
    """Without licence and page, which no document depends on."""
    heldout_share: float
    edits: tuple[tuple[str, Mapping[str, Any]], ...]
    """Name and options, in the order of the spec, which decides what comes out."""
    redact: RedactSpec | None
    filters: tuple[str, ...]
    """Those that score; whom they drop is decided later."""
    hashing: NearDuplicates | None
    """Its n-grams, bands and rows; None where near-duplicates stay."""


def reading_of(domain: DomainSpec, near_duplicates: NearDuplicates | None) -> Reading:
    """What reading `domain` for a corpus with these near-duplicates depends on."""
    return Reading(
        domain=domain.name,
        sources=tuple(source.model_dump(mode="json", exclude={"license", "url"}) for source in domain.sources),
        heldout_share=domain.heldout_share,
        edits=tuple(domain.edits.items()),
        redact=domain.redact,
        filters=tuple(sorted(domain.filters)),
        hashing=near_duplicates
        and NearDuplicates(
            ngram_words=near_duplicates.ngram_words, bands=near_duplicates.bands, rows=near_duplicates.rows
        ),
    )
