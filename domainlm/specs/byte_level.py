"""What can be seen of a tokenizer.json: whether it is a byte-level BPE, that can go on merging, and across words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""Where a pre-tokenizer of GPT-2's kind cuts; it is `ByteLevel`'s own."""
CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""Llama 3's and Qwen's, with what they call a number put in."""
PATTERNS = (GPT2, CL100K % r"\p{N}{1,3}", CL100K % r"\p{N}", CL100K % r"\p{N}+")
_WORD = {GPT2: r" ?\p{L}+"} | dict.fromkeys(PATTERNS[1:], r"[^\r\n\p{L}\p{N}]?\p{L}+")


@cache
def letters() -> list[str]:
    """The letter that stands for each byte in a byte-level vocabulary, as GPT-2 has it."""
    kept = [byte for byte in range(256) if 0x21 <= byte <= 0x7E or 0xA1 <= byte <= 0xAC or byte >= 0xAE]
    moved = {byte: chr(256 + n) for n, byte in enumerate(byte for byte in range(256) if byte not in kept)}
    return [moved.get(byte, chr(byte)) for byte in range(256)]


@cache
def byte_of_letter() -> dict[str, int]:
    """The byte that each of these letters stands for."""
    return {letter: byte for byte, letter in enumerate(letters())}


def spelt(content: bytes) -> str:
    """Bytes in these letters.

    >>> spelt(b" law")
    'Ġlaw'
    """
    return "".join(map(letters().__getitem__, content))


def text_of(token: str) -> str:
    """The text of a token that is spelt in the letters of bytes; of part of a character, and of other letters, U+FFFD.

    >>> text_of("Ġlaw")
    ' law'
    """
    return bytes(byte_of_letter().get(letter, 0xFF) for letter in token).decode(errors="replace")


def merges_of(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The merges of a BPE, of an older file too, which has the two tokens of each in one string."""
    pairs = (pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"])
    return [(left, right) for left, right in pairs]


def cannot_extend(description: Mapping[str, Any]) -> str | None:
    """Why the tokenizer of this tokenizer.json cannot get new merges, in words that end `it has `; None where it can.

    >>> cannot_extend({"model": {"type": "Unigram"}})
    'a model of kind Unigram, and only a byte-level BPE can go on merging'
    """
    model = description.get("model") or {}
    kind = model.get("type", "BPE")
    if kind != "BPE":
        return f"a model of kind {kind}, and only a byte-level BPE can go on merging"
    for option in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(option):
            return f"`{option}`, with which merges of whole tokens would be others"
    missing = sum(letter not in model.get("vocab", {}) for letter in letters())
    steps = description.get("pre_tokenizer") or {}
    steps = steps.get("pretokenizers", [steps])
    if missing or not any(step.get("type") == "ByteLevel" for step in steps):
        return "a BPE over characters, as SentencePiece makes it, and not over bytes"
    if is_across(pattern_of(description.get("pre_tokenizer"))):
        return "tokens that reach across words already, behind which no others can come"
    return None


def across(pattern: str, apart: Sequence[str] = ()) -> str:
    """One of `PATTERNS`, but that words with single spaces between stay together; those of `apart` stay by themselves.

    These are as they stand in a text, with the character before the letters: those that a base knows only as a whole.
    """
    word, more, alone = _WORD[pattern], r"\p{L}+", ""
    if pattern == GPT2:  # it has no word behind another sign than a space
        apart = [one for one in apart if one[0] == " " or one[0].isalpha()]
    if apart:
        alone = rf"(?:{_one_of(apart)})(?!\p{{L}})|"
        behind_space = [one[1:] for one in apart if one.startswith(" ")]
        more = rf"(?!(?:{_one_of(behind_space)})(?!\p{{L}}))\p{{L}}+" if behind_space else more
    return pattern.replace(word, f"{alone}{word}(?: {more})*")


def _one_of(words: Sequence[str]) -> str:
    """A pattern for any of some words: by their first character, so that few are tried."""
    by_first: dict[str, list[str]] = {}
    for word in sorted(words):
        by_first.setdefault(_literal(word[0]), []).append(_literal(word[1:]))
    return "|".join(f"{first}(?:{'|'.join(rest)})" for first, rest in by_first.items())


def _literal(text: str) -> str:
    return "".join(f"\\{letter}" if letter in r"\.^$|?*+()[]{}-" else letter for letter in text)


def is_across(pattern: str | None) -> bool:
    """Whether `across` made a pattern."""
    return pattern is not None and r"\p{L}+)*" in pattern


def pattern_of(pre_tokenizer: Mapping[str, Any] | None) -> str | None:
    """The pattern by which a pre-tokenizer cuts before `ByteLevel`; None where it does not by one."""
    steps = (pre_tokenizer or {}).get("pretokenizers", [pre_tokenizer or {}])
    before, last = [{}, {}, *steps][-2:]
    if before.get("type") == "Split":
        isolated = before.get("behavior") == "Isolated" and not before.get("invert")
        return before.get("pattern", {}).get("Regex") if isolated else None
    return GPT2 if last.get("type") == "ByteLevel" and last.get("use_regex", True) else None


def cannot_cross(description: Mapping[str, Any]) -> str | None:
    """Why new tokens cannot reach across words, in words that end `it has `; None where they can.

    They can where the base itself never joins what stands before a space with it: its tokens are then the same,
    whether words are cut or not.
    """
    pre_tokenizer = description.get("pre_tokenizer") or {}
    pattern = pattern_of(pre_tokenizer)
    if any(step.get("add_prefix_space") for step in pre_tokenizer.get("pretokenizers", [pre_tokenizer])):
        return "`add_prefix_space`, with which each word would get a space"
    if pattern not in PATTERNS:
        return f"a pre-tokenizer that cuts by {pattern!r}, and not as GPT-2's, Llama 3's or Qwen's"
    joined = next((pair for pair in merges_of(description["model"]) if joins_words(*pair)), None)
    return None if joined is None else f"a merge that joins words, of {joined[0]!r} and {joined[1]!r}"


def joins_words(left: str, right: str) -> bool:
    """Whether a merge of these two tokens, in the letters of bytes, reaches from one word into the next.

    >>> joins_words("law", "Ġof"), joins_words("Ġ", "Ġof")
    (True, False)
    """
    if right[0] != letters()[0x20]:
        return False
    return not text_of(left)[-1].isspace()


def vocabulary(description: Mapping[str, Any]) -> dict[str, int]:
    """Ids of the tokens of a tokenizer.json, added ones too; empty where it holds none."""
    model = description.get("model")
    found = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(found, list):  # a Unigram's: pairs of a token and its score
        found = {token[0]: number for number, token in enumerate(found)}
    if not isinstance(found, dict):
        return {}
    added = [token for token in description.get("added_tokens") or () if isinstance(token, dict)]
    return found | {token["content"]: token["id"] for token in added if {"content", "id"} <= token.keys()}
