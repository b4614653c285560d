"""The merges of a byte-level tokenizer, read from its JSON into the kernel's tables, or a stated refusal."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers.models import BPE

from domainlm.specs.byte_level import byte_of_letter, joins_words, letters, merges_of, text_of
from domainlm.tokens import kernel
from domainlm.tokens.kernel import KEPT_BYTES, NO_PAIR, Merges, Words
from domainlm.tokens.pretoken import Refused

_MIN_WHOLE_BITS = 10


def merges(model: Mapping[str, Any], *, across: bool = False, apart: Collection[str] = ()) -> Merges:
    """The merges of a tokenizer.json's `model`; Refused where it is not byte-level BPE without anything else.

    `across`: its pre-tokenizer leaves words together, so that those which join words are done when all others are;
    `apart` are tokens that it has by themselves.
    """
    if model.get("type", "BPE") != "BPE":
        raise Refused(reason=f"model {model['type']}")
    for option in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(option):
            raise Refused(reason=f"model with {option}")
    vocab: dict[str, int] = model["vocab"]
    letter_of_byte = letters()
    missing = [letter for letter in letter_of_byte if letter not in vocab]
    if missing:
        raise Refused(reason=f"a vocabulary without {len(missing)} of the 256 bytes")
    merged = merges_of(model)
    first = next((k for k, pair in enumerate(merged) if across and joins_words(*pair)), len(merged))
    if not all(joins_words(*pair) for pair in merged[first:]):
        raise Refused(reason="merges within words behind those that join words")
    if any(token in apart for pair in merged[first:] for token in pair):
        raise Refused(reason="merges of a word that stands by itself")
    whole, whole_bytes = kernel.words(1), 0
    if model.get("ignore_merges"):
        whole, whole_bytes = _whole_words(vocab, merged)
    byte_ids = np.array([vocab[letter] for letter in letter_of_byte], np.uint32)
    joins = _table(merged[first:], vocab)
    return Merges(byte_ids, _table(merged[:first], vocab), whole, whole_bytes, joins)


def never_made(model: Mapping[str, Any]) -> list[str]:
    """Tokens of one word that a text has only because a word is looked up as a whole (`ignore_merges`).

    Among other words it is not. Llama 3 has 583, of other languages than English.
    """
    if not model.get("ignore_merges"):
        return []
    plain = BPE(dict(model["vocab"]), merges_of(model))
    return [token for token in model["vocab"] if _is_word(text_of(token)) and len(plain.tokenize(token)) > 1]


def _is_word(text: str) -> bool:
    """Letters, behind no more than one other character, as the cuts of cl100k's kind have a word."""
    letters_only = text.removeprefix(text[:1]) if not text[:1].isalpha() else text
    before = text[:1] if letters_only != text else " "
    return letters_only.isalpha() and before not in "\r\n\ufffd" and not unicodedata.category(before).startswith("N")


def _table(merged: Sequence[tuple[str, str]], vocab: Mapping[str, int]) -> npt.NDArray[np.uint64]:
    """Pairs by the tokens that they are of, and what they become."""
    pairs = np.full((1 << max(4, (4 * len(merged)).bit_length()), 2), NO_PAIR, np.uint64)
    left, right, into = (
        np.array([vocab[token] for token in tokens], np.uint64)
        for tokens in ([a for a, _ in merged], [b for _, b in merged], [a + b for a, b in merged])
    )
    kernel.fill_pairs(pairs, left << np.uint64(32) | right, into)
    return pairs


def _whole_words(vocab: Mapping[str, int], merged: list[tuple[str, str]]) -> tuple[Words, int]:
    byte_of = byte_of_letter()
    whole = kernel.words(max(_MIN_WHOLE_BITS, (4 * len(vocab)).bit_length()))
    longest = kept = 0
    plain: BPE | None = None
    for token, id_ in vocab.items():
        # A token with other letters than those of bytes is no piece's.
        if token and all(letter in byte_of for letter in token):
            if len(token) > KEPT_BYTES:  # such as Llama 3's of 128 spaces, which merges make too
                plain = plain or BPE(dict(vocab), merged)
                if len(plain.tokenize(token)) > 1:
                    raise Refused(reason=f"ignore_merges with a token of {len(token)} bytes that merges never make")
                continue
            text = np.array([byte_of[letter] for letter in token], np.uint8)
            kernel.keep(whole, text, 0, len(text), np.array([id_], np.uint32), 0, 1)
            longest = max(longest, len(text))
            kept += 1
    if whole.used[0] != kept:
        raise Refused(reason="ignore_merges with more text in its tokens than the table holds")
    return whole, longest
