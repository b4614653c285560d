"""Drops texts that are mostly not letters: tables of numbers, rulers, code dumps, encoded binaries."""

from __future__ import annotations

import string

from domainlm.specs.spec import Share, Spec

_ASCII_LETTERS = string.ascii_letters.encode()
_ASCII = bytes(range(128))
_SPACES = b" \t\n"


class Options(Spec):
    """How much of a text may be something else than letters."""

    max_share: Share = 0.4
    """Largest share of characters, white space not counted, that are no letters of any alphabet. A guess."""


def reason(text: str, options: Options) -> str | None:
    """Why `text` is dropped, or None.

    >>> reason("1,234.56 | 7,890.12", Options())
    'more than 40% are no letters'
    """
    return f"more than {options.max_share:.0%} are no letters" if share(text) > options.max_share else None


def share(text: str) -> float:
    """Share of the characters other than white space that are no letters; 0 for an empty text.

    >>> share("ab 12")
    0.5
    """
    utf8 = text.encode()
    beyond_ascii = utf8.translate(None, _ASCII).decode()
    num_spaces = sum(map(utf8.count, _SPACES))
    num_ascii = len(utf8) - len(beyond_ascii.encode()) - num_spaces
    num_chars = num_ascii + len(beyond_ascii)
    if num_chars == 0:
        return 0.0
    num_letters = len(utf8) - len(utf8.translate(None, _ASCII_LETTERS)) + sum(map(str.isalpha, beyond_ascii))
    return (num_chars - num_letters) / num_chars
