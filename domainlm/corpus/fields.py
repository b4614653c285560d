"""Which fields of a record make a document."""

from __future__ import annotations

from dataclasses import dataclass

from domainlm.corpus.span import Span
from domainlm.specs.template import Template


@dataclass(frozen=True, kw_only=True, slots=True)
class Fields:
    """What makes a document of a record, and of which part of its file."""

    prefix: str
    """Ids begin with it where the records have none of their own."""
    text: Template
    id_field: str | None = None
    encoding: str | None = None
    """Of the files, where it is declared."""
    span: Span | None = None
    """The part of the file that is read; None for all of it."""
