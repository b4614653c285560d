"""The spec of a tokenizer: trained on the corpus, taken as a base model has it, or a base model's with more tokens."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from domainlm.specs.flow import flow
from domainlm.specs.ratio import Ratio
from domainlm.specs.spec import Mistake, Name, Share, Spec
from domainlm.specs.units import Amount

Algorithm = Literal["bpe", "unigram", "unigram_in_chunks"]
Pretokens = Literal["gpt2", "cl100k", "whitespace", "bloomberggpt"]


class TokenizerSpec(Spec):
    """`pretrained` names a tokenizer that is taken as it is, `extend` one that gets `new_tokens`, or `algorithm` and
    `vocab_size` say how one is trained."""

    name: Name = Field(examples=["law"])
    """The file has the same name."""
    pretrained: str | None = None
    """`hf:OWNER/MODEL` or a folder with `tokenizer.json`: taken as it is, pinned by digest."""
    extend: str | None = None
    """`hf:OWNER/MODEL` or a folder with the `tokenizer.json` of a byte-level BPE: it gets `new_tokens`, by merges that
    go on from its own. What it has keeps its id, and a model that starts from there learns only what is new."""
    new_tokens: Amount | None = Field(default=None, examples=[4000])
    """Tokens that `extend` adds."""
    across_words: bool = False
    """With `extend`: a new token may be up to four words, as `pursuant to the`. Without, none reaches beyond a word,
    and most words are one token of the base's already."""
    max_change: dict[Name, Share] = Field(default_factory=dict, examples=[{"general": 0.003}])
    """With `extend`: the share of its tokens, at most, that text of these domains may save, so that nearly all of it
    stays what a base model has learnt. Empty: new tokens are chosen by what they save in `byte_ratio` alone."""
    replaces: str | None = None
    """With `algorithm`: the tokenizer, `hf:OWNER/MODEL` or a folder, of the models that start from outside the run.
    The new one takes its place: embeddings of tokens that both have stay, others begin as a model's `new_rows` says."""
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

    @property
    def outside(self) -> str | None:
        """The tokenizer from outside the run that this one is, or begins with, or stands in for."""
        return self.pretrained or self.extend or self.replaces

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        want = "either `pretrained`, or `extend` and `new_tokens`, or `algorithm` and `vocab_size`"
        trained, extended = ("algorithm", "vocab_size"), ("extend", "new_tokens")
        given = [key for key in (*trained, *extended, "pretrained") if getattr(self, key) is not None]
        ways = [way for way in (trained, extended, ("pretrained",)) if set(way) & set(given)]
        if len(ways) > 1:
            last = [key for key in ways[-1] if key in given]
            rest = [f"`{key}`" for key in given if key not in last]
            fix = f"delete `{last[0]}`, or {' and '.join(rest)}"
            raise Mistake(last[0], got=f"{', '.join(given)} together", want=want, fix=fix)
        for key, example in (("algorithm", "bpe"), ("vocab_size", 32000), ("new_tokens", 4000)):
            if ways and key in ways[0] and key not in given:
                raise Mistake(key, got=f"{given[0]} alone", want=want, fix=f"add `{key}: {example}`")
        if given == ["new_tokens"]:
            raise Mistake("extend", got="new_tokens alone", want=want, fix="add `extend: hf:OWNER/MODEL`")
        if not ways:
            fix = "add `algorithm: bpe` and `vocab_size: 32000`"
            raise Mistake("algorithm", got="none of them", want=want, fix=fix)
        return self

    @model_validator(mode="after")
    def _nothing_idle(self) -> Self:
        if self.replaces is not None and self.algorithm is None:
            want = "nothing, but for a tokenizer that is trained"
            raise Mistake("replaces", got=self.replaces, want=want, fix="delete `replaces`")
        for key in ("across_words", "max_change") if self.extend is None else ():
            if key in self.model_fields_set:
                want = "nothing, but for a tokenizer that is extended"
                raise Mistake(key, got=flow(getattr(self, key)), want=want, fix=f"delete `{key}`")
        for key in ("pretokens", "split_digits", "special_tokens") if self.extend is not None else ():
            if key in self.model_fields_set:
                raise Mistake(
                    key, got=flow(getattr(self, key)), want=f"nothing: {self.extend} has its own", fix=f"delete `{key}`"
                )
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
