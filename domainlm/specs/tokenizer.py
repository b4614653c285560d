"""The spec of a tokenizer: trained on the corpus, or taken as a base model has it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from domainlm.specs.ratio import Ratio
from domainlm.specs.spec import Mistake, Name, Spec
from domainlm.specs.units import Amount


class TokenizerSpec(Spec):
    """Either `pretrained` names a tokenizer, or `algorithm` and `vocab_size` say how one is trained."""

    name: Name = Field(examples=["law"])
    """The file has the same name."""
    pretrained: str | None = None
    """`hf:OWNER/MODEL` or a folder with `tokenizer.json`: taken as it is, pinned by digest."""
    algorithm: Literal["bpe"] | None = Field(default=None, examples=["bpe"])
    """How the vocabulary is learnt: `bpe` is byte-level byte-pair encoding."""
    vocab_size: Amount | None = Field(default=None, examples=[32000])
    """Tokens in all, special tokens included."""
    split_digits: bool = True
    """Each digit is a token of its own, as in BloombergGPT and Llama."""
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
    def _room_for_bytes(self) -> Self:
        least = 256 + len(self.special_tokens)
        if self.vocab_size is not None and self.vocab_size < least:
            want = f"at least {least}: 256 bytes and {len(self.special_tokens)} special tokens"
            raise Mistake("vocab_size", got=str(self.vocab_size), want=want, changes={"vocab_size": least})
        return self
