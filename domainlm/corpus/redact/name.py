"""Names of persons, found by a token classification model in a local folder; none of the folder's code is run."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from domainlm.corpus.redact.spots import Spots
from domainlm.specs.redact import NameSpec, label_kind
from domainlm.specs.uri import expanded

WINDOW_TOKENS, OVERLAP_TOKENS = 256, 64
_BATCH_WINDOWS = 8


def find(text: str, places: Spots, options: NameSpec) -> Iterator[tuple[int, int]]:
    """Spans of names, in characters: neighbouring tokens of persons, and single spaces, initials' dots between them.

    A token in two windows gets the probability of the one in which it stands farther from an edge.
    """
    tokenizer, model = _loaded(expanded(options.model))
    ids = _person_ids(model.config.id2label, options.labels)
    window = _window(model, tokenizer)
    encoded = tokenizer(
        text, truncation=True, max_length=window, stride=min(OVERLAP_TOKENS, window // 4),
        return_overflowing_tokens=True, return_offsets_mapping=True, padding=True, return_tensors="np",
    )  # fmt: skip
    best: dict[tuple[int, int], tuple[int, float]] = {}
    for probabilities, offsets in zip(_probabilities(model, encoded, ids), encoded["offset_mapping"], strict=True):
        real = [place for place, (start, end) in enumerate(offsets.tolist()) if end > start]
        for place in real:
            depth = min(place - real[0], real[-1] - place)
            span = tuple(offsets[place].tolist())
            if span not in best or depth > best[span][0]:
                best[span] = (depth, float(probabilities[place]))
    persons = sorted(span for span, (_, probability) in best.items() if probability >= options.min_probability)
    yield from _joined(text, persons)


def _joined(text: str, tokens: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans of tokens with nothing but a space, a dot or a hyphen between them, without the spaces around."""
    at = 0
    while at < len(tokens):
        start, end = tokens[at]
        while at + 1 < len(tokens) and text[end : tokens[at + 1][0]] in ("", " ", ".", ". ", "-"):
            at += 1
            end = max(end, tokens[at][1])
        at += 1
        inside = text[start:end]
        if inside.strip():
            yield start + len(inside) - len(inside.lstrip()), end - len(inside) + len(inside.rstrip())


def _person_ids(id2label: dict[int, str], labels: tuple[str, ...]) -> list[int]:
    ids = [number for number, label in id2label.items() if label_kind(label) in labels]
    if not ids:
        known = ", ".join(sorted(set(id2label.values())))
        raise ValueError(f"redact.name.labels: none of {', '.join(labels)} is a label of the model; it has {known}")
    return ids


def _window(model: Any, tokenizer: Any) -> int:
    return min(
        WINDOW_TOKENS, getattr(model.config, "max_position_embeddings", WINDOW_TOKENS), tokenizer.model_max_length
    )


def _probabilities(model: Any, encoded: Any, ids: list[int]) -> Iterator[np.ndarray]:
    """(tokens,) of each window: the probability of a person's label."""
    import torch

    inputs = {key: encoded[key] for key in ("input_ids", "attention_mask")}
    for first in range(0, len(encoded["input_ids"]), _BATCH_WINDOWS):
        batch = {key: torch.from_numpy(value[first : first + _BATCH_WINDOWS]) for key, value in inputs.items()}
        with torch.inference_mode():
            logits = model(**batch).logits
        yield from logits.float().softmax(-1)[..., ids].sum(-1).numpy()


@functools.lru_cache(maxsize=1)
def _loaded(folder: str) -> tuple[Any, Any]:
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    if not (Path(folder) / "config.json").is_file():
        raise FileNotFoundError(f"redact.name.model: {folder} holds no config.json")
    kept = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, **kept)
    return tokenizer, AutoModelForTokenClassification.from_pretrained(folder, use_safetensors=True, **kept).eval()
