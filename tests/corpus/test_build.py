"""The whole stage: the sums hold, the bytes depend on the inputs only, and held-out text stays out of training."""

from __future__ import annotations

import gzip
import os
import random
import shutil
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domainlm import manifest
from domainlm.corpus import build as stage
from domainlm.corpus import edit, explain, partwriter
from domainlm.corpus import read as read_stage
from domainlm.corpus.read import read
from domainlm.corpus.reading import reading_of
from domainlm.errors import DataError
from domainlm.manifest import Made, Manifest
from domainlm.specs.corpus import CorpusSpec
from domainlm.specs.domain import DomainSpec
from tests.conftest import request_for
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


def one_stage(root: Path, legal: DomainSpec, **spec: Any) -> Made:
    """The corpus of one domain, built in a folder that is not cleared in between; read once, in another."""
    corpus = CorpusSpec.model_validate({"domains": ("legal",)} | spec)
    request = request_for("read", domain=reading_of(legal, corpus.near_duplicates))
    made = manifest.make(
        request, root / "reads", lambda folder: read(legal, corpus.near_duplicates, folder, root=root, workers=1)
    )
    return stage.build(corpus, [legal], {"legal": made}, root / "out")


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_counts_files_and_facts_tell_the_same_story(tmp_path: Path, build_corpus: Build) -> None:
    write_jsonl(tmp_path / "law.jsonl", [prose(1), prose(1) + "\r\n", prose(2), prose(2) + " tail", "short", " \n"])
    with (tmp_path / "law.jsonl").open("ab") as file:
        file.write(b"[]\n")
    legal = domain("legal", {"law": "law.jsonl"}, heldout_share=0.0, filters={"length": {"min_chars": 20}})
    made = build_corpus(legal)
    count = made.counts["sources"]["legal/law"]
    assert count | {"lengths": None, "languages": None} == {
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
        "edits": {},
        "stages": count["stages"],
        "lengths": None,
        "languages": None,
    }
    passed = [(row["stage"], row["in"], row["out"], row["dropped"], row["quarantined"]) for row in count["stages"]]
    assert passed == [
        ("read", 7, 6, {}, 1),
        ("normalize", 6, 5, {"empty": 1}, 0),
        ("filter", 5, 4, {"length: fewer than 20 characters": 1}, 0),
        ("exact", 4, 3, {"exact duplicate": 1}, 0),
        ("near", 3, 2, {"near duplicate": 1}, 0),
        ("decontaminate", 2, 2, {}, 0),
    ]
    kept_bytes = count["stages"][-1]["bytes_out"]
    assert kept_bytes == count["kept_bytes"]["train"]
    assert count["stages"][1]["bytes_out"] == 2 * kept_bytes + len(" tail") + len("short")
    assert [shard.path for shard in made.shards] == [
        "clusters.parquet",
        "contaminated.parquet",
        "dropped.parquet",
        "quarantined.parquet",
        "repeated_lines.parquet",
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
    rows = pq.read_table(made.only("clusters")).to_pylist()
    assert [(row["kept_id"], row["member_id"], row["kind"], row["num_docs"]) for row in rows] == [
        ("law/law.jsonl/0", "law/law.jsonl/1", "exact", 2),
        ("law/law.jsonl/2", "law/law.jsonl/3", "near", 2),
    ]


def test_clusters_name_the_source_and_split_of_both_and_explain_reads_them(tmp_path: Path, build_corpus: Build) -> None:
    write_jsonl(tmp_path / "a.jsonl", [prose(1), prose(2)])
    write_jsonl(tmp_path / "held.jsonl", [prose(3)])
    write_jsonl(tmp_path / "b.jsonl", [prose(3) + " x", prose(1), prose(1) + " x", prose(4), prose(1)])
    made = build_corpus(
        domain("legal", {"a": {"uri": "a.jsonl", "heldout_uri": "held.jsonl"}}),
        domain("general", {"b": "b.jsonl"}, heldout_share=0.0),
    )
    rows = pq.read_table(made.only("clusters")).to_pylist()
    kept = [tuple(row[f"kept_{name}"] for name in ("id", "domain", "source", "split")) for row in rows]
    assert kept == [
        ("a/heldout/held.jsonl/0", "legal", "a", "heldout"),
        *[("a/a.jsonl/0", "legal", "a", "train")] * 3,
    ]
    assert [row["member_id"] for row in rows] == [f"b/b.jsonl/{i}" for i in (0, 1, 2, 4)]
    assert {(row["member_domain"], row["member_source"], row["member_split"]) for row in rows} == {
        ("general", "b", "train")
    }
    assert [(row["kind"], row["num_docs"]) for row in rows] == [("near", 2), ("exact", 4), ("near", 4), ("exact", 4)]
    [fate] = explain.why(made, "b/b.jsonl/0")
    assert (fate.stage, fate.reason, fate.cluster_docs) == ("near", "near duplicate of held-out", 2)
    assert fate.kept_for == explain.Other(id="a/heldout/held.jsonl/0", domain="legal", source="a", split="heldout")
    [fate] = explain.why(made, "a/a.jsonl/0")
    assert (fate.stage, fate.kept_for, fate.cluster_docs, fate.text_head) == ("kept", None, 4, prose(1)[:300])
    of_kept = explain.Other(id=fate.id, domain=fate.domain, source=fate.source, split=fate.split)
    assert [other.id for other in explain.members(made, of_kept)] == [f"b/b.jsonl/{i}" for i in (1, 2, 4)]
    [fate] = explain.why(made, "b/b.jsonl/3")
    assert (fate.stage, fate.cluster_docs) == ("kept", 1)
    assert explain.why(made, "no such") == []


def test_exact_duplicates_that_are_to_stay_do_so_where_near_ones_go(tmp_path: Path, build_corpus: Build) -> None:
    write_jsonl(tmp_path / "a.jsonl", [prose(1), prose(1), prose(1) + " x", prose(2)])
    legal = domain("legal", {"a": "a.jsonl"}, heldout_share=0.0)
    made = build_corpus(legal, exact_duplicates="keep")
    assert texts(made) == [prose(1), prose(1), prose(2)]
    assert made.counts["sources"]["legal/a"]["dropped"] == {"near duplicate": 1}


def test_edits_and_redaction_are_made_when_a_text_is_read_and_counted(tmp_path: Path, build_corpus: Build) -> None:
    write_jsonl(tmp_path / "a.jsonl", [f"{prose(1)}\nWrite to jane@example.com or joe@example.com.", prose(2)])
    made = build_corpus(domain("legal", {"a": "a.jsonl"}, heldout_share=0.0, redact={"email": {}}))
    assert texts(made)[0].endswith("Write to <EMAIL> or <EMAIL>.")
    count = made.counts["sources"]["legal/a"]
    assert count["edits"] == {"redact: email": {"docs": 1, "times": 2}}
    assert count["stages"][1]["bytes_out"] == count["kept_bytes"]["train"] < count["read_bytes"]


def test_a_document_of_which_the_edits_leave_nothing_is_dropped_for_it(
    tmp_path: Path, build_corpus: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edit.Editor, "does_something", lambda self: True)
    monkeypatch.setattr(edit.Editor, "edit", lambda self, text: (text, text.replace("gone", "")))
    write_jsonl(tmp_path / "a.jsonl", ["gone", prose(2), ""])
    made = build_corpus(domain("legal", {"a": "a.jsonl"}, heldout_share=0.0))
    assert made.counts["sources"]["legal/a"]["dropped"] == {"empty": 1, "nothing is left by the edits": 1}


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
    made = one_stage(tmp_path, legal)
    count = made.counts["sources"]["legal/law"]
    assert count["read"] == sum(count["kept"].values()) + sum(count["dropped"].values()) + count["quarantined"]
    rows = {shard.kind: shard.num_docs for shard in made.shards}
    duplicates = sum(number for reason, number in count["dropped"].items() if "duplicate" in reason)
    dropped = sum(count["dropped"].values())
    listed = {"dropped": dropped, "quarantined": count["quarantined"], "clusters": duplicates}
    listed |= {"contaminated": 0, "repeated_lines": 0}
    assert {kind: rows[kind] for kind in listed} == listed


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
    monkeypatch.setattr(read_stage, "_POOL_BYTES", 0)
    two = build_corpus(*domains, name="two", workers=2)
    assert one.digest() == two.digest()
    assert sum(count["kept"]["heldout"] for count in one.counts["sources"].values()) > 10


def test_a_moved_threshold_decides_anew_and_reads_nothing(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [prose(1), "a short one", "short"])
    for min_chars, kept in ((0, 3), (10, 2), (50, 1)):
        legal = domain("legal", {"a": "a.jsonl"}, heldout_share=0.0, filters={"length": {"min_chars": min_chars}})
        made = one_stage(tmp_path, legal)
        (tmp_path / "a.jsonl").unlink(missing_ok=True)
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
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="legal/law: nothing to read"):
        build_corpus(domain("legal", {"law": "a.parquet"}))


def test_large_sources_are_cut_into_shards_and_groups(
    tmp_path: Path, build_corpus: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    from domainlm.corpus import write

    monkeypatch.setattr(partwriter, "_BATCH_BYTES", 2000)
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
    # test_nasty.py knows what becomes of each file.
    assert made.counts["sources"]["nasty/files"]["read"] == 63
    faults = {row["file"]: row["reason"] for row in pq.read_table(made.only("quarantined")).to_pylist()}
    assert faults["bad_utf8.txt"].startswith("not UTF-8")
    assert faults["html_404_named.pdf"] == "an HTML page, not a PDF"
    assert made.counts["sources"]["medical/dialogs"]["kept"]["heldout"] > 50
    assert orjson.dumps(made.counts)
