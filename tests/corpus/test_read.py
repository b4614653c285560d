"""The stage `read/DOMAIN`: killed it goes on from finished parts, and it holds nothing that a threshold decides."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domainlm import manifest
from domainlm.corpus import ingest, part
from domainlm.corpus import read as stage
from domainlm.corpus.batch import Spans
from domainlm.corpus.partwriter import PartWriter
from domainlm.corpus.read import read
from domainlm.corpus.reading import reading_of
from domainlm.corpus.work import Work
from domainlm.errors import DataError, StageError
from domainlm.manifest import Made
from domainlm.specs.corpus import NearDuplicates
from domainlm.specs.domain import DomainSpec
from tests.corpus.conftest import domain, write_jsonl

NEAR = NearDuplicates()
ROOT = Path(__file__).parents[2]


def prose(seed: int) -> str:
    chance = random.Random(seed)
    return " ".join(f"word{chance.randrange(900)}" for _ in range(50))


def four_sources(root: Path) -> DomainSpec:
    for number, name in enumerate("abcd"):
        write_jsonl(root / f"{name}.jsonl", [prose(100 * number + i) for i in range(20)])
    return domain("legal", {name: f"{name}.jsonl" for name in "abcd"}, heldout_share=0.2)


def do(legal: DomainSpec, root: Path, name: str = "out", near: NearDuplicates | None = NEAR) -> Made:
    return read(legal, near, root / name, root=root, workers=1)


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_killed_reading_goes_on_from_finished_parts_and_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    legal = four_sources(tmp_path)
    whole = do(legal, tmp_path, "whole")
    attempts: list[str] = []
    real = ingest.ingest

    def killed_at_third(work: Work) -> None:
        attempts.append(work.item.label())
        if len(attempts) == 3:
            PartWriter(work.folder, work.reading).add(Spans.of([b"half"]), Spans.of([b"written"]), np.zeros(1, bool))
            raise RuntimeError("killed")
        real(work)

    monkeypatch.setattr(ingest, "ingest", killed_at_third)
    with pytest.raises(StageError, match=r"1 of 4 work items failed: RuntimeError: killed \(legal/c\)"):
        do(legal, tmp_path, "resumed")
    resumed = do(legal, tmp_path, "resumed")
    assert attempts == [f"legal/{name}" for name in "abcdc"]
    assert files(tmp_path / "resumed") == files(tmp_path / "whole")
    assert resumed == whole


def test_every_file_of_every_part_stands_in_the_manifest_with_its_digest(tmp_path: Path) -> None:
    made = do(four_sources(tmp_path), tmp_path)
    listed = {shard.path for shard in made.shards}
    markers = {f"parts/{number:06d}/{part.FINISHED}" for number in range(4)}
    assert set(files(tmp_path / "out")) == listed | markers
    for shard in made.shards:
        assert manifest.shard_of(tmp_path / "out" / shard.path, tmp_path / "out", "part").sha256 == shard.sha256
    assert made.counts["sources"]["legal/a"]["docs"] == 20
    assert sum(shard.num_docs for shard in made.shards) == 80


def test_unfinished_parts_of_another_spec_are_not_taken_over(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [prose(1), prose(2)])
    scored = domain("legal", {"a": "a.jsonl"}, filters={"length": {}})
    do(scored, tmp_path)
    plain = domain("legal", {"a": "a.jsonl"})
    again = do(plain, tmp_path, near=NearDuplicates(bands=3))
    assert again == do(plain, tmp_path, "fresh", near=NearDuplicates(bands=3))
    assert files(tmp_path / "out") == files(tmp_path / "fresh")
    assert not (tmp_path / "out/parts/000000/scores.parquet").exists()


@pytest.mark.parametrize("name", ["text.arrow", "digests.npy", part.FINISHED])
def test_a_part_that_was_cut_is_made_again(tmp_path: Path, name: str) -> None:
    legal = four_sources(tmp_path)
    whole = do(legal, tmp_path)
    path = tmp_path / "out/parts/000002" / name
    path.write_bytes(path.read_bytes()[:-7])
    assert do(legal, tmp_path) == whole


def test_the_number_and_order_of_sources_leaves_no_part_behind(tmp_path: Path) -> None:
    legal = four_sources(tmp_path)
    do(legal, tmp_path)
    fewer = domain("legal", {"d": "d.jsonl", "a": "a.jsonl"}, heldout_share=0.2)
    assert do(fewer, tmp_path) == do(fewer, tmp_path, "fresh")
    assert files(tmp_path / "out") == files(tmp_path / "fresh")


def test_what_is_read_depends_on_no_threshold_licence_or_description(tmp_path: Path) -> None:
    def legal(**fields: object) -> DomainSpec:
        return domain("legal", {"a": {"uri": "a.jsonl"}}, **fields)

    plain = legal(filters={"length": {}, "words": {}})
    moved = legal(filters={"words": {"min_words": 3}, "length": {"min_chars": 7}}, description="moved")
    licensed = domain("legal", {"a": {"uri": "a.jsonl", "license": "MIT", "url": "x"}}, filters=plain.filters)
    verified = NearDuplicates(min_jaccard=0.7)
    assert reading_of(plain, NEAR) == reading_of(moved, verified) == reading_of(licensed, NEAR)
    for other in (legal(filters={"length": {}}), legal(filters=plain.filters, heldout_share=0.5)):
        assert reading_of(plain, NEAR) != reading_of(other, NEAR)
    assert reading_of(plain, NEAR) != reading_of(plain, NearDuplicates(bands=20))


def test_scores_stand_beside_all_texts_also_those_that_a_filter_will_drop(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", ["short", prose(1), "", prose(2)])
    do(domain("legal", {"a": "a.jsonl"}, heldout_share=0.0, filters={"length": {}}), tmp_path)
    made = part.read(tmp_path / "out/parts/000000")
    assert made.num_docs == 3 and made.dropped == {"normalize": {"empty": 1}}
    assert made.scores()["length.chars"].tolist() == [5, len(prose(1)), len(prose(2))]
    assert made.array("num_bytes").tolist() == made.scores()["length.chars"].tolist()
    assert made.array("keys").shape == (NEAR.num_keys, 3)


def test_a_heldout_uri_without_a_document_is_told_though_the_other_has_some(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [prose(1)])
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "held.parquet")
    legal = domain("legal", {"a": {"uri": "a.jsonl", "heldout_uri": "held.parquet"}})
    with pytest.raises(DataError, match=r"legal/a: nothing to read in held.parquet; .* correct its `heldout_uri`"):
        do(legal, tmp_path)
    legal = domain("legal", {"a": {"uri": "a.jsonl", "heldout_uri": "held.jsonl"}})
    (tmp_path / "held.jsonl").write_bytes(b"[]\n")
    with pytest.raises(DataError, match=r"legal/a: none of 1 records of held.jsonl is a document; 1: a list where"):
        do(legal, tmp_path)


def test_a_domain_without_a_document_has_arrays_of_none(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", ["", " "])
    do(domain("legal", {"a": "a.jsonl"}, filters={"length": {}}), tmp_path)
    made = part.read(tmp_path / "out/parts/000000")
    assert made.num_docs == 0 and list(made.batches()) == []
    shapes = {name: made.array(name).shape for name in ("heldout", "num_bytes", "digests", "keys")}
    assert shapes == {"heldout": (0,), "num_bytes": (0,), "digests": (0, 2), "keys": (NEAR.num_keys, 0)}
    assert np.concatenate([made.array("keys")] * 2, axis=1).shape == (NEAR.num_keys, 0)
    assert orjson.loads((made.folder / part.ACCOUNTING).read_bytes())["num_read"] == 2


KILLED = """
import sys
from pathlib import Path
from domainlm.corpus.partwriter import PartWriter
from domainlm.corpus.read import read
from domainlm.corpus import read as stage
from domainlm.specs.corpus import NearDuplicates
from tests.corpus.test_read import four_sources
stage._POOL_BYTES = 0
root = Path(sys.argv[1])
read(four_sources(root), NearDuplicates(), root / "killed", root=root, workers=2)
"""


@pytest.mark.slow
@pytest.mark.parametrize("num_parts", [0, 1, 3])
def test_sigkill_at_any_part_changes_no_byte(tmp_path: Path, num_parts: int) -> None:
    """The whole process group is killed when so many parts are finished."""
    legal = four_sources(tmp_path)
    whole = do(legal, tmp_path, "whole")
    killed = tmp_path / "killed"
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, env=environment, start_new_session=True) as running:
        while running.poll() is None and len(list(killed.glob(f"parts/*/{part.FINISHED}"))) < num_parts:
            time.sleep(0.001)
        os.killpg(running.pid, signal.SIGKILL)
    assert do(legal, tmp_path, "killed") == whole
    assert files(killed) == files(tmp_path / "whole")
    assert stage.reading_of(legal, NEAR) == reading_of(legal, NEAR)
