"""The spec of a tokenizer: trained on the corpus, or taken as a base model has it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from domainlm.specs.spec import Name, Share, Spec
from domainlm.specs.units import Amount


class TokenizerSpec(Spec):
    """Either `pretrained` names a tokenizer, or `algorithm` and `vocab_size` say how one is trained."""

    name: Name
    """The file has the same name."""
    pretrained: str | None = None
    """`hf:OWNER/MODEL` or a folder with `tokenizer.json`: taken as it is, pinned by digest."""
    algorithm: Literal["bpe"] | None = None
    """How the vocabulary is learnt: `bpe` is byte-level byte-pair encoding."""
    vocab_size: Amount | None = None
    """Tokens in all, special tokens included."""
    split_digits: bool = True
    """Each digit is a token of its own, as in BloombergGPT and Llama."""
    special_tokens: tuple[str, ...] = ("<|endoftext|>",)
    """Tokens that no text becomes; the first ends every document."""
    byte_ratio: dict[Name, Share] = Field(default_factory=dict)
    """Share of each domain in the training sample, in bytes; empty: as the corpus is."""
    sample_bytes: Amount = 100_000_000
    """Train on at most so many bytes of text."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        trained = self.algorithm is not None and self.vocab_size is not None
        if trained == (self.pretrained is not None):
            raise ValueError("give either `pretrained`, or `algorithm` and `vocab_size`")
        return self
