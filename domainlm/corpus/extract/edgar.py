"""EDGAR's full-text submissions: their documents one by one, without header fields and without encoded binaries.

A submission is a header (<SEC-HEADER>, or a PEM header before 2001) and any number of documents between <DOCUMENT> and
</DOCUMENT>, each with <TYPE>, <SEQUENCE>, ... and its content between <TEXT> and </TEXT>.
Source: EDGAR public dissemination service, technical specification, 2.2.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from domainlm.corpus import stream
from domainlm.corpus.extract import Unreadable, kind, xml
from domainlm.corpus.extract import html as page
from domainlm.corpus.stream import Line

_SUBMISSION = re.compile(
    rb"\s*(-----BEGIN PRIVACY-ENHANCED MESSAGE-----|<(SEC-DOCUMENT|IMS-DOCUMENT|SUBMISSION)>|<DOCUMENT>\s*<TYPE>)"
)
_FIELD = re.compile(rb"<(TYPE|SEQUENCE)>([^\r\n]*)")
_ENCODED = re.compile(rb"begin [0-7]{3} \S")
_BINARY_TYPES = ("GRAPHIC", "ZIP", "EXCEL", "PDF", "JSON", "XML")
_WRAPPER = re.compile(rb"\A\s*<(?:XBRL|XML|PDF)>\s*|\s*</(?:XBRL|XML|PDF)>\s*\Z")
_PAGE = re.compile(rb"(?i)<(html|body|!doctype html)\b")
_MARKUP = re.compile(r"</?(?:PAGE|TABLE|CAPTION|S|C|FN|F\d+|R\d*)>[ \t]*")


@dataclass(kw_only=True, slots=True)
class Filed:
    """A document of a submission."""

    offset: int
    """Byte of its <DOCUMENT>, after decompression."""
    type: str = ""
    sequence: str = ""
    content: list[bytes] = field(default_factory=list)
    """Lines, without those of encoded binaries; none of a document that is skipped."""
    num_bytes: int = 0
    encoded: bool = False
    fault: str = ""
    """Why it is not whole; empty where it is."""

    def skipped(self) -> str:
        """Why it is no main document of the filing; empty where it is one."""
        if self.type.startswith("EX-"):
            return "EDGAR: an exhibit"
        if self.type in _BINARY_TYPES:
            return "EDGAR: a graphic or another binary"
        if self.encoded and not b"".join(self.content).strip():
            return "EDGAR: an encoded binary"
        return ""

    def text(self) -> str:
        """What a person reads. Raises Unreadable."""
        content = _WRAPPER.sub(b"", b"\n".join(self.content))
        if _PAGE.search(content[:10_000]):
            return page.text(content)
        if content.lstrip().startswith(b"<?xml"):
            return xml.text(content.lstrip())
        try:
            plain = content.decode()
        except UnicodeDecodeError as error:
            raise Unreadable(f"not UTF-8: byte 0x{content[error.start]:02x} at {error.start}") from error
        return html.unescape(_MARKUP.sub("", plain))


def is_submission(head: bytes) -> bool:
    """Whether a file that begins with `head` is a submission.

    >>> is_submission(b"<SEC-DOCUMENT>0000.txt"), is_submission(b"Annual report")
    (True, False)
    """
    return _SUBMISSION.match(head) is not None and not kind.binary(head)


def documents(lines: Iterator[Line]) -> Iterator[Filed]:
    """The documents of a submission in order; one that is damaged, too long or without end has a fault."""
    filed: Filed | None = None
    inside_text = inside_binary = False
    for line in lines:
        mark = line.content.strip()
        if filed is None:
            if line.fault:
                yield Filed(offset=line.offset, fault=line.fault)
            elif mark == b"<DOCUMENT>":
                filed, inside_text, inside_binary = Filed(offset=line.offset), False, False
        elif line.fault:
            filed.fault = filed.fault or line.fault
        elif mark == b"</DOCUMENT>":
            yield filed
            filed = None
        elif not inside_text:
            _read_field(filed, mark)
            inside_text = mark == b"<TEXT>"
        elif mark == b"</TEXT>":
            inside_text = inside_binary = False
        elif inside_binary:
            inside_binary = mark != b"end"
        elif _ENCODED.match(line.content):
            filed.encoded = inside_binary = True
        elif not filed.type.startswith("EX-") and filed.type not in _BINARY_TYPES:
            _keep(filed, line.content)
    if filed is not None:
        filed.fault = filed.fault or "the submission ends inside a document"
        yield filed


def _read_field(filed: Filed, line: bytes) -> None:
    found = _FIELD.match(line)
    if found:
        value = found[2].strip().decode("ascii", "replace")
        if found[1] == b"TYPE":
            filed.type = value
        else:
            filed.sequence = value


def _keep(filed: Filed, line: bytes) -> None:
    filed.num_bytes += len(line) + 1
    if filed.num_bytes > stream.MAX_RECORD_BYTES:
        filed.content.clear()
        filed.fault = f"a document of more than {stream.MAX_RECORD_BYTES:,} bytes"
    else:
        filed.content.append(line.removesuffix(b"\r"))
