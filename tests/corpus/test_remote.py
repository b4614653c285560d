"""URLs are read as files are: from memory, an S3 server, over http; what could change unseen is refused."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import fsspec
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domainlm.corpus import places, sources
from domainlm.corpus.ledger import Ledger
from domainlm.errors import DataError
from domainlm.specs import remote
from tests.corpus.conftest import domain
from tests.corpus.readers.conftest import read_source


def _jsonl(*texts: str) -> bytes:
    return b"".join(orjson.dumps({"text": text}) + b"\n" for text in texts)


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    filesystem = fsspec.filesystem("memory")
    filesystem.store.clear()
    filesystem.pipe({"/law/a.jsonl": _jsonl("a"), "/law/deep/b.txt": b"b", "/law/deep/c.csv": b"text\nc\n"})
    yield filesystem
    filesystem.store.clear()


@pytest.mark.parametrize(
    ("uri", "ids"),
    [
        ("memory://law", ["law/a.jsonl/0", "law/deep/b.txt", "law/deep/c.csv/0"]),
        ("memory://law/deep/*.csv", ["law/c.csv/0"]),
        ("memory://law/a.jsonl", ["law/a.jsonl/0"]),
        ("memory://law/**/*.txt", ["law/deep/b.txt"]),
    ],
)
def test_a_folder_a_glob_or_a_file_behind_a_url_is_read(memory, tmp_path: Path, uri: str, ids: list[str]) -> None:
    assert read_source(tmp_path, uri).ids == ids


def test_a_huge_parquet_file_behind_a_url_is_read_in_parts(memory, tmp_path: Path, monkeypatch) -> None:
    table = pa.table({"text": [f"text {i}" for i in range(100)]})
    with memory.open("/law/a.parquet", "wb") as file:
        pq.write_table(table, file, row_group_size=10)
    whole = read_source(tmp_path, "memory://law/a.parquet")
    monkeypatch.setattr(sources, "_ITEM_BYTES", 300)
    assert len(sources.items([domain("legal", {"law": "memory://law/a.parquet"})], tmp_path, {})) > 3
    assert read_source(tmp_path, "memory://law/a.parquet").ids == whole.ids


def test_fingerprints_change_with_what_lies_behind_the_url(memory, tmp_path: Path) -> None:
    legal = domain("legal", {"law": "memory://law/*.jsonl"})
    before = places.fingerprints([legal], tmp_path)
    assert before == places.fingerprints([legal], tmp_path)
    memory.pipe("/law/a.jsonl", _jsonl("b"))
    assert before != places.fingerprints([legal], tmp_path)


def test_what_is_not_there_or_could_change_unseen_is_refused(memory, tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(DataError, match=r"memory://none/\*: no file is there"):
        read_source(tmp_path, "memory://none/*")
    monkeypatch.setattr(remote, "_DATES", ())
    with pytest.raises(DataError, match=r"memory://law/a\.jsonl: /law/a\.jsonl has no checksum or date, so its change"):
        read_source(tmp_path, "memory://law/a.jsonl")


def test_a_package_that_is_wanting_is_named_with_its_command(tmp_path: Path, monkeypatch) -> None:
    def lacks(protocol: str) -> None:
        raise ImportError(protocol)

    monkeypatch.setattr(fsspec, "get_filesystem_class", lacks)
    with pytest.raises(DataError, match=r"s3://b/a.jsonl: .* is not installed; run `pip install 'domainlm\[s3\]'`"):
        read_source(tmp_path, "s3://b/a.jsonl")
    with pytest.raises(DataError, match="run `pip install gcsfs`"):
        read_source(tmp_path, "gs://b/a.jsonl")


def test_a_connection_that_fails_while_reading_is_raised_and_no_data_is_taken_for_broken(
    memory, tmp_path: Path, monkeypatch
) -> None:
    with memory.open("/law/a.parquet", "wb") as file:
        pq.write_table(pa.table({"text": ["a"]}), file)

    def breaks(self: object, *args: object) -> bytes:
        raise TimeoutError("the server does not answer")

    [item] = sources.items([domain("legal", {"law": "memory://law/a.parquet"})], tmp_path, {})
    monkeypatch.setattr("fsspec.implementations.memory.MemoryFile.read", breaks)
    with pytest.raises(TimeoutError):
        list(sources.documents(item, Ledger()))


class _Server(http.server.SimpleHTTPRequestHandler):
    """Says an ETag of all but `untagged.jsonl`."""

    protocol_version = "HTTP/1.1"

    def end_headers(self) -> None:
        if not self.path.endswith("untagged.jsonl"):
            self.send_header("ETag", '"1"')
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_file_over_http_is_read_and_one_that_is_missing_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(_jsonl("a", "b"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Server, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        assert read_source(tmp_path, f"{url}/a.jsonl").texts == ["a", "b"]
        (tmp_path / "untagged.jsonl").write_bytes(_jsonl("a"))
        with pytest.raises(
            DataError, match=r"untagged\.jsonl has no checksum or date, so its change would not be seen"
        ):
            read_source(tmp_path, f"{url}/untagged.jsonl")
        with pytest.raises(DataError, match=r"none\.jsonl: cannot be listed \(FileNotFoundError"):
            read_source(tmp_path, f"{url}/none.jsonl")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_s3_server_is_read_and_its_etags_are_the_fingerprint(tmp_path: Path, monkeypatch) -> None:
    server_module = pytest.importorskip("moto.server")
    for name, value in {
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        s3 = fsspec.filesystem("s3")
        s3.mkdir("bucket")
        s3.pipe({"bucket/law/a.jsonl": _jsonl("a"), "bucket/law/b.txt": b"b", "bucket/other.txt": b"no"})
        found = read_source(tmp_path, "s3://bucket/law")
        assert list(zip(found.ids, found.texts, strict=True)) == [("law/a.jsonl/0", "a"), ("law/b.txt", "b")]
        assert read_source(tmp_path, "s3://bucket/*/*.txt").ids == ["law/law/b.txt"]
        [file] = remote.listed("s3://bucket/law/b.txt")[1]
        assert file.mark == '1 bytes, ETag "92eb5ffee6ae2fec3ad71c777531578f"'
        with pytest.raises(DataError, match=r"s3://nowhere/a\.txt: "):
            read_source(tmp_path, "s3://nowhere/a.txt")
    finally:
        fsspec.filesystem("s3").clear_instance_cache()
        server.stop()
