"""A base's tokenizer with more tokens: what it was it stays, and what is new is made of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer

from domainlm.errors import DataError
from domainlm.specs.byte_level import cannot_extend, letters, text_of
from domainlm.specs.tokenizer import TokenizerSpec
from domainlm.tokens import parity, rows, transfer
from domainlm.tokens.encode import Fast, Library, choose
from domainlm.tokens.extend import Left, extend
from domainlm.tokens.pretoken import Refused, cuts
from domainlm.tokens.tokenizer import load, vocab_size

from .conftest import documents
from .test_encode import CL100K, split

LIKE = {
    # Its pre-tokenizer, normalizer, model options and added tokens, as these models have them.
    "gpt2": (pre_tokenizers.ByteLevel(add_prefix_space=False), None, {}, []),
    "llama3": (split(CL100K % r"\p{N}{1,3}"), None, {"ignore_merges": True}, []),
    "qwen": (split(CL100K % r"\p{N}"), normalizers.NFC(), {}, []),
    "gpt_neox": (pre_tokenizers.ByteLevel(add_prefix_space=False), normalizers.NFC(), {}, ["    ", "  "]),
    "no kernel": (split(r"\S+|\s+"), None, {}, []),
}
NEW_TOKENS = 60
GENERAL, LAW = documents("general", 40), documents("law acts", 60)


def base_like(kind: str) -> Tokenizer:
    """A base trained on general text, its special tokens behind its last merge, as Llama 3 and Qwen have them."""
    pre_tokenizer, normalizer, options, added = LIKE[kind]
    tokenizer = Tokenizer(models.BPE(**options))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizer, decoders.ByteLevel()
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=380, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(GENERAL, trainer)
    tokenizer.add_tokens([AddedToken(text, normalized=True) for text in added])
    tokenizer.add_special_tokens(["<|end|>", "<|reserved|>"])
    tokenizer.encode_special_tokens = True
    return tokenizer


ACROSS = [kind for kind in LIKE if kind != "no kernel"]


@pytest.fixture(scope="module", params=[*LIKE, *(f"{kind}, across words" for kind in ACROSS)])
def pair(request: pytest.FixtureRequest) -> tuple[Tokenizer, Tokenizer, transfer.Transfer]:
    """A base, the same with new tokens, and what these are made of."""
    kind, _, across = request.param.partition(", ")
    base = base_like(kind)
    return base, *extend(base, NEW_TOKENS, [LAW], across_words=bool(across))


SIGNS = "lawcts abdefghij  \t\n12.-\u00e9e\u0301\u4e00\U0001f642<|end|>"
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.text(st.sampled_from(SIGNS), max_size=80)


def test_every_token_of_the_base_keeps_its_id(pair):
    base, extended, _ = pair
    assert base.get_vocab().items() <= extended.get_vocab().items()
    assert vocab_size(extended) == vocab_size(base) + NEW_TOKENS
    assert extended.get_added_tokens_decoder().keys() == base.get_added_tokens_decoder().keys()


def test_every_new_token_is_spelt_by_the_base_tokens_that_it_is_made_of(pair):
    base, extended, made_of = pair
    assert (made_of.base_vocab_size, made_of.first_id) == (vocab_size(base), vocab_size(base))
    for number, ids in enumerate(made_of.pieces):
        token = extended.id_to_token(made_of.first_id + number)
        assert len(ids) > 1 and max(ids) < vocab_size(base)
        assert "".join(base.id_to_token(id_) for id_ in ids) == token
        assert [one.id for one in base.model.tokenize(token)] == list(ids)
        assert [one.id for one in extended.model.tokenize(token)] == [made_of.first_id + number]


@settings(deadline=None, max_examples=60)
@given(text=TEXTS)
def test_any_text_is_the_bases_tokens_with_some_of_them_joined(pair, text):
    base, extended, made_of = pair
    ids = extended.encode(text, add_special_tokens=False).ids
    pieces = [made_of.pieces[i - made_of.first_id] if i >= made_of.first_id else (i,) for i in ids]
    wanted = base.encode(text, add_special_tokens=False).ids
    assert [id_ for some in pieces for id_ in some] == wanted
    assert extended.decode(ids, skip_special_tokens=False) == base.decode(wanted, skip_special_tokens=False)


@settings(deadline=None, max_examples=60)
@given(text=TEXTS)
def test_any_text_comes_back_from_the_extended_tokens(pair, text):
    base, extended, _ = pair
    normal = base.normalizer.normalize_str(text) if base.normalizer is not None else text
    assert extended.decode(extended.encode(text, add_special_tokens=False).ids, skip_special_tokens=False) == normal


def test_the_fast_encoder_takes_it_and_gives_the_librarys_ids(pair):
    base, extended, _ = pair
    if base.pre_tokenizer is not None and "S+" in str(base.pre_tokenizer):
        with pytest.raises(Refused):
            Fast(extended, 0)
        return
    strings = parity.adversarial(extended, Fast(extended, 0).cuts.classes)
    assert parity.mismatches(Fast(extended, 0).encode, Library(extended, 0).encode, [*strings, *LAW[:9]]) == []


def test_new_tokens_save_tokens_where_they_were_learnt(pair):
    base, extended, _ = pair
    for texts, most in ((documents("law acts", 70)[60:], 0.9), (documents("general", 50)[40:], 1.0)):
        counts = [sum(len(t.encode(x, add_special_tokens=False)) for x in texts) for t in (base, extended)]
        assert counts[1] <= most * counts[0]


def test_the_kernel_and_the_library_find_the_same_rows():
    base = base_like("qwen")
    fast = rows._by_kernel(base, cuts(json.loads(base.pre_tokenizer.__getstate__())), [LAW, GENERAL])
    slow = rows._by_library(base, [LAW, GENERAL])
    for one, other in ((fast.ids_T, slow.ids_T), (fast.begins_T, slow.begins_T), (fast.ends_R, slow.ends_R)):
        assert one.tolist() == other.tolist()
    assert fast.counts_KR.tolist() == slow.counts_KR.tolist()


def test_a_token_that_merges_never_reach_does_not_come_back_to_life():
    base = base_like("llama3")
    description = json.loads(base.to_str())
    found, _ = extend(base, NEW_TOKENS, [LAW])
    longest = max(set(found.get_vocab()) - set(base.get_vocab()), key=len)
    description["model"]["vocab"][longest] = 999
    with_word = Tokenizer.from_str(json.dumps(description))
    extended, made_of = extend(with_word, 20, [LAW])
    assert extended.token_to_id(longest) == 999
    assert len(made_of.pieces) == 20
    assert all(a + b != longest for a, b in json.loads(extended.to_str())["model"]["merges"])


def count(tokenizer: Tokenizer, texts: list[str]) -> int:
    return sum(len(tokenizer.encode(text, add_special_tokens=False)) for text in texts)


def test_tokens_of_several_words_save_more_and_are_whole_words():
    base = base_like("llama3")
    within, across = (extend(base, 300, [LAW], across_words=across)[0] for across in (False, True))
    assert count(across, LAW) < 0.95 * count(within, LAW)
    new = [token for token in across.get_vocab() if token not in base.get_vocab()]
    several = [text_of(token).split(" ") for token in new if "\u0120" in token[1:] and text_of(token).strip()]
    assert several and max(map(len, several)) <= 5  # with what stands before the first space
    law_words = {word for text in LAW for word in text.replace(":", "").replace(".", "").split()}
    assert all(word in law_words for words in several for word in words if word)


def test_a_token_of_several_words_does_not_reach_over_what_is_no_single_space():
    base = base_like("gpt2")
    extended, made_of = extend(base, 300, [LAW], across_words=True)
    for text in ("law acts", "law  acts", "law\tacts", "law\nacts", "law, acts", "law-acts", "law\u00a0acts"):
        ids = extended.encode(text, add_special_tokens=False).ids
        texts = [text_of(extended.id_to_token(id_)).strip() for id_ in ids]
        assert ("law acts" in texts) == (text == "law acts")
    assert extend(base, 300, [LAW], across_words=True)[1] == made_of


def test_the_text_that_is_left_saves_no_more_than_it_may():
    base = base_like("qwen")
    free, _ = extend(base, NEW_TOKENS, [LAW], across_words=True)
    before = count(base, GENERAL)
    assert 1 - count(free, GENERAL) / before > 0.02
    bound, _ = extend(base, NEW_TOKENS, [LAW], across_words=True, left=[Left([GENERAL], 0.01)])
    assert 0 <= 1 - count(bound, GENERAL) / before <= 0.01
    assert count(free, LAW) < count(bound, LAW) < count(base, LAW)
    with pytest.raises(DataError, match=r"asked, but [\d,]+ found: no more of them leave the text of `max_change`"):
        extend(base, 2_000, [LAW], left=[Left([LAW], 0.0)])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"pre_tokenizer": {"type": "Whitespace"}}, "a BPE over characters"),
        ({"merges": [["a", "\u0120b"]]}, "a merge that joins words, of 'a' and '\u0120b'"),
        ({"regex": r"\S+|\s+"}, "a pre-tokenizer that cuts by "),
        ({"prefix": True}, "`add_prefix_space`"),
    ],
)
def test_a_base_whose_tokens_would_change_across_words_is_refused_with_the_reason(change, why):
    vocab = {"a\u0120b": 258} if "merges" in change else {}
    vocab |= {letter: number for number, letter in enumerate(letters())} | {"\u0120b": 256, "ab": 257}
    merges = [("\u0120", "b"), *map(tuple, change.get("merges", []))]
    base = Tokenizer(models.BPE(vocab, merges))
    base.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=change.get("prefix", False))
    if "regex" in change:
        base.pre_tokenizer = split(change["regex"])
    if "pre_tokenizer" in change:
        base.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(DataError, match=f"it has {why}"):
        extend(base, 10, [LAW], across_words=True)


@settings(max_examples=200)
@given(
    words=st.lists(st.sampled_from(["law", "acts", "xyz", "xyzz", "axyz", ".xyz", "'xyz", "1", ",", "\n"]), max_size=12)
)
def test_words_that_a_base_knows_only_as_a_whole_stay_so_among_others(known_as_a_whole, words):
    base, extended, made_of = known_as_a_whole
    text = " ".join(words)
    ids = extended.encode(text, add_special_tokens=False).ids
    pieces = [made_of.pieces[i - made_of.first_id] if i >= made_of.first_id else (i,) for i in ids]
    assert [id_ for some in pieces for id_ in some] == base.encode(text, add_special_tokens=False).ids
    assert parity.mismatches(Fast(extended, 0).encode, Library(extended, 0).encode, [text]) == []


@pytest.fixture(scope="module", params=["llama3", "gpt2"])
def known_as_a_whole(request):
    """A base with words that no merges make, as Llama 3 has some, and the same with tokens of several words."""
    description = json.loads(base_like(request.param).to_str())
    description["model"]["ignore_merges"] = True
    for number, word in enumerate(["\u0120xyz", "xyz", ".xyz"]):
        description["model"]["vocab"][word] = 900 + number
    base = Tokenizer.from_str(json.dumps(description))
    base.encode_special_tokens = True
    texts = [f"law acts xyz law acts xyz. {text} xyz xyz law" for text in LAW]
    assert "\u0120xyz" in base.encode(texts[0]).tokens
    return base, *extend(base, 300, [texts], across_words=True)


def test_what_reaches_across_words_is_not_extended_again():
    extended, _ = extend(base_like("gpt2"), 10, [LAW], across_words=True)
    with pytest.raises(DataError, match="it has tokens that reach across words already"):
        extend(extended, 10, [LAW])


def test_the_letters_of_bytes_are_the_librarys():
    assert set(letters()) == set(pre_tokenizers.ByteLevel.alphabet())


@pytest.mark.parametrize(
    ("tokenizer", "why"),
    [
        (Tokenizer(models.Unigram([("a", 0.0)])), "a model of kind Unigram"),
        (Tokenizer(models.WordPiece({"[UNK]": 0})), "a model of kind WordPiece"),
        (Tokenizer(models.BPE({"\u2581": 0}, [], byte_fallback=True)), "a BPE over characters, as SentencePiece makes"),
        (Tokenizer(models.BPE(dropout=0.1)), "`dropout`"),
    ],
)
def test_what_is_no_byte_level_bpe_is_refused_with_the_reason(tokenizer, why):
    assert why in (cannot_extend(json.loads(tokenizer.to_str())) or "")
    with pytest.raises(DataError, match="it cannot be extended: it has "):
        extend(tokenizer, 10, [LAW])


def test_more_tokens_than_the_sample_has_are_an_error_with_the_number_that_there_are():
    base = base_like("gpt2")
    with pytest.raises(DataError, match="50,000 new tokens asked, but ") as refused:
        extend(base, 50_000, [LAW[:3]])
    found = int(str(refused.value).split("Lower `new_tokens` to ")[1].split(",")[0])
    assert vocab_size(extend(base, found, [LAW[:3]])[0]) == vocab_size(base) + found


@pytest.fixture
def extended(trained, tmp_path):
    """A stage that extends the tokenizer of another."""
    base = trained()
    folder = str((base.folder / "tokenizer").relative_to(tmp_path))
    return base, trained(TokenizerSpec(name="more", extend=folder, new_tokens=50, byte_ratio={"law": 1.0}))


def test_the_stage_keeps_what_the_base_is_and_lists_what_is_new(extended):
    base, made = extended
    assert made.facts["vocab_size"] == base.facts["vocab_size"] + 50 == made.facts["base_vocab_size"] + 50
    assert made.facts["end_token_id"] == base.facts["end_token_id"]
    assert made.facts["base_fertility"] == base.facts["fertility"]
    law = made.facts["fertility"]["law"]["bytes_per_token"]
    assert law > 1.05 * made.facts["base_fertility"]["law"]["bytes_per_token"]
    (shard,) = made.files(transfer.KIND)
    assert transfer.load(made.path(shard)).vocab_size == made.facts["vocab_size"]
    assert load(base).get_vocab().items() <= load(made).get_vocab().items()


def test_transformers_loads_the_extended_folder_and_gives_its_tokens(extended):
    _, made = extended
    theirs, ours = AutoTokenizer.from_pretrained(made.folder / "tokenizer"), load(made)
    for text in ("law acts 12: abc def.\n", "a<|endoftext|>b", *documents("law acts", 3)):
        ids = ours.encode(text, add_special_tokens=False).ids
        assert theirs(text, add_special_tokens=False, split_special_tokens=True).input_ids == ids
    assert len(theirs) == vocab_size(ours)
    assert choose(ours, 0, documents("law acts", 5))[0].name == "domainlm.bpe"


def test_the_same_bytes_come_out_again(extended, trained):
    _, made = extended
    (made.folder / "manifest.json").unlink()
    spec = TokenizerSpec(name="more", extend=made.facts["extends"], new_tokens=50, byte_ratio={"law": 1.0})
    assert trained(spec).digest() == made.digest()
