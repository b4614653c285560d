"""The spec of a domain: where its text comes from, under which licence, and what is filtered out."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from domainlm.specs.spec import Name, Positive, Share, Spec


class SourceSpec(Spec):
    """One source of documents."""

    name: Name = Field(examples=["documents"])
    """Unique in the domain; counts, ratios and bits per byte are reported under it."""
    uri: str = Field(min_length=1, examples=["data/law/*.jsonl"])
    """Where the documents are: a path or glob (`.jsonl`, `.jsonl.gz`, `.jsonl.zst`, `.parquet`, `.txt`, relative to the
    project; `${NAME}` is read from the environment), `hf:OWNER/DATASET` or `hf:./folder` (a Hugging Face dataset), or
    `installed:licenses`, `installed:readmes`, `installed:docs`, `installed:docstrings` (what this set-up installed)."""
    license: str = Field(min_length=1, examples=["CC-BY-4.0"])
    """SPDX identifier or the licence as its publisher states it."""
    text_field: str = "text"
    """Field that holds the text, where documents have fields."""
    id_field: str | None = None
    """Field that holds a document's id; without it, the id is the source's name and the document's place."""
    config: str | None = None
    """Configuration of a Hugging Face dataset."""
    split: str = "train"
    """Split of a Hugging Face dataset."""
    heldout_uri: str | None = None
    """Documents that were held out beforehand; given, no document of `uri` is held out by hash."""
    url: str | None = None
    """A page about the source, for the report."""
    max_docs: Positive | None = None
    """Read at most so many documents, in the source's order."""


class DomainSpec(Spec):
    """A domain: its sources and how their text is cleaned."""

    name: Name = Field(examples=["law"])
    """How mixes and reports call the domain; the file has the same name."""
    description: str = ""
    """What the domain is, in a sentence."""
    sources: tuple[SourceSpec, ...] = Field(
        min_length=1, examples=[[{"name": "documents", "uri": "data/law/*.jsonl", "license": "CC-BY-4.0"}]]
    )
    """Where the documents come from."""
    heldout_share: Share = 0.02
    """Share of documents held out for evaluation, by the hash of their text, before anything else is done."""
    filters: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Filters by name, in order, each with its options: the files of `domainlm/corpus/filters`."""
