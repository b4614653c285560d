"""The whole stage: the sums hold, the bytes depend on the inputs only, and held-out text stays out of training."""

from __future__ import annotations

import gzip
import os
import random
import shutil
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domainlm.corpus import build as stage
from domainlm.corpus import explain, ingest, part
from domainlm.errors import DataError, StageError
from domainlm.manifest import Made, Manifest
from domainlm.specs.run import CorpusSpec
from tests.corpus.conftest import Build, domain, write_jsonl

ONLY_READ = {"exact_duplicates": "keep", "near_duplicates": None}


def prose(seed: int, num_words: int = 120) -> str:
    chance = random.Random(seed)
    return " ".join(
        f"{chance.choice(['law', 'court', 'lease', 'rent'])}{chance.randrange(900)}" for _ in range(num_words)
    )


def texts(made: Manifest, **where: str) -> list[str]:
    return [
        text
        for shard in made.files("text", **where)
        for text in pq.read_table(made.path(shard)).column("text").to_pylist()
    ]


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_counts_files_and_facts_tell_the_same_story(tmp_path: Path, build_corpus: Build) -> None:
    write_jsonl(tmp_path / "law.jsonl", [prose(1), prose(1) + "\r\n", prose(2), prose(2) + " tail", "short", " \n"])
    with (tmp_path / "law.jsonl").open("ab") as file:
        file.write(b"[]\n")
    legal = domain("legal", {"law": "law.jsonl"}, heldout_share=0.0, filters={"length": {"min_chars": 20}})
    made = build_corpus(legal)
    count = made.counts["sources"]["legal/law"]
    assert count == {
        "read": 7,
        "read_bytes": count["read_bytes"],
        "kept": {"train": 2, "heldout": 0},
        "kept_bytes": {"train": len(prose(1)) + len(prose(2)), "heldout": 0},
        "dropped": {
            "empty": 1,
            "exact duplicate": 1,
            "length: fewer than 20 characters": 1,
            "near duplicate": 1,
        },
        "quarantined": 1,
    }
    assert [shard.path for shard in made.shards] == [
        "dropped.parquet",
        "quarantined.parquet",
        "text/legal/law/train-00000.parquet",
    ]
    dropped = pq.read_table(made.only("dropped")).to_pylist()
    assert {(row["id"], row["reason"], row["duplicate_of"]) for row in dropped} >= {
        ("law/law.jsonl/1", "exact duplicate", "law/law.jsonl/0"),
        ("law/law.jsonl/3", "near duplicate", "law/law.jsonl/2"),
    }
    [bad] = pq.read_table(made.only("quarantined")).to_pylist()
    assert (bad["file"], bad["reason"]) == ("law.jsonl", "a list where an object should be")
    assert made.facts["licenses"] == {"legal/law": "CC0-1.0"}
    assert [cluster["num_docs"] for cluster in made.facts["largest_clusters"]] == [2, 2]
    assert not (made.folder / "work").exists()
    assert [fate.reason for fate in explain.why(made, "law/law.jsonl/3")] == ["near duplicate"]
    assert [fate.stage for fate in explain.why(made, "law/law.jsonl/2")] == ["kept"]


LINES = st.sampled_from(
    [
        b'{"text":"good text here"}',
        b'{"text":"another good text"}',
        b'{"text":""}',
        b"[]",
        b"{",
        b'{"text":1}',
        b"\xff",
        b"",
    ]
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(LINES, max_size=12), cut=st.integers(0, 40), share=st.sampled_from([0.0, 0.5]))
def test_read_is_kept_plus_dropped_plus_quarantined(tmp_path: Path, lines: list[bytes], cut: int, share: float) -> None:
    shutil.rmtree(tmp_path, ignore_errors=True)
    tmp_path.mkdir()
    (tmp_path / "a.jsonl").write_bytes(b'{"text":"one that is always good"}\n' + b"\n".join(lines))
    packed = gzip.compress(b"\n".join(lines))
    (tmp_path / "b.jsonl.gz").write_bytes(packed[: max(1, len(packed) - cut)])
    legal = domain("legal", {"law": "*.jsonl*"}, heldout_share=share)
    made = stage.build(CorpusSpec(domains=("legal",)), [legal], tmp_path / "out", root=tmp_path, workers=1)
    count = made.counts["sources"]["legal/law"]
    assert count["read"] == sum(count["kept"].values()) + sum(count["dropped"].values()) + count["quarantined"]
    rows = {shard.kind: shard.num_docs for shard in made.shards if shard.kind != "text"}
    assert rows == {"dropped": sum(count["dropped"].values()), "quarantined": count["quarantined"]}


def corpus_with_duplicates(root: Path) -> list:
    """Two domains of two sources each, a third of whose documents are variants of others."""
    chance = random.Random(5)
    for number, name in enumerate(("law/a", "law/b", "web/a", "web/b")):
        own = [prose(100 * number + i) for i in range(40)]
        others = [prose(100 * chance.randrange(4) + chance.randrange(40)) + f" end{i}" for i in range(20)]
        write_jsonl(root / f"{name}.jsonl", own + others)
    return [
        domain("legal", {"a": "law/a.jsonl", "b": "law/b.jsonl"}, heldout_share=0.2),
        domain("general", {"a": "web/a.jsonl", "b": {"uri": "web/b.jsonl", "max_docs": 50}}, heldout_share=0.2),
    ]


def test_the_bytes_do_not_depend_on_the_number_of_workers(
    tmp_path: Path, build_corpus: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    domains = corpus_with_duplicates(tmp_path)
    one = build_corpus(*domains, name="one")
    monkeypatch.setattr(stage, "_POOL_BYTES", 0)
    two = build_corpus(*domains, name="two", workers=2)
    assert one.digest() == two.digest()
    assert sum(count["kept"]["heldout"] for count in one.counts["sources"].values()) > 10


def test_a_killed_build_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, build_corpus: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    domains = corpus_with_duplicates(tmp_path)
    whole = build_corpus(*domains, name="whole")
    attempts: list[str] = []
    real = ingest.ingest

    def killed_at_third(work: ingest.Work) -> None:
        attempts.append(work.item.label())
        if len(attempts) == 3:
            part.PartWriter(work.folder, work.near_duplicates).add("half", "written", False)
            raise RuntimeError("killed")
        real(work)

    monkeypatch.setattr(ingest, "ingest", killed_at_third)
    with pytest.raises(StageError, match=r"1 of 4 work items failed: RuntimeError: killed \(general/a\)"):
        build_corpus(*domains, name="resumed")
    resumed = build_corpus(*domains, name="resumed")
    assert attempts == ["legal/a", "legal/b", "general/a", "general/b", "general/a"]
    assert files(resumed.folder).keys() == files(whole.folder).keys()
    assert resumed.digest() == whole.digest()


def test_killed_while_it_clears_its_work_it_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_jsonl(tmp_path / "a.jsonl", [prose(1), prose(2)])
    legal = domain("legal", {"a": "a.jsonl"}, heldout_share=0.0)

    def build() -> Made:
        return stage.build(CorpusSpec(domains=("legal",)), [legal], tmp_path / "out", root=tmp_path, workers=1)

    def killed(folder: Path, ignore_errors: bool = False) -> None:
        for path in Path(folder).rglob("digests.npy"):
            path.unlink()
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stage.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            build()
    made = build()
    assert made.counts["sources"]["legal/a"]["kept"]["train"] == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "dropped.parquet",
        "quarantined.parquet",
        "text",
    ]


def test_a_part_of_another_spec_is_not_taken_over(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [prose(1), "short"])
    corpus = CorpusSpec(domains=("legal",))
    for min_chars, kept in ((0, 2), (50, 1)):
        legal = domain("legal", {"a": "a.jsonl"}, heldout_share=0.0, filters={"length": {"min_chars": min_chars}})
        made = stage.build(corpus, [legal], tmp_path / "out", root=tmp_path, workers=1)
        assert made.counts["sources"]["legal/a"]["kept"]["train"] == kept


def test_no_training_document_is_a_near_duplicate_of_a_held_out_one(tmp_path: Path, build_corpus: Build) -> None:
    made = build_corpus(*corpus_with_duplicates(tmp_path))
    shingled = {split: [set(ngrams(text)) for text in texts(made, split=split)] for split in ("train", "heldout")}
    assert shingled["heldout"] and shingled["train"]
    for heldout in shingled["heldout"]:
        assert all(len(heldout & train) / len(heldout | train) < 0.8 for train in shingled["train"])
    reasons = {reason for count in made.counts["sources"].values() for reason in count["dropped"]}
    assert "near duplicate of held-out" in reasons


def ngrams(text: str) -> list[tuple[str, ...]]:
    words = text.split()
    return [tuple(words[i : i + 5]) for i in range(len(words) - 4)]


def test_documents_held_out_beforehand_win_over_training_ones_of_an_earlier_domain(
    tmp_path: Path, build_corpus: Build
) -> None:
    write_jsonl(tmp_path / "law.jsonl", [prose(1), prose(2)])
    write_jsonl(tmp_path / "web.jsonl", [prose(3)])
    write_jsonl(tmp_path / "web.heldout.jsonl", [prose(2) + " x", prose(4), prose(4)])
    made = build_corpus(
        domain("legal", {"law": "law.jsonl"}, heldout_share=0.0),
        domain("general", {"web": {"uri": "web.jsonl", "heldout_uri": "web.heldout.jsonl"}}, heldout_share=0.5),
    )
    assert sorted(texts(made, split="train")) == sorted([prose(1), prose(3)])
    assert texts(made, split="heldout") == [prose(2) + " x", prose(4)]
    assert made.counts["sources"]["legal/law"]["dropped"] == {"near duplicate of held-out": 1}
    assert made.counts["sources"]["general/web"]["dropped"] == {"exact duplicate": 1}


def test_of_two_domains_the_earlier_keeps_its_own(tmp_path: Path, build_corpus: Build) -> None:
    write_jsonl(tmp_path / "a.jsonl", [prose(1)])
    write_jsonl(tmp_path / "b.jsonl", [prose(1), prose(2)])
    pair = domain("legal", {"s": "a.jsonl"}, heldout_share=0.0), domain("general", {"s": "b.jsonl"}, heldout_share=0.0)
    assert texts(build_corpus(*pair), domain="legal") == [prose(1)]
    assert texts(build_corpus(*reversed(pair)), domain="legal") == []


def test_a_source_without_one_document_stops_the_build(tmp_path: Path, build_corpus: Build) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"body":"x"}\n{"body":"y"}\n')
    with pytest.raises(DataError, match=r"legal/law: none of 2 records of a\.jsonl is a document; 2: field 'text'"):
        build_corpus(domain("legal", {"law": "a.jsonl"}))
    (tmp_path / "a.jsonl").write_bytes(b"")
    with pytest.raises(DataError, match="legal/law: nothing to read"):
        build_corpus(domain("legal", {"law": "a.jsonl"}))


def test_large_sources_are_cut_into_shards_and_groups(
    tmp_path: Path, build_corpus: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    from domainlm.corpus import write

    monkeypatch.setattr(part, "_BATCH_BYTES", 2000)
    monkeypatch.setattr(write, "_GROUP_BYTES", 3000)
    monkeypatch.setattr(write, "SHARD_BYTES", 6000)
    written = [prose(i) for i in range(30)]
    write_jsonl(tmp_path / "a.jsonl", written)
    made = build_corpus(domain("legal", {"law": "a.jsonl"}, heldout_share=0.0))
    assert [shard.num_docs for shard in made.files("text")] == [12, 12, 6]
    assert texts(made) == written


@pytest.mark.real_data
@pytest.mark.skipif("DOMAINLM_DATA" not in os.environ, reason="DOMAINLM_DATA names no folder")
def test_nasty_files_and_a_real_source_are_accounted_for(tmp_path: Path, build_corpus: Build) -> None:
    shipped = {"uri": "${DOMAINLM_DATA}/medical/mts_dialog.jsonl.zst", "id_field": "id"}
    made = build_corpus(
        domain("medical", {"dialogs": shipped | {"heldout_uri": shipped["uri"].replace(".jsonl", ".holdout.jsonl")}}),
        domain("nasty", {"files": "${DOMAINLM_DATA}/nasty"}),
    )
    nasty = Path(os.environ["DOMAINLM_DATA"], "nasty")
    assert made.counts["sources"]["nasty/files"]["read"] == sum(p.is_file() for p in nasty.rglob("*"))
    faults = {row["file"]: row["reason"] for row in pq.read_table(made.only("quarantined")).to_pylist()}
    assert faults["bad_utf8.txt"].startswith("not UTF-8")
    assert faults["real.pdf"] == "no reader for .pdf files"
    assert made.counts["sources"]["medical/dialogs"]["kept"]["heldout"] > 50
    assert orjson.dumps(made.counts)
