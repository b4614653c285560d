"""A vocabulary learnt from a sample by the spec's algorithm: any text comes back from its tokens, byte for byte.

A vocabulary has the size that was asked for, or there is an error that says why it cannot have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from domainlm.errors import DataError
from domainlm.progress import tell
from domainlm.specs.byte_level import spelt
from domainlm.specs.tokenizer import TokenizerSpec
from domainlm.tokens import chunks, unigram, words
from domainlm.tokens.sample import DomainSample, texts

_NUM_BYTES = 256


def learn(
    spec: TokenizerSpec, samples: Mapping[str, DomainSample], folder: Path, each: chunks.Each = chunks.in_turn
) -> tuple[Tokenizer, dict[str, Any]]:
    """The spec's tokenizer, and facts of how it was learnt; `folder` and `each` are for `unigram_in_chunks`.

    Raises DataError where the vocabulary comes out smaller than asked.
    """
    assert spec.vocab_size is not None
    if spec.algorithm == "bpe":
        return learn_bpe(spec, samples), {}
    num_pieces = spec.vocab_size - len(spec.special_tokens)
    if spec.algorithm == "unigram":
        counted = words.count(feed(samples), spec.pretokens, split_digits=spec.split_digits)
        pieces = unigram.learn(counted, num_pieces, label="tokenizer: learn pieces")
        facts = {}
    else:
        pieces, num_chunks = chunks.learn(spec, samples, num_pieces, folder, each)
        facts = {"chunks": num_chunks}
    if len(pieces) < num_pieces:
        raise _too_small(spec, samples, len(pieces) + len(spec.special_tokens))
    return unigram_tokenizer(spec, pieces), facts


def learn_bpe(spec: TokenizerSpec, samples: Mapping[str, DomainSample]) -> Tokenizer:
    """Byte-level byte-pair encoding. Source: Sennrich et al., arXiv:1508.07909; bytes as in GPT-2."""
    assert spec.vocab_size is not None
    tokenizer = _around(spec, models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=spec.vocab_size,
        min_frequency=2,
        special_tokens=list(spec.special_tokens),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(feed(samples), trainer)
    found = tokenizer.get_vocab_size()
    if found < spec.vocab_size:
        raise _too_small(spec, samples, found)
    return tokenizer


def unigram_tokenizer(spec: TokenizerSpec, pieces: list[tuple[bytes, float]]) -> Tokenizer:
    """The tokenizer of a Unigram vocabulary; the special tokens get the last ids.

    Among the pieces they would be, to a Unigram model, text like any other.
    """
    vocab = [(spelt(piece), log_prob) for piece, log_prob in _ordered(pieces)]
    tokenizer = _around(spec, models.Unigram(vocab))
    tokenizer.add_special_tokens(list(spec.special_tokens))
    return tokenizer


def _ordered(pieces: list[tuple[bytes, float]]) -> list[tuple[bytes, float]]:
    return sorted(pieces, key=lambda item: (len(item[0]) > 1, -item[1], item[0]))


def _around(spec: TokenizerSpec, model: Any) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = words.pre_tokenizer(spec.pretokens, split_digits=spec.split_digits)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def _too_small(spec: TokenizerSpec, samples: Mapping[str, DomainSample], found: int) -> DataError:
    num_bytes = sum(int(sample.kept_bytes_D.sum()) for sample in samples.values())
    num_special = len(spec.special_tokens)
    learnt = found - _NUM_BYTES - num_special
    have = f"{_NUM_BYTES} bytes + {num_special} special + {learnt:,}"
    why = {
        "bpe": f"{have} merges, and in {num_bytes:,} bytes of sample no two pieces are left that stand together twice",
        "unigram": f"{have} pieces: in {num_bytes:,} bytes of sample no other stands twice by itself",
        "unigram_in_chunks": f"{have} pieces, which is all that the models of the chunks have between them",
    }[spec.algorithm or "bpe"]
    more = "more text: sources, `sample_bytes` or another `byte_ratio`"
    if spec.algorithm == "unigram_in_chunks":
        more = f"larger models (`chunk_vocab_size`), larger chunks (`chunk_bytes`) or {more}"
    return DataError(
        f"tokenizer {spec.name}: {spec.vocab_size:,} tokens asked, but {found:,} found: {why}.\n"
        f"Lower `vocab_size` to {found}, or give it {more}."
    )


def feed(samples: Mapping[str, DomainSample]) -> Iterator[list[str]]:
    """The samples' texts, some at a time, told of as they are read."""
    total = sum(int(sample.kept_bytes_D.sum()) for sample in samples.values())
    done = 0
    for sample in samples.values():
        for batch in texts(sample):
            yield batch
            done += sum(len(text.encode()) for text in batch)
            tell("tokenizer: read sample", done, total, "bytes")
    tell("tokenizer: learn", 0, None, "pieces")
