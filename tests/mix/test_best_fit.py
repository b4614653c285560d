from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.mix import best_fit
from domainlm.mix.budget import read
from domainlm.mix.fit import fit
from domainlm.mix.loader import batches
from domainlm.specs.mix import MixSpec
from domainlm.tokens.shards import open_stream

DOCS = st.lists(st.integers(1, 40), min_size=1, max_size=60)
T = 8


def rows_of(doc_tokens: list[int], room: int) -> list[list[tuple[int, int]]]:
    """(document, tokens) of each row's pieces."""
    lengths, docs, rows, num_rows = fit(np.array(doc_tokens, np.int64), room)
    return [list(zip(docs[rows == r].tolist(), lengths[rows == r].tolist(), strict=True)) for r in range(num_rows)]


@settings(deadline=None)
@given(DOCS, st.integers(1, 24))
def test_no_document_that_fits_a_row_is_cut_and_no_token_is_lost(doc_tokens, room):
    rows = rows_of(doc_tokens, room)
    pieces = [piece for row in rows for piece in row]
    of_doc = {doc: [tokens for d, tokens in pieces if d == doc] for doc in range(len(doc_tokens))}
    for doc, tokens in enumerate(doc_tokens):
        assert sum(min(piece, room) for piece in of_doc[doc]) == tokens
        if tokens <= room:
            assert of_doc[doc] == [tokens]
    for row in rows:
        assert 0 < sum(min(tokens, room) for _, tokens in row) <= room
        # A piece that goes on fills its row, and is the only one in it.
        assert all(tokens <= room for _, tokens in row) or len(row) == 1


def simple_best_fit(doc_tokens: list[int], room: int) -> int:
    """Rows that best-fit decreasing needs, in its plainest form."""
    rows = sum(tokens // room for tokens in doc_tokens)
    left: list[int] = []
    for tokens in sorted((tokens % room for tokens in doc_tokens if tokens % room), reverse=True):
        fits = [free for free in left if free >= tokens]
        if fits:
            left.remove(min(fits))
            left.append(min(fits) - tokens)
        else:
            left.append(room - tokens)
    return rows + len(left)


@settings(deadline=None)
@given(DOCS, st.integers(1, 24))
def test_the_rows_are_as_many_as_best_fit_decreasing_makes(doc_tokens, room):
    assert len(rows_of(doc_tokens, room)) == simple_best_fit(doc_tokens, room)


@pytest.fixture
def tokens(tokens_of):
    return tokens_of({"law/acts": [3, 9, 1, 30, 22, 8, 16], "web/pages": [7, 60, 2, 5, 3, 3, 6]})


@pytest.fixture
def mix(tokens, mix_of):
    ratio = {"law": 0.5, "web": 0.5}
    spec = MixSpec(name="test", token_ratio=ratio, budget_tokens=T * 64, max_epochs=9.0, packing="best_fit")
    return mix_of(spec, tokens, sequence_tokens=T)


def test_each_row_holds_whole_documents_or_a_full_part_of_a_long_one(tokens, mix):
    ends = {0: np.cumsum([3, 9, 1, 30, 22, 8, 16]), 1: np.cumsum([7, 60, 2, 5, 3, 3, 6])}
    first_epoch: dict[int, list[int]] = {0: [], 1: []}
    plan = read(mix)
    for (batch,) in batches(mix, tokens, rank=0, num_ranks=1, micro_batch_rows=8, start_row=0):
        for i, source in enumerate(batch.source_B.tolist()):
            valid = int(batch.valid_BT[i].sum()) if batch.valid_BT is not None else T
            places = batch.tokens_BT[i, :valid] - 1000 * source
            document = np.searchsorted(ends[source], places, side="right")
            begins = np.concatenate([[0], ends[source]])[document]
            starts = np.flatnonzero(batch.position_BT[i, :valid] == 0)
            for start, stop in zip(starts, [*starts[1:], valid], strict=True):
                piece, size = places[start:stop], ends[source][document[start]] - begins[start]
                assert piece.tolist() == list(range(piece[0], piece[0] + stop - start))
                # All of it, or a part of one that is longer than a row.
                assert stop - start == size or size > T
                follows = batch.target_BT[i, stop - 1]
                goes_on = piece[-1] + 1 < ends[source][document[start]]
                assert follows == (piece[-1] + 1 + 1000 * source if goes_on and stop == T else -1)
            if len(first_epoch[source]) < ends[source][-1]:
                first_epoch[source] += places.tolist()
    for source, seen in first_epoch.items():
        assert sorted(seen) == list(range(ends[source][-1]))
    assert plan.packing == "best_fit"


def test_padding_and_cut_documents_are_counted(mix):
    packed = mix.facts["packed"]["web/pages"]
    # 60 tokens are seven rows of 8 and 4 left, which lie with the 3 in one row; 7; 6 and 2; 5 and 3.
    assert packed == {
        "padding_tokens": 2,
        "padding_share": 2 / 88,
        "cut_docs": 1,
        "docs": 7,
        "dropped_tokens": 0,
    }
    assert mix.facts["sources"]["web/pages"]["unused_tokens"] == 0


def test_a_source_with_padding_gives_more_rows_so_that_its_tokens_have_their_share(tokens_of, mix_of):
    # Documents of 5 leave 3 of 8 places empty in every row.
    tokens = tokens_of({"law/acts": [5] * 64, "web/pages": [8] * 64})
    ratio = {"law": 0.5, "web": 0.5}
    spec = MixSpec(name="test", token_ratio=ratio, budget_tokens=T * 64, packing="best_fit")
    facts = mix_of(spec, tokens, sequence_tokens=T).facts
    assert facts["realised_ratio"] == pytest.approx(ratio, abs=0.02)
    assert {name: source["rows"] for name, source in facts["sources"].items()} == {"law/acts": 39, "web/pages": 25}


def test_the_plan_is_made_once_for_the_same_documents_and_only_from_their_ends(tokens, mix, mix_of, tmp_path):
    (one, other) = sorted((tmp_path / "packs").iterdir())
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "packs").rglob("*")}
    stream = open_stream(tokens, "law", "acts")
    ends = [shard.sha256 for shard in tokens.files("ends", domain="law", source="acts")]
    assert best_fit.place(ends, T, tmp_path / "packs") in (one, other)
    # Another mix of the same documents makes nothing new, and its folder holds no tokens.
    spec = MixSpec(name="other", token_ratio={"law": 1.0}, budget_tokens=T * 8, max_epochs=9.0, packing="best_fit")
    again = mix_of(spec, tokens, sequence_tokens=T)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "packs").rglob("*")} == made
    assert {shard.kind for shard in again.shards} == {"mix", "rows", "pieces"}
    again.verify()
    # Made anew elsewhere, it is the same to the byte.
    anew = best_fit.pack(stream, best_fit.place(ends, T, tmp_path / "elsewhere"), T)
    assert anew == best_fit.read_account(best_fit.place(ends, T, tmp_path / "packs"))
    assert (
        json.loads((best_fit.place(ends, T, tmp_path / "elsewhere") / best_fit.ACCOUNT).read_bytes())["num_docs"] == 7
    )


def test_windows_bound_what_is_packed_together_and_lose_nothing(tokens_of, tmp_path, monkeypatch):
    monkeypatch.setattr(best_fit, "_WINDOW_DOCS", 10)
    monkeypatch.setattr(best_fit, "_WINDOW_TOKENS", 64)
    sizes = np.random.default_rng(0).integers(1, 100, 200)
    tokens = tokens_of({"law/acts": sizes.tolist()})
    account = best_fit.pack(open_stream(tokens, "law", "acts"), tmp_path / "pack", T)
    pieces = np.fromfile(tmp_path / "pack" / best_fit.PIECES, best_fit.PIECE)
    rows = np.fromfile(tmp_path / "pack" / best_fit.ROWS, "<i8")
    assert len(rows) == account.num_rows + 1 and rows[-1] == len(pieces) == account.num_pieces
    covered = np.concatenate([np.arange(s, s + min(n, T)) for s, n in pieces.tolist()])
    assert sorted(covered.tolist()) == list(range(sizes.sum()))
    assert account.padding_tokens == account.num_rows * T - sizes.sum()
