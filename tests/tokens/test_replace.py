"""Another vocabulary in a base's place: what both have stays, and what is new is made of what the base has for it."""

from __future__ import annotations

import pytest
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from domainlm.specs.byte_level import letters
from domainlm.specs.tokenizer import TokenizerSpec
from domainlm.tokens import transfer
from domainlm.tokens.replace import replace
from domainlm.tokens.tokenizer import load, load_folder, vocab_size
from domainlm.train import embeddings

from .conftest import SPEC, documents
from .test_extend import GENERAL, LAW, base_like

BYTE_OF = {letter: byte for byte, letter in enumerate(letters())}
END = "<|endoftext|>"


def bytes_of(token: str) -> bytes:
    return bytes(BYTE_OF[letter] for letter in token)


def of_characters(kind: str) -> Tokenizer:
    """A base that is no byte-level BPE: as SentencePiece makes one, for Llama 2 or for T5, or WordPiece."""
    if kind == "wordpiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tokenizer.pre_tokenizer, special = pre_tokenizers.BertPreTokenizer(), ["[UNK]", "</s>"]
        trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    elif kind == "unigram":
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        special = {"special_tokens": ["<unk>", "</s>"], "unk_token": "<unk>"}
        trainer = trainers.UnigramTrainer(vocab_size=300, show_progress=False, **special)
    else:
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
        tokenizer.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
        trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<unk>", "</s>"], show_progress=False)
    tokenizer.train_from_iterator(GENERAL, trainer)
    tokenizer.encode_special_tokens = True
    return tokenizer


def new_one() -> Tokenizer:
    """A byte-level vocabulary of law, with the end token first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = {"special_tokens": [END], "initial_alphabet": alphabet}
    trainer = trainers.BpeTrainer(vocab_size=360, show_progress=False, **special)
    tokenizer.train_from_iterator([*LAW, "\u4e00\u4e01    a    b" * 30], trainer)
    return tokenizer


@pytest.mark.parametrize("kind", ["gpt2", "llama3", "qwen", "gpt_neox"])
def test_tokens_of_bytes_are_the_bases_own_or_spelt_by_them(kind):
    base, new = base_like(kind), new_one()
    made_of, had = replace(base, new, base_end="<|end|>", end=END), base.get_vocab()
    assert (made_of.first_id, made_of.vocab_size) == (0, vocab_size(new))
    assert made_of.base_vocab_size == vocab_size(base)
    shared = 0
    for token, id_ in new.get_vocab().items():
        ids = made_of.pieces[id_]
        if token == END:
            assert ids == (base.token_to_id("<|end|>"),)
            continue
        # Tokens of spaces, which GPT-NeoX added to its merges, are spelt as in text.
        spelt = b"".join(t.encode() if t.isspace() else bytes_of(t) for t in map(base.id_to_token, ids))
        assert spelt == bytes_of(token)
        assert token not in had or ids == (had[token],)
        shared += token in had
    assert 256 < shared < vocab_size(new)


def test_a_token_that_the_base_has_beside_its_merges_is_shared_too():
    base, new = base_like("gpt_neox"), new_one()
    made_of = replace(base, new, base_end="<|end|>", end=END)
    assert made_of.pieces[new.token_to_id("\u0120" * 2)] == (base.token_to_id("  "),)


def test_only_special_tokens_stand_for_special_ones():
    base = base_like("gpt2")
    base.add_special_tokens([AddedToken("<s>"), "<pad>"])
    new = Tokenizer(models.BPE({"<s>": 0}, []))  # learnt as text, as from HTML
    new.add_special_tokens([END, "<pad>", "<other>"])
    made_of = replace(base, new, base_end="<|end|>", end=END)
    assert [base.id_to_token(id_) for id_ in made_of.pieces[0]] == ["<", "s", ">"]
    assert made_of.pieces[new.token_to_id("<pad>")] == (base.token_to_id("<pad>"),)
    assert made_of.pieces[new.token_to_id("<other>")] == ()


@pytest.mark.parametrize("kind", ["bpe", "unigram", "wordpiece"])
def test_tokens_of_characters_are_those_of_the_text_without_the_space_before_it(kind):
    base, new = of_characters(kind), new_one()
    made_of = replace(base, new, base_end="</s>", end=END)
    assert made_of.pieces[new.token_to_id(END)] == (base.token_to_id("</s>"),)
    known = 0
    for token, id_ in new.get_vocab().items():
        if token == END or not made_of.pieces[id_]:
            continue
        found = [base.id_to_token(piece).removeprefix("##") for piece in made_of.pieces[id_]]
        assert "".join(found).replace("\u2581", " ").strip() == bytes_of(token).decode().strip(), token
        known += 1
    assert known > 60


def test_of_part_of_a_character_and_of_one_that_the_base_lacks_nothing_is_known():
    base = of_characters("bpe")
    word = "".join(letters()[byte] for byte in b"a\xe4")
    lacking = "".join(letters()[byte] for byte in "a\u4e00".encode())
    new = Tokenizer(models.BPE({END: 0, "a": 1, word: 2, lacking: 3}, []))
    new.add_special_tokens([END])
    assert base.token_to_id("a") is not None
    made_of = replace(base, new, base_end="</s>", end=END)
    assert made_of.pieces[1] and made_of.pieces[2:] == ((), ())


@pytest.fixture(params=["bpe", "unigram"])
def replaced(request, trained, tmp_path):
    """A base's folder, and a stage whose tokenizer, of law, takes its place."""
    base = trained(SPEC.model_copy(update={"byte_ratio": {"general": 1.0}}))
    folder = base.folder / "tokenizer"
    asked = {"name": "law", "algorithm": request.param, "vocab_size": 350, "byte_ratio": {"law": 1.0}}
    return folder, trained(TokenizerSpec(**asked, replaces=str(folder.relative_to(tmp_path))))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("method", ["mean_of_pieces", "mean_of_all", "zero_output"])
def test_rows_of_shared_tokens_stay_and_others_begin_as_the_method_says(replaced, tied, method):
    if tied and method == "zero_output":
        pytest.skip("refused for tied embeddings")
    base, new = load_folder(replaced[0]), load(replaced[1])
    (shard,) = replaced[1].files(transfer.KIND)
    made_of = transfer.load(replaced[1].path(shard))
    assert not (replaced[1].folder / "base").exists()
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    # Rows to spare, as many bases have.
    model = LlamaForCausalLM(LlamaConfig(vocab_size=vocab_size(base) + 6, tie_word_embeddings=tied, **sizes))
    before = [end.weight.detach().clone() for end in (model.get_input_embeddings(), model.get_output_embeddings())]
    embeddings.renew(model, made_of, method, None)
    after = [end.weight.detach() for end in (model.get_input_embeddings(), model.get_output_embeddings())]
    assert model.config.vocab_size == len(after[0]) == len(after[1]) == replaced[1].facts["vocab_size"] == 350
    assert embeddings.is_tied(model) == tied
    had, num_shared = base.get_vocab(), 0
    for token, id_ in new.get_vocab().items():
        for of, was, now in zip(("input", "output"), before, after, strict=True):
            pieces = [had[token]] if token in had else [t.id for t in base.model.tokenize(token)]
            wanted = was[pieces].mean(0)
            if token not in had and method == "mean_of_all":
                wanted = was[: vocab_size(base)].mean(0)
            if token not in had and method == "zero_output" and of == "output":
                wanted = torch.zeros(16)
            torch.testing.assert_close(now[id_], wanted)
        num_shared += token in had
    assert 257 <= num_shared < 350


def test_a_base_of_the_kind_of_llama_2_is_replaced_in_a_stage(trained, tmp_path):
    base = of_characters("bpe")
    PreTrainedTokenizerFast(tokenizer_object=base, eos_token="</s>", unk_token="<unk>").save_pretrained(
        tmp_path / "old"
    )
    spec = SPEC.model_copy(update={"name": "law", "replaces": "./old"})
    made = trained(spec)
    (shard,) = made.files(transfer.KIND)
    made_of = transfer.load(made.path(shard))
    assert (made_of.base_vocab_size, made_of.vocab_size) == (vocab_size(base), 400)
    assert made_of.pieces[made.facts["end_token_id"]] == (base.token_to_id("</s>"),)
    for text in documents("law acts", 2):
        ids = load(made).encode(text.split()[-1], add_special_tokens=False).ids
        assert all(made_of.pieces[id_] for id_ in ids)
