from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, trainers

from domainlm.errors import DataError
from domainlm.specs.byte_level import letters
from domainlm.specs.tokenizer import TokenizerSpec
from domainlm.tokens import chunks, lattice, unigram, words
from domainlm.tokens.seeds import MAX_BYTES, seeds
from domainlm.tokens.tokenizer import end_token_id, load

PRETOKENS = ("gpt2", "cl100k", "whitespace", "bloomberggpt")
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    [
        "a<|endoftext|>b",
        "  two  spaces\n\n\ttab\r\n",
        "§ 12(a)(1) of the Act, 1999.",
        "1234567890 ½ ٣",
        "\u2028\u0085\ufeff",
        "नमस्ते 🏳️‍🌈",
        "Several words,  and\n more 12.5%",
        "",
    ]
)


def counted(texts, pretokens="gpt2", split_digits=True):
    found = words.count([list(texts)], pretokens, split_digits=split_digits)
    data = found.text.tobytes()
    spans = zip(found.offsets[:-1], found.offsets[1:], found.counts, strict=True)
    return {data[begin:end]: int(count) for begin, end, count in spans}


@pytest.mark.parametrize("pretokens", PRETOKENS)
@given(texts=st.lists(TEXTS, max_size=4))
def test_pretokens_are_counted_as_tokenizers_cuts_them(pretokens, texts):
    for split_digits in (True, False) if pretokens != "bloomberggpt" else (True,):
        cutter = words.pre_tokenizer(pretokens, split_digits=split_digits)
        byte = {letter: byte for byte, letter in enumerate(letters())}
        wanted = Counter(
            bytes(byte[letter] for letter in piece) for text in texts for piece, _ in cutter.pre_tokenize_str(text)
        )
        assert counted(texts, pretokens, split_digits) == wanted


def test_more_pretokens_than_there_was_room_for_are_counted():
    rng = random.Random(0)
    text = [" ".join(str(rng.randrange(10**12)) for _ in range(60_000)) for _ in range(3)]
    found = words.count(([one] for one in text), "gpt2", split_digits=False)
    assert found.counts.size > words._ROOM
    assert found.counts.sum() == 180_000
    assert len(found.text) == found.offsets[-1]


@given(st.lists(st.text("ab ", max_size=9), max_size=6))
def test_seeds_are_all_substrings_that_come_twice_but_those_always_within_the_same_longer_one(texts):
    found = words.count([texts], "bloomberggpt", split_digits=True)
    wanted: Counter[bytes] = Counter()
    for word, count in counted(texts, "bloomberggpt").items():
        for begin, end in itertools.combinations(range(len(word) + 1), 2):
            wanted[word[begin:end]] += count
    frequent = {piece: count for piece, count in wanted.items() if count > 1}
    longer = {
        part
        for piece, count in frequent.items()
        for part in (piece[1:], piece[:-1])
        if len(piece) <= MAX_BYTES and frequent.get(part) == count
    }
    data = found.text.tobytes()
    got = seeds(found, 10**6)
    pieces = [data[place : place + length] for place, length in zip(got.places, got.lengths, strict=True)]
    assert dict(zip(pieces, got.counts.tolist(), strict=True)) == {
        piece: count for piece, count in frequent.items() if len(piece) > 1 and piece not in longer
    }


def by_hand(word: bytes, probs: dict[bytes, float]) -> list[tuple[float, list[bytes]]]:
    ways = []
    for cuts in itertools.product([False, True], repeat=len(word) - 1):
        places = [0, *(i + 1 for i, cut in enumerate(cuts) if cut), len(word)]
        pieces = [word[a:b] for a, b in itertools.pairwise(places)]
        if all(piece in probs for piece in pieces):
            ways.append((math.prod(probs[piece] for piece in pieces), pieces))
    return ways


@given(st.lists(st.text("ab", min_size=1, max_size=7), min_size=1, max_size=4), st.integers(0, 2**32))
def test_expected_and_best_counts_are_those_of_all_cuts_written_out(texts, seed):
    found = words.count([texts], "gpt2", split_digits=True)
    pieces = unigram._begin(found, 1000)
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.ones(pieces.lengths.size))
    by_piece = {piece: prob for (piece, _), prob in zip(pieces.items(), probs, strict=True)}
    expected, best = dict.fromkeys(by_piece, 0.0), dict.fromkeys(by_piece, 0)
    for word, count in counted(texts).items():
        ways = by_hand(word, by_piece)
        total = sum(prob for prob, _ in ways)
        for prob, cut in ways:
            for piece in cut:
                expected[piece] += count * prob / total
        for piece in max(ways)[1]:
            best[piece] += count
    edges = lattice.trie(pieces.text, pieces.places, pieces.lengths)
    got = lattice.expected(edges, probs, *found, 7, MAX_BYTES)
    np.testing.assert_allclose(got, list(expected.values()), rtol=1e-9, atol=1e-12)
    assert lattice.best(edges, np.log(probs), *found, 7).tolist() == list(best.values())


def test_the_longest_pretokens_have_expected_counts_too():
    rng = random.Random(0)
    text = "".join(rng.choices("abc", k=words.MAX_BYTES * 3))
    found = words.count([[text]], "gpt2", split_digits=True)
    pieces = unigram._begin(found, 50)
    probs = np.full(pieces.lengths.size, 1e-10)
    edges = lattice.trie(pieces.text, pieces.places, pieces.lengths)
    got = lattice.expected(edges, probs, *found, words.MAX_BYTES, MAX_BYTES)
    assert (got * pieces.lengths).sum() == pytest.approx(len(text))


def test_a_unigram_model_needs_about_as_many_tokens_as_bpe():
    rng = random.Random(0)
    stems = ["".join(rng.choices("abcdefghij", k=rng.randint(2, 5))) for _ in range(120)]
    weights = [1 / (rank + 1) for rank in range(len(stems))]
    texts = [
        " ".join("".join(rng.choices(stems, weights, k=rng.randint(1, 3))) for _ in range(200)) for _ in range(150)
    ]
    held, texts = texts[:20], texts[20:]
    spec = TokenizerSpec(name="u", algorithm="unigram", vocab_size=800)
    cutter = words.pre_tokenizer("gpt2", split_digits=True)
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = cutter
    bpe.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=799, initial_alphabet=sorted(letters()), show_progress=False)
    )
    from domainlm.tokens.learn import unigram_tokenizer

    learned = unigram.learn(words.count([texts], "gpt2", split_digits=True), 799, label="")
    ours = unigram_tokenizer(spec, learned)
    tokens = {
        name: sum(len(e) for e in tokenizer.encode_batch(held)) for name, tokenizer in (("bpe", bpe), ("ours", ours))
    }
    assert tokens["ours"] < 1.02 * tokens["bpe"]


@pytest.fixture(params=["unigram", "unigram_in_chunks"])
def finished(trained, request):
    more = {"chunk_bytes": 4000} if request.param == "unigram_in_chunks" else {}
    return trained(TokenizerSpec(name="u", algorithm=request.param, vocab_size=500, **more))


def test_a_unigram_tokenizer_has_the_size_asked_and_no_text_becomes_its_end_token(finished):
    tokenizer = load(finished)
    assert finished.facts["vocab_size"] == tokenizer.get_vocab_size() == 500
    assert end_token_id(finished) == 499
    assert 499 not in tokenizer.encode("law<|endoftext|> acts", add_special_tokens=False).ids


def test_every_byte_is_a_token(finished):
    vocab = load(finished).get_vocab()
    assert sorted(vocab[letter] for letter in letters()) == list(range(256))


@pytest.mark.parametrize("algorithm", ["unigram", "unigram_in_chunks"])
def test_a_unigram_vocabulary_smaller_than_asked_is_an_error_with_the_arithmetic(trained, algorithm):
    with pytest.raises(DataError) as refused:
        trained(TokenizerSpec(name="large", algorithm=algorithm, vocab_size=50_000))
    message = str(refused.value)
    assert "tokenizer large: 50,000 tokens asked, but " in message
    found = int(message.split("Lower `vocab_size` to ")[1].split(",")[0])
    fewer = trained(TokenizerSpec(name="large", algorithm=algorithm, vocab_size=found))
    assert fewer.facts["vocab_size"] == found


def test_merged_probabilities_are_means_weighted_by_bytes():
    import pyarrow as pa

    def model(probs):
        return pa.table({"piece": pa.array(list(probs), pa.binary()), "prob": list(probs.values())})

    num_bytes, got = chunks.merged([(300, model({b"a": 0.5, b"b": 0.5})), (100, model({b"c": 0.9, b"a": 0.1}))])
    assert num_bytes == 400
    wanted = {b"a": 0.75 * 0.5 + 0.25 * 0.1, b"b": 0.375, b"c": 0.225}
    assert dict(zip(got["piece"].to_pylist(), got["prob"].to_pylist(), strict=True)) == pytest.approx(wanted)
