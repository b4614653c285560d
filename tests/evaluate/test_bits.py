from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from domainlm.evaluate import bits, likelihood
from domainlm.evaluate.harness import SubjectLM
from domainlm.evaluate.subject import Subject

TEXTS = [
    "The licensee may use the software. The licensor grants no warranty, naïve or otherwise; section 3 § applies.",
    "A garden in the morning. " * 10,
    "x",
    "Notice of liability to the party of the contract.\n" * 4,
]


@given(num_tokens=st.integers(0, 300), window_tokens=st.integers(1, 40), stride_tokens=st.integers(1, 40))
def test_each_token_is_scored_exactly_once_with_at_least_the_windows_rest_as_context(
    num_tokens: int, window_tokens: int, stride_tokens: int
) -> None:
    window_tokens, stride_tokens = bits.fit_window(window_tokens, stride_tokens, None)
    scored: list[int] = []
    for window in bits.windows(num_tokens, window_tokens, stride_tokens):
        assert 0 <= window.begin < window.end <= num_tokens
        assert window.end - window.begin <= window_tokens
        first_target = window.end - window.num_scored + 1
        context = first_target - window.begin
        assert window.begin == 0 or context >= window_tokens - stride_tokens + 1
        scored += range(first_target, window.end + 1)
    assert scored == list(range(1, num_tokens + 1))


def direct_nats(subject: Subject, text: str) -> float:
    """The same by transformers alone: the whole text in one window."""
    ids = subject.tokenizer(text, add_special_tokens=False)["input_ids"]
    tokens = torch.tensor([[subject.begin_token_id, *ids]])
    with torch.no_grad():
        log_probabilities = subject.model(tokens[:, :-1]).logits.double().log_softmax(-1)
    return -float(log_probabilities[0, torch.arange(len(ids)), tokens[0, 1:]].sum())


def test_one_window_gives_what_transformers_gives(tiny: Subject) -> None:
    """To 1e-5 of the value: fp32 logits, in batches with padding, against one text at a time."""
    scores = bits.score(tiny, TEXTS, window_tokens=256, stride_tokens=256)
    for text, score in zip(TEXTS, scores, strict=True):
        assert score.nats == pytest.approx(direct_nats(tiny, text), rel=1e-5)
        assert score.num_bytes == len(text.encode())


@pytest.mark.parametrize("batch_tokens", [16, 100, 4096])
def test_a_documents_score_depends_neither_on_its_company_nor_on_the_batch(
    tiny: Subject, batch_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(likelihood.BATCH_TOKENS, "cpu", batch_tokens)
    together = bits.score(tiny, TEXTS, window_tokens=32, stride_tokens=8)
    alone = [bits.score(tiny, [text], window_tokens=32, stride_tokens=8)[0] for text in TEXTS]
    for left, right in zip(together, alone, strict=True):
        assert left.nats == pytest.approx(right.nats, rel=1e-5)
        assert (left.num_tokens, left.num_bytes) == (right.num_tokens, right.num_bytes)


def test_windows_score_what_a_plain_loop_over_them_scores(tiny: Subject) -> None:
    ids = tiny.encode([TEXTS[1]])[0]
    stream = torch.tensor([tiny.begin_token_id, *ids])
    nats = 0.0
    for window in bits.windows(len(ids), 32, 8):
        with torch.no_grad():
            logits = tiny.model(stream[None, window.begin : window.end]).logits[0].double().log_softmax(-1)
        targets = stream[window.begin + 1 : window.end + 1]
        nats -= float(logits[torch.arange(len(targets)), targets][-window.num_scored :].sum())
    assert bits.score(tiny, [TEXTS[1]], window_tokens=32, stride_tokens=8)[0].nats == pytest.approx(nats, rel=1e-5)


def test_a_document_without_text_has_no_nats_and_no_bytes(tiny: Subject) -> None:
    empty, full = bits.score(tiny, ["", "text"], window_tokens=8, stride_tokens=4)
    assert (empty.nats, empty.num_tokens, empty.num_bytes) == (0.0, 0, 0)
    assert full.nats > 0
    assert bits.score(tiny, [], window_tokens=8, stride_tokens=4) == []


def rolling(model: HFLM) -> float:
    requests = [Instance("loglikelihood_rolling", {}, (text,), 0, metadata=("t", i, 1)) for i, text in enumerate(TEXTS)]
    log_likelihoods = model.loglikelihood_rolling(requests, disable_tqdm=True)
    return -sum(log_likelihoods) / math.log(2) / sum(len(text.encode()) for text in TEXTS)


def test_bits_per_byte_agrees_with_lm_evals_own_within_a_tenth_of_a_percent(tiny: Subject) -> None:
    """lm-eval's rolling windows have one token of context, which is a stride as long as the window."""
    scores = bits.score(tiny, TEXTS, window_tokens=32, stride_tokens=32)
    ours = sum(score.nats for score in scores) / math.log(2) / sum(score.num_bytes for score in scores)
    stock = HFLM(pretrained=tiny.model, tokenizer=tiny.tokenizer, max_length=32, batch_size=4)
    assert ours == pytest.approx(rolling(stock), rel=1e-3)


def test_our_log_likelihoods_are_lm_evals(tiny: Subject) -> None:
    """Also where there is no context, and where it is so long that it loses tokens at its left."""
    pairs = [("The licensee", " may use"), ("", "Notice"), ("x " * 300, "y z"), ("A garden", " is.")]
    requests = [Instance("loglikelihood", {}, pair, 0, metadata=("t", i, 1)) for i, pair in enumerate(pairs)]
    stock = HFLM(pretrained=tiny.model, tokenizer=tiny.tokenizer, batch_size=2)
    theirs = stock.loglikelihood(requests, disable_tqdm=True)
    ours = SubjectLM(tiny).loglikelihood(requests)
    assert [greedy for _, greedy in ours] == [greedy for _, greedy in theirs]
    assert [value for value, _ in ours] == pytest.approx([value for value, _ in theirs], rel=1e-5)


def test_a_cut_window_keeps_the_strides_share_of_it() -> None:
    assert bits.fit_window(512, 128, 100) == (100, 25)
    assert bits.fit_window(4, 1, 2) == (2, 1)


def test_a_text_that_writes_the_end_of_text_token_is_only_text(tiny: Subject) -> None:
    (ids,) = tiny.encode(["a<|endoftext|>b"])
    assert tiny.begin_token_id not in ids
    assert tiny.tokenizer.decode(ids) == "a<|endoftext|>b"
