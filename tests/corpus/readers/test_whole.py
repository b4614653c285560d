"""Files that are one document: what a person reads comes out, and what gives no text is told by its true name."""

from __future__ import annotations

import base64
import gzip
import io
import zlib

import pytest
import zstandard

from domainlm.corpus import sources, stream
from domainlm.corpus.extract import Unreadable, apart, html, pdf, xml
from domainlm.corpus.readers.text import PdfReader
from tests.corpus.readers.conftest import ReadFile

PAGE = b"""<!doctype html><html><head><title>A case</title><script>var x = 1;</script></head><body>
<nav><a href="/">Home</a> <a href="/about">About</a></nav>
<main><h1>Smith v. Jones</h1><p>The appeal is <b>dismissed</b> with costs.</p><p>Caf%s.</p></main>
<footer>Terms of use</footer></body></html>"""


def test_html_gives_its_main_text_without_menus_and_scripts(read_file: ReadFile) -> None:
    [text] = read_file("a.html", PAGE.replace(b"%s", "é".encode())).texts
    assert "Smith v. Jones" in text
    assert "The appeal is dismissed with costs." in text
    assert "Café." in text
    assert "var x" not in text
    assert "About" not in text


@pytest.mark.parametrize(
    ("before", "e"),
    [
        (b"", b"\xe9"),
        (b'<meta charset="iso-8859-2">', b"\xe9"),
        (b'<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">', b"e"),
    ],
    ids=["nothing declared", "declared", "declared as before 2000"],
)
def test_html_in_an_old_encoding_is_read_as_browsers_do(before: bytes, e: bytes) -> None:
    text = html.text(before + PAGE.replace(b"%s", e))
    assert "Caf" + e.decode("latin-1") in text


def test_utf_16_pages_are_read() -> None:
    assert "Café" in html.text(PAGE.decode().replace("%s", "é").encode("utf-16"))


def test_pages_nested_too_deep_are_refused_before_they_take_minutes() -> None:
    with pytest.raises(Unreadable, match="nested more than 2,000 deep"):
        html.text(b"<div>" * 100_000 + b"x")
    assert html.text(b"<div><p>x</p></div>" * 5000).split() == ["x"] * 5000


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.html", b"%PDF-1.7 ...", "a PDF, not HTML"),
        ("a.html", b"<p>a\0b</p>", "NUL bytes: not text"),
        ("a.pdf", PAGE, "an HTML page, not a PDF"),
        ("a.pdf", b"PK\x03\x04...", "a zip archive, or an Office file, not a PDF"),
        ("a.pdf", b"%PDF-1.7 and no more", "a broken PDF"),
        ("a.xml", gzip.compress(b"<a>x</a>", mtime=0), "gzip data, not XML"),
        ("a.xml", b"<a><b>x</a>", "not XML: mismatched tag: line 1, column 9"),
        ("a.txt", b"\x89PNG\r\n", "a PNG image, not text"),
        ("a.txt", b"\0\0\0\1Bud1\0\0", "a .DS_Store of a Macintosh, not text"),
        (".DS_Store", b"\0\0\0\1Bud1\0\0", "a .DS_Store of a Macintosh, not text"),
        ("a.txt", b"text\0text", "NUL bytes: not text"),
        ("a.txt", b"caf\xe9", "not UTF-8: byte 0xe9 at 3"),
        ("a.md", b"\xffU\0T\0F\0", "not UTF-8: byte 0xff at 0"),
        ("a.docx", b"PK\x03\x04", "no reader for .docx files"),
        ("a.txt", b"", "an empty file"),
        ("a.html", b"", "an empty file"),
        ("a.pdf", b"", "an empty file"),
        ("a.csv", b"", "an empty file"),
        ("a.tsv", b"", "an empty file"),
        ("a.json", b"", "an empty file"),
        ("a.jsonl", b"", "an empty file"),
        ("a.parquet", b"", "an empty file"),
        ("a.warc", b"", "an empty file"),
        ("a.nc", b"", "an empty file"),
        ("a.txt.gz", gzip.compress(b"", mtime=0), "an empty file"),
        ("a.txt.gz", b"no gzip", "broken gzip data (Error -3 while decompressing data: incorrect header check)"),
        ("a.html.gz", gzip.compress(b"<p>" + bytes(range(60, 120)) * 9, mtime=0)[:-20], "gzip data ends early"),
    ],
)
def test_what_gives_no_text_is_quarantined_with_its_reason(
    read_file: ReadFile, name: str, content: bytes, reason: str
) -> None:
    found = read_file(name, content)
    assert found.faults == [(name, 0, reason)]
    assert not found.documents


def pdf_of(*pages: bytes) -> bytes:
    """A PDF with a line of text on each page."""
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] "
    page += b"/Resources << /Font << /F 3 0 R >> >> /Contents %d 0 R >>"
    kids = b" ".join(b"%d 0 R" % (4 + 2 * number) for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(pages), kids),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in enumerate(pages):
        body = b"BT /F 12 Tf 20 100 Td (%s) Tj ET" % text if text else b""
        objects += [page % (5 + 2 * number), b"<< /Length %d >>\nstream\n%s\nendstream" % (len(body), body)]
    written, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    tail = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(written))
    return written + head + table + tail


# `pdf_of(b"Secret.")`, encrypted by pypdf 7.1 with RC4 and the password "secret".
_ENCRYPTED = (
    "c-oCpyKdA#6fKcPLezBAY)L%t8KY$-@>mgtXrm3#gcNr?GmFt;NA_%#Q1Jsubd+=yd<j$(G>8%k#4k`Wc9PACrNA%Q=iYPf(eWJ|Y>)5I4UPuie|-LeC?"
    ">eJ&(Uy*vPb799%ow+VP4Nrb^tTqVwM`FXf#5;a$O@^BlLYJ+o~5;#1v(FrEBpK<{c3quTc3vsokK)C+fwdY~Q;QHtVw_LDI<y!7Sa!D4Y7WUNl8A)hUeY"
    "#OYtKxbm2;<fDp7uEp{%=VEPqCxNoVg^m4Z2PXfU(E46Hd*J7%K9&WnsK^zShrXJ{XPE1*-p0nm3v{&m{{HW88$a)UozSPB_L^58<BfanCj0f~mjAGySFd"
    "lsQ*S%5%l=DQwIchZOL2<Xa)2NyBrI4ia-~_G3gdDfeS@>Z2$h4zp=^SOUV?E<8EsweND)FVl+{p386+i!x*`xqsghC@!iK^UkX{HCRPI3-NZ~!k!#oG76"
    "*U4VE0lJehXNoyh_#eZDzw+YxD^1ou~s^eS{SPW(NqOfj8?)rYkWWiYebd@PUE@60WUF{BJC^HHKxQGMj2njm?Uc$XX}_C`WlN3lyl$oQ6H8seX^HL>pJc"
    "3#RBebr_~!8YaCIUO9I++<ATpkNWXxlp;Y){^gk_WX?LokIX{V5U2S6<p^1GkicvHe>`cb!5B}QqLI"
)


def test_a_pdf_gives_the_text_of_its_pages(read_file: ReadFile) -> None:
    assert read_file("a.pdf", pdf_of(b"Page one.", b"Page two.")).texts == ["Page one.\nPage two."]


def test_a_pdf_behind_a_password_or_without_text_is_told(read_file: ReadFile) -> None:
    encrypted = zlib.decompress(base64.b85decode(_ENCRYPTED))
    assert read_file("a.pdf", encrypted).faults == [("a.pdf", 0, "an encrypted PDF: it asks for a password")]
    [(_, _, reason)] = read_file("a.pdf", pdf_of(b"", b"")).faults
    assert reason == "a PDF without text on its 2 pages: if they are scans, it needs OCR"


def test_words_cut_at_a_line_end_are_joined_as_the_document_writes_them_elsewhere() -> None:
    assert (
        pdf.joined("a regulation; no regu\ufffe\nlation, well\ufffe\nbeing")
        == "a regulation; no regulation, well-being"
    )


def test_a_pdf_over_its_limit_is_quarantined(read_file: ReadFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PdfReader, "max_bytes", 100)
    assert read_file("a.pdf", pdf_of(b"x")).faults == [("a.pdf", 0, "a record of more than 100 bytes")]


def test_xml_gives_a_line_for_each_element_that_holds_text() -> None:
    statute = """<?xml version="1.0" encoding="iso-8859-1"?>
    <!DOCTYPE s [<!ENTITY name "Act">]>
    <s id="1"><title>The &name;</title><!-- no text -->
      <sec><label>1</label><text>A <term>clerk</term>, and
         an <i>officer</i> &amp; others.</text><empty/></sec>
    </s>""".encode("iso-8859-1")
    assert xml.text(statute) == "The Act\n1\nA clerk, and\nan officer & others."


def test_an_entity_bomb_is_refused_and_no_file_is_read() -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    with pytest.raises(Unreadable, match="not XML: limit on input amplification factor"):
        xml.text(f'<!DOCTYPE a [<!ENTITY e0 "ha">{levels}]><a>&e11;</a>'.encode())
    with pytest.raises(Unreadable, match="not XML: undefined entity"):
        xml.text(b'<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/hostname">]><a>&f;</a>')


def test_sgml_loses_its_tags_and_nothing_else(read_file: ReadFile) -> None:
    [text] = read_file("a.sgm", b"<DOC><TITLE>Grain</TITLE><P>Wheat &amp; maize\n<P>Prices</DOC>").texts
    assert text.split() == ["Wheat", "&", "maize", "Prices"] or text.split() == [
        "Grain",
        "Wheat",
        "&",
        "maize",
        "Prices",
    ]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gz", "zst"])
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.html", "a.csv", "a.json", "a.warc"])
def test_a_decompression_bomb_costs_little_memory_and_is_told(
    read_file: ReadFile, monkeypatch: pytest.MonkeyPatch, name: str, pack
) -> None:
    monkeypatch.setattr(stream, "MAX_RECORD_BYTES", 2**20)
    suffix = ".gz" if pack is gzip.compress else ".zst"
    found = read_file(name + suffix, pack(b" x" * 2**24))
    assert not found.documents
    assert len(found.faults) == 1
    largest = max(map(len, stream.blocks(io.BytesIO(pack(bytes(2**28))), name + suffix)))
    assert largest <= 40 * 2**20


def test_each_line_of_a_text_is_a_document_where_the_source_says_so(read_file: ReadFile) -> None:
    found = read_file("a.txt", b"one\r\n\nbad \xff\ntwo\xe2\x80\xa8still two\n", lines=True)
    assert found.texts == ["one", "two\u2028still two"]
    assert found.ids == ["law/a.txt/0", "law/a.txt/3"]
    assert found.faults == [("a.txt", 6, "not UTF-8: byte 0xff at 4")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_byte_order_mark_tells_utf_16_and_32(read_file: ReadFile, encoding: str) -> None:
    mark = "" if encoding in ("utf-16", "utf-32") else "\ufeff"
    documents, ledger = read_file("a.txt", f"{mark}Ähre \U0001f33e\nend".encode(encoding))
    assert [document.text for document in documents] == ["Ähre \U0001f33e\nend"] and not ledger.quarantined


def test_text_in_another_encoding_is_read_where_it_is_declared_and_else_quarantined(read_file: ReadFile) -> None:
    content = "caf\u00e9 \u2013 5 \u20ac".encode("cp1252")
    documents, ledger = read_file("a.txt", content)
    assert not documents and ledger.quarantined[0].reason == "not UTF-8: byte 0xe9 at 3"
    documents, ledger = read_file("a.txt", content, encoding="cp1252")
    assert [document.text for document in documents] == ["caf\u00e9 \u2013 5 \u20ac"]
    documents, ledger = read_file("a.jsonl", b'{"text": "' + content + b'"}\n', encoding="cp1252")
    assert [document.text for document in documents] == ["caf\u00e9 \u2013 5 \u20ac"]
    documents, ledger = read_file("a.txt", b"caf\x81", encoding="cp1252")
    assert not documents and ledger.quarantined[0].reason.startswith("not cp1252: ")
    documents, ledger = read_file("a.txt", b"\xff\xfea", encoding=None)
    assert not documents and ledger.quarantined[0].reason.startswith("not utf-16: ")


def test_lines_of_a_file_in_utf_16_are_not_cut_within_a_sign(read_file: ReadFile, monkeypatch) -> None:
    monkeypatch.setattr(sources, "_ITEM_BYTES", 10)
    documents, _ = read_file("a.txt", "eins\nzwei ਊ\ndrei".encode("utf-16"), lines=True)
    assert [document.text for document in documents] == ["eins", "zwei ਊ", "drei"]


def test_a_pdf_that_takes_too_long_or_brings_its_reader_down_costs_itself_only() -> None:
    page = pdf_of(b"x) Tj 0 1 Td (" * 2000)
    endless = page.replace(b"/Count 1 /Kids [4 0 R]", b"/Count 100000 /Kids [" + b"4 0 R " * 100_000 + b"]")
    reader = apart.Apart(max_cpu_s=1)
    with pytest.raises(Unreadable, match="a PDF that takes more than 1 CPU-seconds to read"):
        reader.text(endless)
    assert reader.text(pdf_of(b"The next.")) == "The next."
    assert reader._child is not None
    reader._child.kill()
    with pytest.raises(Unreadable, match=r"a PDF that brings its reader down \(SIGKILL\)"):
        reader.text(page)
    assert reader.text(pdf_of(b"The one after.")) == "The one after."
    reader.close()
