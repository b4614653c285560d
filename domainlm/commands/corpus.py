"""`domainlm corpus why | stats | sample`: what became of a document, of a source, and what a filter takes."""

from __future__ import annotations

from domainlm.commands.options import group

app = group("corpus", "data_specs/runs/demo.yaml")
