"""The text of a PDF, page after page, without its repeated line ends.

By pdfium (BSD-3-Clause and Apache-2.0, the engine of Chrome): for a 32-page transcript it took 0.14 CPU-seconds, pypdf
0.97 with its import, pdfplumber 2.7, with the same words; pymupdf is under the AGPL.
"""

from __future__ import annotations

import re

import pypdfium2
from pypdfium2 import raw

from domainlm.corpus.extract import Unreadable, kind

_REASONS = {
    raw.FPDF_ERR_PASSWORD: "an encrypted PDF: it asks for a password",
    raw.FPDF_ERR_SECURITY: "an encrypted PDF, by a method that is not known",
}
_LINE_END_HYPHEN = re.compile(r"\b(\w+)\ufffe(?:\r?\n)?(\w+)")


def text(content: bytes) -> str:
    """The text of all pages. Raises Unreadable where it is no PDF, is encrypted, is broken, or holds no text."""
    if b"%PDF-" not in content[:1024]:
        found = "an HTML page" if kind.is_page(content) else kind.binary(content) or "something else"
        raise Unreadable(f"{found}, not a PDF")
    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        raise Unreadable(_REASONS.get(error.err_code or 0, "a broken PDF")) from error
    try:
        pages = [_page(document, number) for number in range(len(document))]
    except pypdfium2.PdfiumError as error:
        raise Unreadable(f"a broken PDF: {error}") from error
    finally:
        document.close()
    if not any(map(str.strip, pages)):
        raise Unreadable(f"a PDF without text on its {len(pages)} pages: if they are scans, it needs OCR")
    return joined("\n".join(pages).replace("\r\n", "\n"))


def _page(document: pypdfium2.PdfDocument, number: int) -> str:
    page = document[number]
    try:
        words = page.get_textpage()
        try:
            return words.get_text_range()
        finally:
            words.close()
    finally:
        page.close()


def joined(page_text: str) -> str:
    """Words that a hyphen cuts at the end of a line (pdfium marks it as U+FFFE): joined, where the document writes them
    without it elsewhere, and else with the hyphen.

    >>> joined("inflation; in\\ufffeflation, well\\ufffebeing")
    'inflation; inflation, well-being'
    """
    if "\ufffe" not in page_text:
        return page_text
    known = set(re.findall(r"\w+", page_text.lower()))
    return _LINE_END_HYPHEN.sub(
        lambda cut: cut[1] + ("" if (cut[1] + cut[2]).lower() in known else "-") + cut[2], page_text
    ).replace("\ufffe", "-")
