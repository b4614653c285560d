"""The spec of a domain: where its text comes from, under which licence, and what is filtered out."""

from __future__ import annotations

import codecs
from typing import Any, Self

from pydantic import Field, model_validator

from domainlm.specs import template
from domainlm.specs.flow import line
from domainlm.specs.redact import RedactSpec
from domainlm.specs.spec import Mistake, Name, Positive, Share, Spec
from domainlm.specs.template import Template


def _is_encoding(name: str) -> bool:
    """Whether Python reads text in it, a piece at a time."""
    try:
        return codecs.lookup(name).incrementaldecoder is not None and isinstance(codecs.decode(b"", name), str)
    except (LookupError, ValueError, TypeError):
        return False


class SourceSpec(Spec):
    """One source of documents."""

    name: Name = Field(examples=["documents"])
    """Unique in the domain; counts, ratios and bits per byte are reported under it."""
    uri: str = Field(min_length=1, examples=["data/law/*.jsonl"])
    """Where the documents are: a path or glob, relative to the project (`${NAME}` is read from the environment); a URL
    such as `s3://bucket/folder`; `hf:OWNER/DATASET` or `hf:./folder` (a Hugging Face dataset); or `installed:licenses`,
    `installed:readmes`, `installed:docs`, `installed:docstrings` (what this set-up installed). Files are read by their
    ending: .jsonl, .json, .csv, .tsv, .parquet, .arrow, .warc, .html, .pdf, .xml, .sgml, .nc (EDGAR), plain or with .gz
    or .zst; any other is text, one document a file."""
    license: str = Field(min_length=1, examples=["CC-BY-4.0"])
    """SPDX identifier or the licence as its publisher states it."""
    text_field: str = Field(default="text", min_length=1)
    """Field that holds the text, where documents have fields."""
    text: str | None = Field(default=None, examples=["{title}\n\n{body}"])
    """Text out of several fields: their names in braces, and what stands between them. `{{` is a brace."""
    id_field: str | None = None
    """Field that holds a document's id; without it, the id is the source's name and the document's place."""
    encoding: str | None = Field(default=None, examples=["cp1252"])
    """Encoding of text, JSON and CSV files that are not in UTF-8, as Python names it. UTF-16 and UTF-32 with a byte
    order mark are known without it, and HTML and XML say it themselves."""
    lines: bool = False
    """Each line of a text file is a document of its own."""
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

    @model_validator(mode="after")
    def _known_encoding(self) -> Self:
        if self.encoding is not None and not _is_encoding(self.encoding):
            want = "an encoding that Python knows, such as cp1252, latin-1, utf-16-le or shift_jis"
            raise Mistake("encoding", got=f"{self.encoding}", want=want, fix="write `encoding: cp1252`")
        return self

    @model_validator(mode="after")
    def _one_text(self) -> Self:
        if self.text is None:
            return self
        if "text_field" in self.model_fields_set:
            want = "one of them: `text_field` for one field, `text` for several"
            raise Mistake("text_field", got="`text_field` and `text`", want=want, fix="delete `text_field`")
        try:
            template.parse(self.text)
        except ValueError as error:
            want = "names of fields in braces, such as {title} and {body}"
            fix = line("text", "{title}\n\n{body}")
            raise Mistake("text", got=f"{self.text}, with {error}", want=want, fix=f"write `{fix}`") from error
        return self

    def text_template(self) -> Template:
        """Which fields the text is made of."""
        return template.of_field(self.text_field) if self.text is None else template.parse(self.text)


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
    edits: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """What is mended in each text before filters see it, by name, in order, each with its options: the files of
    `domainlm/corpus/edits`."""
    redact: RedactSpec | None = None
    """What personal data is replaced by placeholders, after the edits; None replaces nothing."""
    filters: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Filters by name, in order, each with its options: the files of `domainlm/corpus/filters`."""
