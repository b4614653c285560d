"""A document that is lost, or counted twice, at any stage, stops the corpus and is told with stage and source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from domainlm.corpus import account
from domainlm.corpus.account import check_written
from domainlm.corpus.decide import Decided
from domainlm.corpus.dedup import Decision
from domainlm.corpus.part import Part
from domainlm.corpus.passages import Cuts
from domainlm.corpus.pieces import Piece, Pieces
from domainlm.errors import DataError
from domainlm.records import Shard

NUM_BYTES = np.array([10, 20, 30, 40, 50, 60])


def pieces_at(folder: Path) -> Pieces:
    """Two sources of three documents; the second's last is held out. One record of the first was quarantined."""
    pieces = []
    for number, source in enumerate("ab"):
        place = folder / source
        place.mkdir(exist_ok=True)
        rows = slice(3 * number, 3 * number + 3)
        np.save(place / "heldout.npy", np.array([False] * 5 + [True])[rows])
        np.save(place / "num_bytes.npy", NUM_BYTES[rows])
        made = Part(
            folder=place,
            source=source,
            num_read=5 - number,
            read_bytes=1000,
            num_docs=3,
            text_bytes=int(NUM_BYTES[rows].sum()),
            dropped={"normalize": {"empty": 1}},
            num_quarantined=1 - number,
            edits={"x: y": {"docs": 1, "times": 2 + number}},
        )
        pieces.append(Piece(domain="d", source=number, part=made, first_doc=3 * number))
    return Pieces(labels=("d/a", "d/b"), pieces=tuple(pieces), num_docs=6)


def decided() -> Decided:
    decision = Decision.keep_all(6).dropping(np.array([0, 4]), "filter", "length: short")
    decision = decision.dropping(np.array([1]), "near", "near duplicate", np.array([2]))
    cut = NUM_BYTES.copy()
    cut[2] = 7
    stages = (("filter", NUM_BYTES), ("exact", NUM_BYTES), ("near", NUM_BYTES), ("lines", cut))
    return Decided(decision=decision, stages=stages, cuts=Cuts(decision=decision, num_bytes_D=cut))


def test_each_stage_gives_out_what_the_next_takes_in(tmp_path: Path) -> None:
    counts = account.account(pieces_at(tmp_path), decided())
    rows = {label: [tuple(row.values()) for row in count["stages"]] for label, count in counts.items()}
    assert rows["d/a"] == [
        ("read", 5, 4, {}, 1, 1000),
        ("normalize", 4, 3, {"empty": 1}, 0, 60),
        ("filter", 3, 2, {"length: short": 1}, 0, 50),
        ("exact", 2, 2, {}, 0, 50),
        ("near", 2, 1, {"near duplicate": 1}, 0, 30),
        ("lines", 1, 1, {}, 0, 7),
    ]
    assert [row[:3] for row in rows["d/b"]] == [
        ("read", 4, 4),
        ("normalize", 4, 3),
        ("filter", 3, 2),
        ("exact", 2, 2),
        ("near", 2, 2),
        ("lines", 2, 2),
    ]
    assert counts["d/a"]["kept_bytes"] == {"train": 7, "heldout": 0}
    assert counts["d/b"]["kept"] == {"train": 1, "heldout": 1}
    assert counts["d/b"]["kept_bytes"] == {"train": 40, "heldout": 60}
    assert counts["d/b"]["edits"] == {"x: y": {"docs": 1, "times": 3}}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"num_read": 6}, "d/a: normalize: 5 came and 5 were taken in, but 3 went out [+] 1 were dropped [+] 0 quar"),
        ({"num_quarantined": 0}, "d/a: normalize: 5 came"),
        ({"dropped": {}}, "d/a: normalize: 4 came and 4 were taken in, but 3 went out [+] 0 were dropped"),
        ({"dropped": {"normalize": {"empty": 1}, "read": {"a graphic": 1}}}, "d/a: normalize: 3 came"),
    ],
)
def test_a_record_that_reading_lost_or_counted_twice_is_told(tmp_path: Path, wrong: dict, told: str) -> None:
    pieces = pieces_at(tmp_path)
    first = replace(pieces.pieces[0], part=replace(pieces.pieces[0].part, **wrong))
    with pytest.raises(DataError, match=told):
        account.account(replace(pieces, pieces=(first, pieces.pieces[1])), decided())


def test_an_array_of_other_documents_than_the_accounting_says_is_told(tmp_path: Path) -> None:
    pieces = pieces_at(tmp_path)
    first = replace(pieces.pieces[0], part=replace(pieces.pieces[0].part, num_docs=2))
    with pytest.raises(DataError, match=r"a/num_bytes\.npy holds 3 documents, but the accounting says 2"):
        replace(pieces, pieces=(first, pieces.pieces[1])).array("num_bytes")


def test_a_document_dropped_at_a_stage_that_was_not_gone_through_is_told(tmp_path: Path) -> None:
    lost = decided()
    with pytest.raises(DataError, match="documents were dropped at near, which is not among the stages"):
        account.account(pieces_at(tmp_path), replace(lost, stages=lost.stages[:2]))


def shards() -> list[Shard]:
    def text(source: str, split: str, num_docs: int, text_bytes: int) -> Shard:
        place = {"path": f"{source}-{split}", "kind": "text", "domain": "d", "source": source, "split": split}
        return Shard(**place, num_bytes=1, sha256="", num_docs=num_docs, text_bytes=text_bytes)

    return [text("a", "train", 1, 7), text("b", "train", 1, 40), text("b", "heldout", 1, 60)]


DROPPED = {("d/a", "empty"): 1, ("d/a", "length: short"): 1, ("d/a", "near duplicate"): 1}
DROPPED |= {("d/b", "empty"): 1, ("d/b", "length: short"): 1}


def test_what_was_written_is_what_was_counted(tmp_path: Path) -> None:
    check_written(account.account(pieces_at(tmp_path), decided()), shards(), Counter(DROPPED))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda written, dropped: written.pop(), "d/b: 0 heldout documents of 0 bytes were written, but 1 of 60 are"),
        (
            lambda written, dropped: written.__setitem__(0, replace(written[0], text_bytes=8)),
            "d/a: 1 train documents of 8 bytes were written, but 1 of 7 are kept",
        ),
        (lambda written, dropped: dropped.pop(("d/a", "near duplicate")), "d/a: dropped.parquet lists .* but"),
        (lambda written, dropped: dropped.update({("d/b", "empty"): 1}), "d/b: dropped.parquet lists {'empty': 2"),
    ],
)
def test_what_was_written_otherwise_than_counted_is_told(tmp_path: Path, spoil: Callable, told: str) -> None:
    written, dropped = shards(), Counter(DROPPED)
    spoil(written, dropped)
    with pytest.raises(DataError, match=told):
        check_written(account.account(pieces_at(tmp_path), decided()), written, dropped)
