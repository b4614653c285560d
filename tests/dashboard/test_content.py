"""What is shown comes from the store, by names that are looked up; the server answers those and nothing else."""

from __future__ import annotations

import json
import math
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.against.runs import rows
from domainlm.dashboard import static
from domainlm.dashboard.content import Content, columns
from domainlm.dashboard.server import Server
from domainlm.results import files
from tests.dashboard.conftest import StoreOf


def said(script: bytes | None) -> Any:
    """The value that a script hands over."""
    assert script is not None
    return json.loads("[" + script.decode().strip().removeprefix("domainlm.receive(").removesuffix(");") + "]")[1]


def test_rows_are_written_by_column_and_words_once() -> None:
    found = columns([{"a": "x", "b": 1.23456789}, {"a": "y", "b": math.inf}, {"a": "x", "b": math.nan}])
    assert found == {"a": {"words": ["x", "y"], "at": [0, 1, 0]}, "b": [1.23457, None, None]}


def test_every_model_of_every_record_is_in_the_overview_and_has_its_lineage_and_items(store_of: StoreOf) -> None:
    content = Content(store_of(3))
    names = [name for name, _ in content.scripts()]
    assert names[0] == "data.js" and len(names) == 1 + 3 * (1 + 2)
    overview = said(content.get("data.js"))
    assert len(overview["models"]["place"]) == 9 and len(overview["exchanges"]["gain"]) == 6
    record = next(name for name in names if name.startswith("records/"))
    details = said(content.get(record))
    assert [model["model"] for model in details["models"]] == ["base", "mix-51", "domain-only"]
    assert details["models"][1]["graph"]["routes"]
    items = said(content.get(f"items/{details['record']}.1.js"))["items"]
    assert len(items) == 12 and set(items["0000"]["by"]) == {"base", "mix-51", "domain-only"}


NONE_OF_OURS = """
    index.js ../data.js records/../data.js records/0000000000000000.js items/0000000000000000.0.js records/%2e%2e.js
    data.js/ /etc/passwd records/abc.js items/0123456789abcdef.99999.js
""".split()  # noqa: SIM905


@pytest.mark.parametrize("name", ["", *NONE_OF_OURS])
def test_a_name_that_is_none_of_ours_is_nothing(store_of: StoreOf, name: str) -> None:
    assert Content(store_of(3)).get(name) is None


def test_the_overview_is_new_when_the_store_is(tmp_path: Path) -> None:
    content = Content(tmp_path)
    assert said(content.get("data.js")) == {"models": {}, "exchanges": {}, "levels": {}}
    record, tables = rows(0, items=2)
    files.add(tmp_path, record, tables)
    assert said(content.get("data.js"))["models"]["record"]["words"] == [record]


def test_the_folder_holds_what_the_server_says(store_of: StoreOf, tmp_path: Path) -> None:
    content = Content(store_of(3))
    page = static.write(content, tmp_path)
    for name, script in content.scripts():
        assert (tmp_path / name).read_bytes() == script == content.get(name)
    assert page.read_text().count("<script>") == 8
    assert page.stat().st_size < 800_000


@pytest.fixture
def server(store_of: StoreOf) -> Iterator[Server]:
    with Server(Content(store_of(3)), "127.0.0.1", 0) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def ask(server: Server, path: str, host: str = "", method: str = "GET") -> tuple[int, bytes]:
    request = urllib.request.Request(server.url + path, method=method, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_the_server_answers_the_page_and_its_scripts(server: Server) -> None:
    assert ask(server, "")[1].startswith(b"<!doctype html>")
    assert ask(server, "data.js") == (200, server.content.get("data.js"))
    assert ask(server, "data.js", method="HEAD") == (200, b"")


@pytest.mark.parametrize("path", ["favicon.ico", "..%2f..%2fetc%2fpasswd", "records/", "models"])
def test_the_server_answers_nothing_else(server: Server, path: str) -> None:
    assert ask(server, path)[0] == 404


def test_a_path_that_leaves_the_folder_is_not_found(server: Server) -> None:
    with socket.create_connection(server.server_address[:2], timeout=30) as raw:
        raw.sendall(b"GET /../../../../etc/passwd HTTP/1.1\r\nHost: localhost:1\r\nConnection: close\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_written(server: Server, method: str) -> None:
    assert ask(server, "data.js", method=method)[0] == 501


def test_a_page_elsewhere_cannot_have_its_own_name_point_here(server: Server) -> None:
    assert ask(server, "data.js", host="evil.example:80") == (421, b"")
