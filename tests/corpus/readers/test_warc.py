"""WARC: pages become text, what is no page is counted, and where the file breaks is told, which fastwarc does not."""

from __future__ import annotations

import gzip
import zlib

import pytest

from domainlm.corpus import stream
from tests.corpus.readers.conftest import ReadFile

WORDS = "The court held that the statute applies to every carrier within the state."


def record(kind: str, content: bytes, media: str, uri: str = "https://example.org/") -> bytes:
    """A record as a crawler writes it."""
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {uri}\r\nWARC-Date: 2024-01-01T00:00:00Z\r\n"
    head += f"WARC-Record-ID: <urn:uuid:{zlib.crc32(content):08x}>\r\nContent-Type: {media}\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n%s\r\n\r\n" % (len(content), content)


def response(body: bytes, headers: str = "Content-Type: text/html; charset=utf-8", status: str = "200 OK") -> bytes:
    http = f"HTTP/1.1 {status}\r\n{headers}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    return record("response", http, "application/http; msgtype=response")


def page(words: str) -> bytes:
    return f"<html><body><main><p>{words}</p></main></body></html>".encode()


RECORDS = [
    record("warcinfo", b"software: test\r\n", "application/warc-fields"),
    record("request", b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "application/http; msgtype=request"),
    response(page(WORDS)),
    response(page("Not found."), status="404 Not Found"),
    response(b"\x89PNG...", "Content-Type: image/png"),
    response(gzip.compress(page(WORDS + " Packed.")), "Content-Type: text/html\r\nContent-Encoding: gzip"),
    response(b"Plain caf\xe9.", "Content-Type: text/plain; charset=latin-1"),
    record("conversion", b"A text of a WET file.", "text/plain"),
    record("resource", b"log of the crawler", "text/plain", "metadata://gnu.org/software/wget/warc/wget.log"),
]


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
def test_pages_become_text_and_the_rest_is_counted(read_file: ReadFile, name: str) -> None:
    pack = gzip.compress if name.endswith(".gz") else bytes
    found = read_file(name, b"".join(map(pack, RECORDS)))
    assert found.texts == [WORDS, WORDS + " Packed.", "Plain café.", "A text of a WET file."]
    assert found.ids[0] == f"law/{name}/{len(RECORDS[0]) + len(RECORDS[1])}"
    assert found.ledger.reasons() == {
        "WARC: HTTP status 404": 1,
        "WARC: a note of the crawler": 1,
        "WARC: image/png": 1,
    }
    assert not found.faults


def test_chunks_are_put_together(read_file: ReadFile) -> None:
    body = page(WORDS)
    chunks = b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (20, body[:20], len(body) - 20, body[20:])
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    assert read_file("a.warc", record("response", http, "application/http; msgtype=response")).texts == [WORDS]


@pytest.mark.parametrize("cut", [40, 300])
def test_a_truncated_gz_costs_the_record_that_it_cuts(read_file: ReadFile, cut: int) -> None:
    last = response(page(" ".join(f"{WORDS} {i**9}" for i in range(50))))
    packed = b"".join(map(gzip.compress, [*RECORDS[:3], last]))
    found = read_file("a.warc.gz", packed[:-cut])
    assert found.texts == [WORDS]
    [(_, offset, reason)] = found.faults
    assert reason == "gzip data ends early; the rest of the file is lost"
    assert offset <= sum(map(len, RECORDS[:3]))


def test_a_gz_that_lacks_its_checksum_is_told_and_its_pages_are_read(read_file: ReadFile) -> None:
    found = read_file("a.warc.gz", gzip.compress(RECORDS[2])[:-3])
    assert found.texts == [WORDS]
    assert found.faults == [("a.warc.gz", len(RECORDS[2]), "gzip data ends early; the rest of the file is lost")]


@pytest.mark.parametrize("kept", [3, 20, 200, 400])
def test_a_truncated_plain_file_costs_the_record_that_it_cuts(read_file: ReadFile, kept: int) -> None:
    whole = b"".join(RECORDS[:3])
    found = read_file("a.warc", whole + response(page(WORDS * 9))[:kept])
    assert found.texts == [WORDS]
    [(_, offset, reason)] = found.faults
    assert offset == len(whole)
    assert reason.endswith("; the rest of the file is lost")


def test_garbage_between_records_costs_the_rest(read_file: ReadFile) -> None:
    whole = b"".join(RECORDS[:3])
    found = read_file("a.warc", whole + b"garbage\r\n" * 9 + RECORDS[2])
    assert found.texts == [WORDS]
    assert found.faults == [("a.warc", len(whole), "Invalid WARC header; the rest of the file is lost")]


def test_a_page_that_inflates_too_much_and_a_record_too_long_cost_themselves(
    read_file: ReadFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MAX_RECORD_BYTES", 10_000)
    bomb = response(gzip.compress(b"<p>" + bytes(10**6)), "Content-Type: text/html\r\nContent-Encoding: gzip")
    found = read_file("a.warc", bomb + response(page(WORDS * 1000)) + RECORDS[2])
    assert found.texts == [WORDS]
    assert [reason for _, _, reason in found.faults] == [
        "a page of more than 10,000 bytes, once inflated",
        "a record of more than 10,000 bytes",
    ]
