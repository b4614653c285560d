"""What a file holds, by its name: the same answer for the check, the plan of the work and the reader."""

from __future__ import annotations

import re
from typing import Literal

Format = Literal[
    "jsonl", "json", "csv", "tsv", "parquet", "arrow", "warc", "html", "pdf", "xml", "sgml", "edgar", "text", "unread"
]

SUFFIXES: dict[Format, tuple[str, ...]] = {
    "jsonl": (".jsonl", ".ndjson"),
    "json": (".json",),
    "csv": (".csv",),
    "tsv": (".tsv",),
    "parquet": (".parquet",),
    "arrow": (".arrow", ".feather"),
    "warc": (".warc", ".wet"),
    "html": (".html", ".htm", ".xhtml"),
    "pdf": (".pdf",),
    "xml": (".xml", ".nxml"),
    "sgml": (".sgml", ".sgm"),
    "edgar": (".nc",),
    "unread": (
        *(".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".odt", ".rtf", ".epub"),
        *(".zip", ".tar", ".tgz", ".bz2", ".xz", ".7z", ".rar"),
        *(".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".bmp", ".mp3", ".mp4"),
        *(".npy", ".npz", ".pt", ".pkl", ".pickle", ".safetensors", ".db", ".sqlite"),
    ),
}
"""Endings by format; all but the unread may be followed by .gz or .zst. What is none of these is text."""
FIELDS: frozenset[Format] = frozenset({"jsonl", "json", "csv", "tsv", "parquet", "arrow"})
"""Formats whose records have fields."""
ENCODED: frozenset[Format] = frozenset({"jsonl", "json", "csv", "tsv", "text"})
"""Formats that say nothing of their encoding."""
READ = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".warc", ".html", ".pdf", ".xml", ".txt", ".md")
"""Endings as they are told to a person: the common ones."""

_FORMATS = {suffix: name for name, suffixes in SUFFIXES.items() for suffix in suffixes}


def unpacked(file: str) -> str:
    """`file` without the ending of its compression.

    >>> unpacked("a.jsonl.zst"), unpacked("a.txt")
    ('a.jsonl', 'a.txt')
    """
    return re.sub(r"(?i)\.(gz|zst)$", "", file)


def format_of(file: str) -> Format:
    """The format of a file of that name.

    >>> format_of("a/b.JSONL.gz"), format_of("page.htm"), format_of("notes"), format_of("a.tar.gz")
    ('jsonl', 'html', 'text', 'unread')
    """
    return _FORMATS.get("." + unpacked(file).rpartition(".")[2].lower(), "text")
