"""The spec of a tokenizer: trained on the corpus, or taken as a base model has it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from domainlm.specs.ratio import Ratio
from domainlm.specs.spec import Mistake, Name, Spec
from domainlm.specs.units import Amount

Algorithm = Literal["bpe", "unigram", "unigram_in_chunks"]
Pretokens = Literal["gpt2", "cl100k", "whitespace", "bloomberggpt"]


class TokenizerSpec(Spec):
    """Either `pretrained` names a tokenizer, or `algorithm` and `vocab_size` say how one is trained."""

    name: Name = Field(examples=["law"])
    """The file has the same name."""
    pretrained: str | None = None
    """`hf:OWNER/MODEL` or a folder with `tokenizer.json`: taken as it is, pinned by digest."""
    algorithm: Algorithm | None = Field(default=None, examples=["bpe"])
    """How the vocabulary is learnt: `bpe`, byte-pair encoding; `unigram`, a Unigram model; `unigram_in_chunks`, Unigram
    models of chunks of the sample, learnt in parallel and merged, as BloombergGPT's was. All know every byte."""
    vocab_size: Amount | None = Field(default=None, examples=[32000])
    """Tokens in all, special tokens included."""
    pretokens: Pretokens = "gpt2"
    """What a token never reaches beyond: words as GPT-2 or Llama 3 (`cl100k`) cut them; `whitespace`, which keeps
    punctuation with its word; `bloomberggpt`, several words of ASCII letters with the spaces between."""
    split_digits: bool = True
    """Each digit is a token of its own, as in BloombergGPT and Llama."""
    chunk_bytes: Amount | None = Field(default=None, examples=["16M"])
    """Text of a chunk, for `unigram_in_chunks`; 16M where it is not given. The result depends on it, and on no
    number of processes."""
    chunk_vocab_size: Amount | None = Field(default=None, examples=[65536])
    """Tokens of each chunk's model, for `unigram_in_chunks`: 65536, as in BloombergGPT, or half of
    `vocab_size` where that is more."""
    special_tokens: tuple[str, ...] = Field(default=("<|endoftext|>",), min_length=1)
    """Tokens that no text becomes; the first ends every document."""
    byte_ratio: Ratio = Field(default_factory=dict)
    """Share of each domain in the training sample, in bytes; empty: as the corpus is."""
    sample_bytes: Amount = 100_000_000
    """Train on at most so many bytes of text."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        want = "either `pretrained`, or `algorithm` and `vocab_size`"
        given = [key for key in ("algorithm", "vocab_size", "pretrained") if getattr(self, key) is not None]
        if self.pretrained is not None:
            if len(given) > 1:
                fix = f"delete `pretrained`, or {' and '.join(f'`{key}`' for key in given[:-1])}"
                raise Mistake("pretrained", got=f"{', '.join(given)} together", want=want, fix=fix)
        elif given == ["vocab_size"] or given == []:
            got = f"{', '.join(given) or 'none of them'} alone" if given else "none of them"
            fix = "add `algorithm: bpe`" + ("" if given else " and `vocab_size: 32000`")
            raise Mistake("algorithm", got=got, want=want, fix=fix)
        elif given == ["algorithm"]:
            raise Mistake("vocab_size", got="algorithm alone", want=want, fix="add `vocab_size: 32000`")
        return self

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        for key in ("chunk_bytes", "chunk_vocab_size"):
            if getattr(self, key) is not None and self.algorithm != "unigram_in_chunks":
                want = f"no `{key}` but for `algorithm: unigram_in_chunks`"
                fix = f"delete `{key}`, or write `algorithm: unigram_in_chunks`"
                raise Mistake(key, got=f"algorithm {self.algorithm}", want=want, fix=fix)
        if self.pretokens == "bloomberggpt" and not self.split_digits:
            want = "true: the pretokens of bloomberggpt have each digit by itself"
            raise Mistake("split_digits", got="false", want=want, changes={"split_digits": True})
        return self

    @model_validator(mode="after")
    def _room_for_bytes(self) -> Self:
        least = 256 + len(self.special_tokens)
        if self.vocab_size is not None and self.vocab_size < least:
            want = f"at least {least}: 256 bytes and {len(self.special_tokens)} special tokens"
            raise Mistake("vocab_size", got=str(self.vocab_size), want=want, changes={"vocab_size": least})
        return self
