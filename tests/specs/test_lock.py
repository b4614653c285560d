"""A lock pins what a spec names outside the project; it is asked of a hub that answers, and never made up."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest

from domainlm.errors import DataError, SpecError
from domainlm.specs.lock import changed, load_lock, lock, revision_of, revisions_of
from domainlm.specs.project import check, load_domain, load_run

LAW = Path("data_specs/domains/law.yaml")
RUN = Path("data_specs/runs/trial.yaml")
COMMITS = {
    "/api/datasets/owner/rulings": "a" * 40,
    "/api/models/owner/model": "b" * 40,
    "/api/datasets/owner/odd": None,
}


class _Hub(BaseHTTPRequestHandler):
    """Answers as the hub's index does: JSON with the commit in `sha`, or 404 with the error in a header."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        known = path in COMMITS
        name = path.split("/", 3)[-1]
        content = {"_id": "1", "id": name, "sha": COMMITS[path]} if known else {"error": "Repository not found"}
        body = json.dumps(content).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if not known:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_domain_is_locked_to_the_commit_that_the_hub_names(hub, edit, project: Path) -> None:
    edit("domains/law", "hf:./data/law", "hf:owner/rulings")
    assert check(LAW) == [
        f"{LAW}: hf:owner/rulings is not locked to a revision; run `domainlm lock {LAW}`",
    ]
    (path,) = lock(LAW)
    assert path == project / "data_specs/locks/domain-law.json"
    found = load_lock(project, "domain", "law")
    assert found.revisions == {"hf:owner/rulings": "a" * 40}
    assert list(found.files["data/law/*.jsonl"]) == ["a.jsonl"]
    assert revisions_of([load_domain(LAW)], project) == {"owner/rulings": "a" * 40}
    assert check(LAW) == []


def test_a_run_is_locked_with_its_domains_and_its_tokenizer(hub, edit, project: Path) -> None:
    edit("runs/trial", "start: base", "start: hf:owner/model")
    edit("tokenizers/small", "algorithm: bpe\nvocab_size: 2048", "pretrained: hf:owner/model")
    run = load_run(RUN)
    assert revision_of(run, "hf:owner/model") is None
    assert len(check(RUN)) == 2
    names = ["domain-law.json", "domain-plain.json", "run-trial.json", "tokenizer-small.json"]
    assert [path.name for path in lock(RUN)] == names
    assert revision_of(run, "hf:owner/model") == "b" * 40
    assert check(RUN) == []


def test_the_same_lock_has_the_same_bytes(hub, edit) -> None:
    edit("domains/law", "hf:./data/law", "hf:owner/rulings")
    (path,) = lock(LAW)
    before = path.read_bytes()
    lock(LAW)
    assert path.read_bytes() == before
    assert str(path.parent.parent) not in before.decode()
    assert [p.name for p in path.parent.iterdir()] == ["domain-law.json"]


def test_what_is_installed_is_locked_by_version(edit, project: Path) -> None:
    edit("domains/law", "hf:./data/law", "installed:licenses")
    lock(LAW)
    assert load_lock(project, "domain", "law").installed["pydantic"] == version("pydantic")
    path = project / "data_specs/locks/domain-law.json"
    path.write_text(path.read_text().replace(f'"pydantic": "{version("pydantic")}"', '"pydantic": "0.1"'))
    with pytest.raises(SpecError, match=r"sources.1.uri\n  got:  installed:licenses: pydantic is not the same"):
        check(LAW)


def test_a_file_that_changed_since_the_lock_is_refused_with_the_way_out(project: Path) -> None:
    lock(LAW)
    (project / "data/law/a.jsonl").write_text('{"text": "Other words."}\n')
    with pytest.raises(SpecError) as raised:
        check(LAW)
    first = raised.value.problems[0]
    assert (first.line, first.column, first.got) == (5, 10, "data/law/*.jsonl: a.jsonl is not the same")
    assert first.fix == f"domainlm lock {LAW}"
    lock(LAW)
    assert check(LAW) == []
    (project / "data/law/b.jsonl").write_text("{}\n")
    with pytest.raises(SpecError, match=r"b.jsonl is new"):
        changed([load_domain(LAW)], project)


def test_a_lock_holds_wherever_the_variable_points(edit, project: Path, monkeypatch) -> None:
    edit("domains/law", "data/law/*.jsonl", "${LAW}/*.jsonl")
    monkeypatch.setenv("LAW", "data/law")
    lock(LAW)
    (project / "data/law").rename(project / "data/moved")
    (project / "data/law").symlink_to(project / "data/moved")
    monkeypatch.setenv("LAW", str(project / "data/moved"))
    assert check(LAW) == []


def test_an_unknown_name_is_an_error_and_nothing_is_written(hub, edit, project: Path) -> None:
    edit("domains/law", "hf:./data/law", "hf:owner/nothing")
    with pytest.raises(DataError, match=r"has no such dataset, or hides it.*nothing was written") as raised:
        lock(LAW)
    assert raised.value.exit_code == 1
    assert not (project / "data_specs/locks").exists()


def test_an_answer_without_a_commit_is_an_error_and_nothing_is_written(hub, edit, project: Path) -> None:
    edit("domains/law", "hf:./data/law", "hf:owner/odd")
    with pytest.raises(DataError, match=r"names no revision; nothing was written"):
        lock(LAW)
    assert not (project / "data_specs/locks").exists()


def test_a_hub_out_of_reach_is_an_error_that_says_what_to_do(edit, project: Path, monkeypatch) -> None:
    edit("domains/law", "hf:./data/law", "hf:owner/rulings")
    closed = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    closed.server_close()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed.server_port}")
    with pytest.raises(DataError, match=r"cannot be reached .*connect, or set HF_ENDPOINT; nothing was written"):
        lock(LAW)
    assert not (project / "data_specs/locks").exists()


def test_two_domains_that_lock_one_dataset_differently_are_refused(hub, edit, project: Path) -> None:
    edit("domains/law", "hf:./data/law", "hf:owner/rulings")
    edit("domains/plain", "data/plain", "hf:owner/rulings")
    plain = Path("data_specs/domains/plain.yaml")
    lock(LAW)
    lock(plain)
    domains = [load_domain(LAW), load_domain(plain)]
    assert revisions_of(domains, project) == {"owner/rulings": "a" * 40}
    path = project / "data_specs/locks/domain-plain.json"
    path.write_text(path.read_text().replace("a" * 40, "c" * 40))
    with pytest.raises(DataError, match=r"is locked to a+ and to c+; run `domainlm lock` on the run"):
        revisions_of(domains, project)


def test_a_lock_that_is_cut_is_refused(project: Path) -> None:
    lock(LAW)
    path = project / "data_specs/locks/domain-law.json"
    path.write_text(path.read_text()[:20])
    with pytest.raises(DataError, match=r"is no lock .* delete it and run `domainlm lock` again"):
        check(LAW)


def test_a_mix_names_nothing_to_lock(project: Path) -> None:
    assert lock(Path("data_specs/mixes/law-51.yaml")) == []
    assert not (project / "data_specs/locks").exists()


def test_a_wrong_spec_is_not_locked(edit, project: Path) -> None:
    edit("domains/law", "license: CC0-1.0\n  - name: rulings", "- name: rulings")
    with pytest.raises(SpecError):
        lock(LAW)
    assert not (project / "data_specs/locks").exists()


def test_what_the_hub_does_not_have_is_told_with_its_place(hub, edit) -> None:
    edit("domains/law", "hf:./data/law", "hf:owner/none")
    with pytest.raises(DataError, match=rf"^{LAW}:8:10: sources.1.uri: hf:owner/none: .* has no such dataset"):
        lock(LAW)


def test_what_lies_behind_a_url_is_locked_by_what_its_server_says_of_it(edit, project: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/locked/a.jsonl", b'{"text": "one"}\n')
    edit("domains/law", "data/law/*.jsonl", "memory://locked")
    lock(LAW)
    (mark,) = load_lock(project, "domain", "law").files["memory://locked"].values()
    assert mark.startswith("16 bytes, created ")
    assert check(LAW) == []
    memory.pipe("/locked/a.jsonl", b'{"text": "two"}\n')
    with pytest.raises(SpecError, match=r"sources.0.uri\n  got:  memory://locked: a.jsonl is not the same"):
        check(LAW)
    memory.rm("/locked", recursive=True)
    with pytest.raises(DataError, match=rf"^{LAW}:5:10: sources.0.uri: memory://locked: no file is there"):
        check(LAW)
