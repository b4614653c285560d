"""Documents out of installed files: licences and docs as they are, READMEs from metadata, docstrings from source."""

from __future__ import annotations

import ast
import email.parser
import email.policy
import warnings
from collections.abc import Callable, Iterator

from datatrove.data import Document

from domainlm.corpus.fields import Fields
from domainlm.corpus.installed import Entry, entries
from domainlm.corpus.ledger import Ledger
from domainlm.corpus.readers.careful import CarefulReader, decoded
from domainlm.specs.template import of_field

_Node = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class InstalledReader(CarefulReader):
    """`installed:KIND`; a file that holds no text of that kind (a module without docstrings) is no record."""

    name = "Installed files"

    def __init__(self, kind: str, ledger: Ledger, *, prefix: str):
        self.entries = {entry.id: entry for entry in entries(kind)}
        super().__init__(".", tuple(self.entries), ledger, Fields(prefix=prefix, text=of_field("text")))
        self.text_of = TEXT_OF[kind]

    def read_file(self, filepath: str) -> Iterator[Document]:
        entry: Entry = self.entries[filepath]
        content = entry.path.read_bytes()
        try:
            text = self.text_of(content)
        except (ValueError, SyntaxError) as error:
            self.ledger.quarantine(filepath, 0, f"{type(error).__name__}: {str(error)[:200]}", content)
            return
        if text:
            document = self.plain(text, filepath, 0)
            if document is not None:
                yield document


def plain(content: bytes) -> str:
    """The text of UTF-8 bytes; raises ValueError where they are none."""
    text, fault = decoded(content)
    if fault:
        raise ValueError(fault)
    return text


def long_description(content: bytes) -> str:
    """The README inside a METADATA file: its body, or the older field `Description`."""
    metadata = email.parser.Parser(policy=email.policy.compat32).parsestr(plain(content))
    return str(metadata.get_payload() or metadata.get("Description", "")).strip()


def docstrings(content: bytes) -> str:
    r"""Docstrings of a module, its classes and functions, in source order, an empty line between.

    >>> docstrings(b'"One."\nclass A:\n    "Two."\n    def b(self):\n        "Three."\n')
    'One.\n\nTwo.\n\nThree.'
    """
    if b'"""' not in content and b"'''" not in content and content.count(b"\n") > 100:
        return ""  # parsing costs most of the time, and long modules documented with single quotes only are not seen
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in others' source
        module = ast.parse(content)
    return "\n\n".join(_docstrings(module))


def _docstrings(node: _Node) -> Iterator[str]:
    own = ast.get_docstring(node)
    if own:
        yield own
    pending: list[ast.stmt] = list(reversed(node.body))
    while pending:
        statement = pending.pop()
        if isinstance(statement, _Node):
            yield from _docstrings(statement)
        elif isinstance(statement, ast.If | ast.Try | ast.With):
            pending.extend(reversed(statement.body))


TEXT_OF: dict[str, Callable[[bytes], str]] = {
    "licenses": plain,
    "readmes": long_description,
    "docs": plain,
    "docstrings": docstrings,
}
