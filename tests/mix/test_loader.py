from __future__ import annotations

import numpy as np
import pytest

from domainlm.errors import ManifestError, StageError
from domainlm.mix.budget import read
from domainlm.mix.loader import batches, source_names
from domainlm.records import Batch
from domainlm.specs.mix import MixSpec

T, BATCH_ROWS = 4, 8
SPEC = MixSpec(name="test", token_ratio={"law": 0.75, "web": 0.25}, budget_tokens=T * 64)
FIELDS = ("tokens_BT", "next_B", "position_BT", "target_BT", "source_B", "row_B")


@pytest.fixture
def tokens(tokens_of):
    return tokens_of({"law/acts": [3, 9, 1, 30, 22], "law/cases": [50], "web/pages": [7, 60, 2, 100]})


@pytest.fixture
def mix(tokens, mix_of):
    return mix_of(SPEC, tokens)


def joined(steps: list[list[Batch]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([getattr(b, name) for step in steps for b in step]) for name in FIELDS}


def run(mix, tokens, *, num_ranks=1, micro_batch_rows=BATCH_ROWS, start_row=0) -> dict[str, np.ndarray]:
    """All rows of a run in global order, put together from its ranks."""
    of_ranks = [
        batches(mix, tokens, rank=r, num_ranks=num_ranks, micro_batch_rows=micro_batch_rows, start_row=start_row)
        for r in range(num_ranks)
    ]
    return joined([[batch for share in step for batch in share] for step in zip(*of_ranks, strict=True)])


@pytest.mark.parametrize("num_ranks", [1, 2, 4, 8])
@pytest.mark.parametrize("micro_batch_rows", [1, 3, 100])
def test_global_batches_are_the_same_for_any_ranks_and_micro_batches(mix, tokens, num_ranks, micro_batch_rows):
    one = run(mix, tokens)
    many = run(mix, tokens, num_ranks=num_ranks, micro_batch_rows=micro_batch_rows)
    for name in FIELDS:
        assert (one[name] == many[name]).all() and one[name].dtype == many[name].dtype
    assert one["row_B"].tolist() == list(range(64))


@pytest.mark.parametrize("start_row", [0, 8, 32, 64])
def test_a_resumed_run_equals_the_rest_of_an_uninterrupted_one(mix, tokens, start_row):
    steps = list(batches(mix, tokens, rank=1, num_ranks=2, micro_batch_rows=3, start_row=start_row))
    whole = list(batches(mix, tokens, rank=1, num_ranks=2, micro_batch_rows=3, start_row=0))[start_row // BATCH_ROWS :]
    assert len(steps) == len(whole) == (64 - start_row) // BATCH_ROWS
    for ours, theirs in zip(steps, whole, strict=True):
        assert [batch.row_B.tolist() for batch in ours] == [batch.row_B.tolist() for batch in theirs]
        assert all((a.tokens_BT == b.tokens_BT).all() for a, b in zip(ours, theirs, strict=True))


def test_micro_batches_have_the_same_shapes_on_every_rank(mix, tokens):
    for rank in range(2):
        step = next(batches(mix, tokens, rank=rank, num_ranks=2, micro_batch_rows=3, start_row=0))
        assert [batch.tokens_BT.shape for batch in step] == [(3, T), (1, T)]


def test_rows_are_the_streams_own_tokens_with_the_next_rows_first_as_last_target(mix, tokens):
    names = source_names(mix)
    assert names == ["law/acts", "law/cases", "web/pages"]
    rows = run(mix, tokens)
    for tokens_T, next_token, source in zip(rows["tokens_BT"], rows["next_B"], rows["source_B"], strict=True):
        offset = tokens_T[0] - 1000 * source
        assert offset % T == 0
        assert tokens_T.tolist() == list(range(tokens_T[0], tokens_T[0] + T))
        assert next_token in (-1, tokens_T[0] + T)


def test_each_source_has_the_rows_that_the_mix_says(mix, tokens):
    counts = np.bincount(run(mix, tokens)["source_B"]).tolist()
    assert counts == [source.rows for source in read(mix).sources]
    assert counts[0] + counts[1] == 48 and counts[2] == 16


def test_documents_change_where_the_stream_says_they_do(mix, tokens):
    ends = {0: np.cumsum([3, 9, 1, 30, 22]), 1: np.cumsum([50]), 2: np.cumsum([7, 60, 2, 100])}
    rows = run(mix, tokens)
    for i in range(64):
        source = int(rows["source_B"][i])
        places = rows["tokens_BT"][i, 0] + np.arange(T + 1) - 1000 * source
        document = np.searchsorted(ends[source], places, side="right")
        begins = np.concatenate([[0], ends[source]])[document]
        assert rows["position_BT"][i].tolist() == (places - np.maximum(begins, places[0]))[:-1].tolist()
        follows = document[1:] == document[:-1]
        assert rows["target_BT"][i].tolist() == np.where(follows, places[1:] + 1000 * source, -1).tolist()


def test_a_batch_that_ranks_cannot_share_evenly_is_refused(mix, tokens):
    with pytest.raises(StageError, match="a batch of 8 rows does not divide evenly among 3 ranks"):
        batches(mix, tokens, rank=0, num_ranks=3, micro_batch_rows=1, start_row=0)


@pytest.mark.parametrize("start_row", [3, -8, 72])
def test_a_row_that_begins_no_step_is_refused(mix, tokens, start_row):
    with pytest.raises(StageError, match="begins no step"):
        batches(mix, tokens, rank=0, num_ranks=1, micro_batch_rows=1, start_row=start_row)


def test_a_mix_of_other_token_shards_is_refused(mix, tokens_of):
    with pytest.raises(ManifestError, match="was planned on other token shards"):
        batches(mix, tokens_of({"law/acts": [90]}), rank=0, num_ranks=1, micro_batch_rows=1, start_row=0)


@pytest.mark.parametrize("packing", ["concat", "best_fit"])
@pytest.mark.parametrize("num_ranks", [2, 8, 512])
def test_512_ranks_read_the_batches_of_one_however_they_accumulate_and_wherever_they_resume(
    tokens_of, mix_of, num_ranks, packing
):
    tokens = tokens_of({"law/acts": [3, 9, 1, 30, 22] * 40, "web/pages": [7, 60, 2, 100] * 40})
    spec = MixSpec(name="test", token_ratio={"law": 0.51, "web": 0.49}, budget_tokens=T * 512 * 3, packing=packing)
    mix = mix_of(spec, tokens, batch_rows=512)
    whole = list(batches(mix, tokens, rank=0, num_ranks=1, micro_batch_rows=512, start_row=0))
    rank_rows = 512 // num_ranks
    # Every rank where there are few; else some, which together would take a minute.
    for rank in range(num_ranks) if num_ranks < 9 else (0, 1, 255, 511):
        for start_row in (0, 512, 1024):
            steps = batches(mix, tokens, rank=rank, num_ranks=num_ranks, micro_batch_rows=rank + 1, start_row=start_row)
            for step, (ref,) in zip(steps, whole[start_row // 512 :], strict=True):
                own = slice(rank * rank_rows, (rank + 1) * rank_rows)
                for name in FIELDS:
                    assert (np.concatenate([getattr(b, name) for b in step]) == getattr(ref, name)[own]).all()


def test_batches_read_ahead_are_those_read_when_asked_for(mix, tokens):
    how = {"rank": 0, "num_ranks": 1, "micro_batch_rows": 3, "start_row": 0}
    ahead = list(batches(mix, tokens, **how, prefetch_steps=3))
    asked = list(batches(mix, tokens, **how, prefetch_steps=0))
    for name in FIELDS:
        assert (joined(ahead)[name] == joined(asked)[name]).all()
