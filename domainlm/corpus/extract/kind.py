"""What bytes are by their beginning, whatever the file is called."""

from __future__ import annotations

import re

_BEGINNINGS = (
    (b"%PDF-", "a PDF"),
    (b"\x1f\x8b", "gzip data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ", "xz data"),
    (b"PK\x03\x04", "a zip archive, or an Office file"),
    (b"\xd0\xcf\x11\xe0", "an old Office file"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"\0\0\0\x01Bud1", "a .DS_Store of a Macintosh"),
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3", "a SQLite database"),
)
_PAGE = re.compile(rb"(?i)(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype html|html)\b")


def binary(content: bytes) -> str:
    """What `content` is, where it begins as something that holds no plain text; empty where it does not.

    >>> binary(b"%PDF-1.7 ..."), binary(b"Dear Sir")
    ('a PDF', '')
    """
    return next((name for beginning, name in _BEGINNINGS if content.startswith(beginning)), "")


def is_page(content: bytes) -> bool:
    """Whether `content` begins as an HTML page.

    >>> is_page(b"\\xef\\xbb\\xbf<!doctype html>"), is_page(b"Dear Sir")
    (True, False)
    """
    return _PAGE.match(content[:1000]) is not None
