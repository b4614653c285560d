"""What the objectives hide: by the seed and the row's number alone, as much as their papers say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from domainlm.records import Batch
from domainlm.train.objectives import masked, span_corruption
from domainlm.train.packed import IGNORED, PADDING, Setting

from .conftest import packed_batch

VOCAB_SIZE = 500
END = 0
MASK = 500
SENTINELS = tuple(range(600, 640))
FOR_MASKED = Setting(seed=1, vocab_size=VOCAB_SIZE, end_token_id=END, special_ids=(MASK,))
FOR_SPANS = Setting(seed=1, vocab_size=VOCAB_SIZE, end_token_id=END, special_ids=SENTINELS, start_token_id=7)


def batch_of(rows: range, num_tokens: int = 512, begins: tuple[int, ...] = (0, 100, 103, 300)) -> Batch:
    """Rows whose tokens depend on their number alone; each document but the last ends with the end token."""
    tokens = np.stack([np.random.default_rng(row).integers(1, VOCAB_SIZE, num_tokens) for row in rows])
    tokens[:, [begin - 1 for begin in begins[1:]]] = END
    return packed_batch(tokens, [list(begins)] * len(rows), first_row=rows.start)


@pytest.mark.parametrize(("objective", "setting"), [(masked, FOR_MASKED), (span_corruption, FOR_SPANS)])
def test_what_is_hidden_in_a_row_is_the_same_in_whatever_batch_it_comes(objective, setting):
    whole = objective.inputs(batch_of(range(8)), setting)
    for first in (0, 4):
        part = objective.inputs(batch_of(range(first, first + 4)), setting)
        for name, tensor in part.items():
            width = tensor.shape[1]
            assert torch.equal(whole[name][first : first + 4, :width], tensor)
    other = objective.inputs(batch_of(range(8)), Setting(**{f: getattr(setting, f) for f in FIELDS} | {"seed": 2}))
    assert not torch.equal(whole["label_BT"][:, :20], other["label_BT"][:, :20])


FIELDS = ("seed", "vocab_size", "end_token_id", "special_ids", "start_token_id")


def test_15_percent_are_hidden_80_of_them_masked_10_swapped_10_left_and_no_end_of_a_document():
    batch = batch_of(range(200))
    inputs = masked.inputs(batch, FOR_MASKED)
    tokens, shown, labels = torch.from_numpy(batch.tokens_BT), inputs["input_BT"], inputs["label_BT"]
    hidden = labels != IGNORED
    assert hidden.float().mean().item() == pytest.approx(0.15, abs=0.005)
    assert torch.equal(labels[hidden], tokens[hidden])
    assert torch.equal(shown[~hidden], tokens[~hidden])
    assert not (labels == END).any()
    assert (shown[hidden] == MASK).float().mean().item() == pytest.approx(0.8, abs=0.02)
    # One token in 500 is swapped for itself.
    assert (shown[hidden] == tokens[hidden]).float().mean().item() == pytest.approx(0.1 + 0.1 / 500, abs=0.01)


def test_a_row_of_one_document_has_the_lengths_of_the_paper_whatever_is_hidden():
    inputs = span_corruption.inputs(batch_of(range(6), begins=(0,)), FOR_SPANS)
    # 77 of 512 tokens in 26 spans: 512 - 77 + 26 to read, 77 + 26 and an end to write.
    assert inputs["input_BE"].shape == (6, 461)
    assert inputs["label_BT"].shape == (6, 104)
    assert (inputs["label_BT"] != IGNORED).all()


def test_rows_of_many_documents_have_the_same_lengths_but_for_an_end_each():
    inputs = span_corruption.inputs(batch_of(range(6)), FOR_SPANS)
    hidden = (inputs["label_BT"] != IGNORED) & (inputs["label_BT"] < 600)
    assert (hidden.sum(1) <= 77 + 4).all()
    assert (hidden.sum(1) >= 77 - 2).all()
    assert (inputs["document_BE"] != PADDING).all()


def test_the_decoder_reads_what_it_wrote_and_starts_anew_with_each_document():
    inputs = span_corruption.inputs(batch_of(range(3)), FOR_SPANS)
    labels, decoder, documents = inputs["label_BT"], inputs["decoder_BD"], inputs["document_BD"]
    for row in range(3):
        for place in range(labels.shape[1]):
            begins = place == 0 or documents[row, place] != documents[row, place - 1]
            if labels[row, place] != IGNORED:
                assert decoder[row, place] == (7 if begins else labels[row, place - 1])


@given(
    cuts=st.lists(st.integers(1, 59), unique=True, max_size=12).map(sorted),
    num_padded=st.integers(0, 20),
    row=st.integers(0, 2**40),
)
def test_read_and_written_together_are_the_text(cuts, num_padded, row):
    valid = 60 - num_padded
    begins = [0, *(cut for cut in cuts if cut < valid)]
    tokens = np.random.default_rng(0).integers(1, VOCAB_SIZE, (1, 60))
    batch = packed_batch(tokens, [begins], valid_B=[valid], first_row=row)
    inputs = {name: tensor[0].tolist() for name, tensor in span_corruption.inputs(batch, FOR_SPANS).items()}
    text = []
    for document in range(len(begins)):
        read = [t for t, d in zip(inputs["input_BE"], inputs["document_BE"], strict=True) if d == document]
        written = [
            t for t, d in zip(inputs["label_BT"], inputs["document_BD"], strict=True) if d == document and t != IGNORED
        ]
        spans: dict[int, list[int]] = {}
        for token in written[:-1]:
            if token in SENTINELS:
                spans[token] = []
            else:
                spans[max(spans)].append(token)
        assert written[-1:] in ([], [END])
        assert list(spans) == list(SENTINELS[: len(spans)])
        assert all(spans.values())
        text += [t for token in read for t in spans.get(token, [token])]
    assert text == tokens[0, :valid].tolist()
