"""Any text, of any characters or of what were bytes, comes back from the tokens of every kind of vocabulary."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.specs.byte_level import letters
from domainlm.specs.tokenizer import TokenizerSpec
from domainlm.tokens.tokenizer import end_token_id, load

from .conftest import SPEC

END = "<|endoftext|>"
KINDS = {
    "bpe": {"algorithm": "bpe"},
    "bpe over several words": {"algorithm": "bpe", "pretokens": "bloomberggpt"},
    "unigram": {"algorithm": "unigram"},
    "unigram, digits together": {"algorithm": "unigram", "pretokens": "cl100k", "split_digits": False},
    "unigram in chunks": {"algorithm": "unigram_in_chunks", "chunk_bytes": 4000},
    "replaced": {"algorithm": "unigram", "replaces": "OF_THE_BASE"},
    "extended": {"extend": "OF_THE_BASE", "new_tokens": 60},
    "extended across words": {"extend": "OF_THE_BASE", "new_tokens": 60, "across_words": True},
    "extended across words, general left": {
        "extend": "OF_THE_BASE",
        "new_tokens": 60,
        "across_words": True,
        "max_change": {"general": 0.02},
        "byte_ratio": {"law": 1.0},
    },
}
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary().map(lambda content: content.decode("latin-1")),
    st.binary().map(lambda content: content.decode("utf-8", errors="replace")),
    st.lists(st.sampled_from(["law", " acts", " ", "  ", "\n", "7", "\u00e9", "e\u0301", END, "\u4e00"])).map("".join),
    st.sampled_from(["  two  spaces\n\n\ttab\r\n", "1234567890", "\u2028\u0085\ufeff", "नमस्ते 🏳️‍🌈", ""]),
)


@pytest.mark.parametrize("kind", KINDS)
def test_any_text_comes_back_from_its_tokens_byte_for_byte(kind, trained, tmp_path):
    asked = dict(KINDS[kind])
    for key in ("extend", "replaces"):
        if key in asked:
            base = trained(SPEC.model_copy(update={"byte_ratio": {"general": 1.0}}))
            asked[key] = str((base.folder / "tokenizer").relative_to(tmp_path))
    if "algorithm" in asked:
        asked["vocab_size"] = 420
    made = trained(TokenizerSpec(name="one", **asked))
    tokenizer, end_id = load(made), end_token_id(made)
    byte_of = {letter: byte for byte, letter in enumerate(letters())}

    @given(TEXTS)
    def comes_back(text: str) -> None:
        encoding = tokenizer.encode(text, add_special_tokens=False)
        assert end_id not in encoding.ids
        assert tokenizer.decode(encoding.ids, skip_special_tokens=False) == text
        assert bytes(byte_of[letter] for token in encoding.tokens for letter in token) == text.encode()

    comes_back()
