"""The stages that cut: counted, listed and undone by nothing; held-out text is never touched."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from domainlm.corpus import explain
from domainlm.corpus.benchmark import Benchmark
from domainlm.manifest import Manifest
from tests.corpus.conftest import Build, domain, write_jsonl
from tests.corpus.test_decontaminate import prose

NOTICE = "All rights reserved by the publisher of this collection of documents."


def text(*parts: list[str] | str) -> str:
    return "\n\n".join(part if isinstance(part, str) else " ".join(part) for part in parts)


def texts(made: Manifest, split: str) -> list[str]:
    tables = [pq.read_table(made.path(shard)) for shard in made.files("text", split=split)]
    return [text for table in tables for text in table.column("text").to_pylist()]


def rows(made: Manifest, kind: str) -> list[dict]:
    return pq.read_table(made.only(kind)).to_pylist()


def stages(made: Manifest, label: str) -> dict[str, dict]:
    return {row["stage"]: row for row in made.counts["sources"][label]["stages"]}


def test_repeated_lines_go_from_all_but_the_first_and_are_listed_by_source(tmp_path: Path, build_corpus: Build) -> None:
    own = [prose(i, 60) for i in range(8)]
    write_jsonl(tmp_path / "held.jsonl", [text(NOTICE, prose(100, 60))])
    write_jsonl(tmp_path / "a.jsonl", [text(NOTICE, own[i]) for i in range(3)])
    write_jsonl(tmp_path / "b.jsonl", [text(own[i], NOTICE) for i in range(3, 6)] + [text(NOTICE, ["short", "end"])])
    sources = {"a": {"uri": "a.jsonl", "heldout_uri": "held.jsonl"}, "b": "b.jsonl"}
    lines = {"min_documents": 7, "min_left_chars": 20}
    made = build_corpus(domain("legal", sources, heldout_share=0.0), repeated_lines=lines)
    assert texts(made, "heldout") == [text(NOTICE, prose(100, 60))]
    assert texts(made, "train") == [text(NOTICE, own[0]), *(" ".join(own[i]) for i in range(1, 6))]
    [gone] = rows(made, "dropped")
    assert (gone["stage"], gone["reason"]) == ("lines", "fewer than 20 characters without repeated lines")
    listed = {(row["source"], row["text"], row["num_docs"], row["cut_docs"]) for row in rows(made, "repeated_lines")}
    assert listed == {("a", NOTICE, 7, 2), ("b", NOTICE, 7, 4)}
    before, after = stages(made, "legal/b")["near"], stages(made, "legal/b")["lines"]
    assert (after["in"], after["out"], after["dropped"]) == (4, 3, {gone["reason"]: 1})
    assert before["bytes_out"] - after["bytes_out"] == 4 * len(NOTICE) + 4 * len("\n\n") + len("short end")
    assert [fate.stage for fate in explain.why(made, gone["id"])] == ["lines"]


def test_contamination_is_cut_counted_and_listed_with_what_it_is_of(tmp_path: Path, build_corpus: Build) -> None:
    held, item = prose(100, 300), prose(200, 40)
    documents = [
        text(prose(0, 300), held[:60], prose(1, 300)),
        text(prose(2, 300)),
        text(held[100:200], prose(3, 50)),
        text(prose(4, 300), item, prose(5, 300)),
    ]
    write_jsonl(tmp_path / "held.jsonl", [" ".join(held)])
    write_jsonl(tmp_path / "a.jsonl", documents)
    legal = domain("legal", {"a": {"uri": "a.jsonl", "heldout_uri": "held.jsonl"}}, heldout_share=0.0)
    benchmarks = [Benchmark(name="quiz", items=[("7", " ".join(item))]), Benchmark(name="far", not_read="no file")]
    made = build_corpus(legal, benchmarks=benchmarks)
    assert texts(made, "heldout") == [" ".join(held)]
    kept = texts(made, "train")
    assert kept[:2] == [text(prose(0, 300), prose(1, 300)), documents[1]]
    before, after = kept[2].split("\n\n")  # 200 characters and the rest of a word are gone on both sides
    assert " ".join(prose(4, 300)).startswith(before) and " ".join(prose(5, 300)).endswith(after)
    assert all(200 <= len(" ".join(prose(i, 300))) - len(left) < 212 for i, left in ((4, before), (5, after)))
    found = [
        (row["id"], row["action"], row["target_kind"], row["target"], row["item"], row["num_ngrams"])
        for row in rows(made, "contaminated")
    ]
    assert found == [
        ("a/a.jsonl/0", "cut", "heldout", "legal/a", "a/heldout/held.jsonl/0", 48),
        ("a/a.jsonl/2", "dropped", "heldout", "legal/a", "a/heldout/held.jsonl/0", 88),
        ("a/a.jsonl/3", "cut", "benchmark", "quiz", "7", 28),
    ]
    assert [row["target_share"] for row in rows(made, "contaminated")] == [48 / 288, 88 / 288, 1.0]
    row = stages(made, "legal/a")["decontaminate"]
    assert (row["in"], row["out"], row["dropped"]) == (5, 4, {"contaminated by held-out": 1})
    assert row["bytes_out"] == sum(len(text.encode()) for text in [*kept, " ".join(held)])
    assert made.facts["benchmarks"] == {"quiz": "looked for", "far": "no file"}
    plain = build_corpus(legal, benchmarks=benchmarks, name="plain", decontaminate=None)
    assert texts(plain, "train") == documents
    assert "benchmarks" not in plain.facts and "decontaminate" not in stages(plain, "legal/a")


def test_lines_are_cut_before_passages_are_looked_for(tmp_path: Path, build_corpus: Build) -> None:
    held = prose(100, 300)
    write_jsonl(tmp_path / "held.jsonl", [" ".join(held)])
    documents = []
    for i in range(3):  # 60 words of held-out text, parted by a line that goes from all but the first
        halves = [" ".join(held[60 * i : 60 * i + 30]), " ".join(held[60 * i + 30 : 60 * i + 60])]
        documents.append(text(prose(i, 300), f"{halves[0]}\n{NOTICE}\n{halves[1]}", prose(i + 50, 300)))
    write_jsonl(tmp_path / "a.jsonl", documents)
    legal = domain("legal", {"a": {"uri": "a.jsonl", "heldout_uri": "held.jsonl"}}, heldout_share=0.0)
    made = build_corpus(legal, repeated_lines={"min_documents": 3})
    assert [row["id"] for row in rows(made, "contaminated")] == ["a/a.jsonl/1", "a/a.jsonl/2"]
    assert texts(made, "train") == [documents[0], *(text(prose(i, 300), prose(i + 50, 300)) for i in (1, 2))]
