"""Whether a tokenizer.json is a byte-level BPE: only such a one can go on merging, and says so before any work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def letters() -> list[str]:
    """The letter that stands for each byte in a byte-level vocabulary, as GPT-2 has it."""
    kept = [byte for byte in range(256) if 0x21 <= byte <= 0x7E or 0xA1 <= byte <= 0xAC or byte >= 0xAE]
    moved = {byte: chr(256 + n) for n, byte in enumerate(byte for byte in range(256) if byte not in kept)}
    return [moved.get(byte, chr(byte)) for byte in range(256)]


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
    return None


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
