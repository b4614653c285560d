from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

from domainlm.specs.tokenizer import TokenizerSpec
from domainlm.tokens import kernel, parity
from domainlm.tokens.encode import Fast, Library, choose
from domainlm.tokens.pretoken import Refused
from domainlm.tokens.tokenizer import load

BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False)
CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
MERGES = "th he an in er on re st en at ou ng is it of ed or te ti hi as the Ġt Ġa Ġthe 'v 've".split(" ")  # noqa: SIM905


def split(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


PRE_TOKENIZERS = {
    "gpt2": BYTES,
    "ours": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), BYTES]),
    "llama3": split(CL100K % r"\p{N}{1,3}"),
    "qwen": split(CL100K % r"\p{N}"),
}


def tokenizer_with(pre_tokenizer: pre_tokenizers.PreTokenizer, **options: object) -> Tokenizer:
    """A byte-level vocabulary with a few merges, and then some of every pair of these, so that ranks matter."""
    vocab = {letter: n for n, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges: list[tuple[str, str]] = []
    for token in MERGES:
        left = next(token[:n] for n in range(len(token) - 1, 0, -1) if token[:n] in vocab and token[n:] in vocab)
        merges.append((left, token[len(left) :]))
        vocab[token] = len(vocab)
    for byte in "ĠĊ1-é":
        for count in (2, 4, 8):
            half = byte * (count // 2)
            if half in vocab:
                merges.append((half, half))
                vocab[half * 2] = len(vocab)
    tokenizer = Tokenizer(models.BPE(vocab, merges, **options))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.add_special_tokens(["<|end|>"])
    tokenizer.encode_special_tokens = True
    return tokenizer


def ids_of(encode: parity.Encode, texts: Sequence[str]) -> list[list[int]]:
    ids, counts = encode(pa.array(texts, pa.large_string()))
    return [part.tolist() for part in np.split(ids, np.cumsum(counts)[:-1])] if len(texts) else []


def differing(tokenizer: Tokenizer, texts: Sequence[str]) -> list[str]:
    return parity.mismatches(Fast(tokenizer, 0).encode, Library(tokenizer, 0).encode, texts)


@pytest.fixture(scope="module", params=PRE_TOKENIZERS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return tokenizer_with(PRE_TOKENIZERS[request.param])


SIGNS = "the anditslvrm'\u017f  \t\n\r1234\u0663.-\u00a0\u00e9\u4e00\ud55c\u0301\U0001f642<|end|>"
TEXTS = st.text(st.sampled_from(SIGNS), max_size=200)


@settings(deadline=None, max_examples=150)
@given(texts=st.lists(TEXTS | st.text(max_size=60), max_size=5))
def test_the_fast_encoder_gives_the_ids_of_the_library(tokenizer: Tokenizer, texts: list[str]):
    assert ids_of(Fast(tokenizer, 7).encode, texts) == [
        [*tokenizer.encode(text, add_special_tokens=False).ids, 7] for text in texts
    ]


def test_it_gives_them_on_every_adversarial_string(tokenizer: Tokenizer):
    strings = parity.adversarial(tokenizer, Fast(tokenizer, 0).cuts.classes)
    assert len(strings) > 1000
    assert differing(tokenizer, strings) == []


def test_the_tokenizers_that_domainlm_trains_are_served(trained: Callable, corpus):
    for spec in ({"split_digits": True}, {"split_digits": False}):
        made = trained(TokenizerSpec(name="small", algorithm="bpe", vocab_size=400, **spec))
        tokenizer = load(made)
        encoder, facts = choose(tokenizer, 0, parity.sample(corpus))
        assert (encoder.name, facts["mismatches"], facts["reason"]) == ("domainlm.bpe", 0, None)
        assert facts["checked_docs"] == 110 and facts["checked_strings"] > 1000


def test_a_word_that_is_a_token_is_not_merged_where_the_model_says_so():
    pre = PRE_TOKENIZERS["llama3"]
    told = json.loads(tokenizer_with(pre, ignore_merges=True).to_str())
    told["model"]["vocab"]["zebra"] = max(told["model"]["vocab"].values()) + 2
    tokenizer = Tokenizer.from_str(json.dumps(told))
    tokenizer.encode_special_tokens = True
    assert tokenizer.encode("zebra").tokens == ["zebra"]
    assert differing(tokenizer, ["zebra", " zebra zebra", "the", "thethe"]) == []
    assert ids_of(Fast(tokenizer, 0).encode, ["zebra"])[0] == [told["model"]["vocab"]["zebra"], 0]


def test_a_token_too_long_for_the_table_of_words_is_served_where_merges_make_it():
    told = json.loads(tokenizer_with(PRE_TOKENIZERS["llama3"], ignore_merges=True).to_str())
    spaces = "\u0120"  # a space, doubled up to 128 of them, as Llama 3 has it
    while len(spaces) < 128:
        told["model"]["vocab"].setdefault(spaces * 2, len(told["model"]["vocab"]) + 9)
        told["model"]["merges"].append([spaces, spaces])
        spaces *= 2
    tokenizer = Tokenizer.from_str(json.dumps(told))
    tokenizer.encode_special_tokens = True
    assert len(tokenizer.encode(" " * 128 + "\n").tokens[0]) == 128
    assert differing(tokenizer, [" " * 128 + "\n", " " * 300, "the" + " " * 129]) == []
    told["model"]["vocab"]["a" * 128] = 5_000
    tokenizer = Tokenizer.from_str(json.dumps(told))
    tokenizer.encode_special_tokens = True
    with pytest.raises(Refused) as refused:
        Fast(tokenizer, 0)
    assert refused.value.reason == "ignore_merges with a token of 128 bytes that merges never make"


def test_added_tokens_cut_the_text_and_special_ones_stay_text_but_hide_others():
    tokenizer = tokenizer_with(BYTES)
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in ("  ", "    ", "end|>x", "\u4e00\u4e01")])
    tokenizer.add_special_tokens([AddedToken("<|end|>x", normalized=False)])
    texts = ["a     b", "   ", "<|end|>x", "end|>x", "\u4e00\u4e00\u4e01", "the  the", " ", ""]
    assert differing(tokenizer, texts) == []
    assert tokenizer.token_to_id("    ") in ids_of(Fast(tokenizer, 0).encode, ["a     b"])[0]
    assert tokenizer.token_to_id("end|>x") not in ids_of(Fast(tokenizer, 0).encode, ["<|end|>x"])[0]


def test_text_is_brought_into_nfc_where_the_tokenizer_does_that():
    tokenizer = tokenizer_with(PRE_TOKENIZERS["qwen"])
    tokenizer.normalizer = normalizers.NFC()
    texts = ["plain", "e\u0301e\u0301", "\u1100\u1161\u11a8", "\u212b \u2019", "caf\u00e9"]
    assert differing(tokenizer, texts) == []
    found = ids_of(Fast(tokenizer, 0).encode, texts)
    assert found == ids_of(Fast(tokenizer, 0).encode, [unicodedata.normalize("NFC", text) for text in texts])


@pytest.mark.parametrize("count", [14, 15, 16, 63, 64, 65, 127, 128, 5000])
def test_pieces_of_every_length_class_have_the_librarys_ids(tokenizer: Tokenizer, count: int):
    texts = ["e" * count, "\u00e9" * count, "-" * count, " " * count + "x", "the" * count]
    # Twice: the second time from the table.
    assert differing(tokenizer, [*texts, *texts]) == []


def test_a_full_table_is_emptied_and_changes_no_id(tokenizer: Tokenizer):
    fast = Fast(tokenizer, 0)
    fast._of_thread.words = kernel.words(3)
    texts = [" ".join(f"the{n:x}onthe{n:o}" * (1 + n % 9) for n in range(200))] * 2
    assert ids_of(fast.encode, texts) == ids_of(Library(tokenizer, 0).encode, texts)


def test_text_without_a_space_costs_no_square(tokenizer: Tokenizer):
    letters = np.random.default_rng(0).choice(list("thean"), 2_000_000)
    (ids,) = ids_of(Fast(tokenizer, 0).encode, ["".join(letters)])  # by its square, this would take an hour
    assert 1_000_000 < len(ids) < 2_000_000


REFUSED = {
    "normalizer Lowercase": lambda t: setattr(t, "normalizer", normalizers.Lowercase()),
    "pre-tokenizer Whitespace": lambda t: setattr(t, "pre_tokenizer", pre_tokenizers.Whitespace()),
    "pre-tokenizer ByteLevel with add_prefix_space": lambda t: setattr(
        t, "pre_tokenizer", pre_tokenizers.ByteLevel(add_prefix_space=True)
    ),
    r"pre-tokenizer pattern \w+": lambda t: setattr(t, "pre_tokenizer", split(r"\w+")),
    "special tokens are looked for in text": lambda t: setattr(t, "encode_special_tokens", False),
    "added token 'x' with lstrip": lambda t: t.add_tokens([AddedToken("x", lstrip=True)]),
    "model with dropout": lambda t: setattr(t.model, "dropout", 0.1),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_not_reproduced_is_refused_and_the_library_encodes(reason: str):
    tokenizer = tokenizer_with(BYTES)
    REFUSED[reason](tokenizer)
    with pytest.raises(Refused) as refused:
        Fast(tokenizer, 0)
    assert refused.value.reason == reason
    encoder, facts = choose(tokenizer, 0, ["the"])
    assert (encoder.name, facts["checked_docs"]) == ("tokenizers", 0)
    assert facts["reason"] == f"the fast encoder does not serve {reason}"


def test_an_encoder_that_gives_other_ids_is_not_used(monkeypatch: pytest.MonkeyPatch):
    tokenizer = tokenizer_with(BYTES)

    class Wrong(Fast):
        def encode(self, texts: pa.LargeStringArray):
            ids, counts = super().encode(texts)
            return np.where(ids == tokenizer.token_to_id("the"), 0, ids), counts

    monkeypatch.setattr("domainlm.tokens.encode.Fast", Wrong)
    encoder, facts = choose(tokenizer, 0, ["a and b", "the\nend"])
    assert encoder.name == "tokenizers"
    assert facts["mismatches"] > 0
    assert facts["reason"] == "the fast one gives other ids of 'the\\nend'"
