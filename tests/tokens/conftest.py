"""A small corpus with made-up words, and a tokenizer stage finished on it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm import manifest
from domainlm.manifest import Manifest, Request
from domainlm.specs.tokenizer import TokenizerSpec
from domainlm.tokens.train import train

SPEC = TokenizerSpec(name="small", algorithm="bpe", vocab_size=400)
Trainer = Callable[..., Manifest]


def documents(name: str, num_docs: int, num_words: int = 60) -> list[str]:
    """Sentences over a domain's own three hundred words, the common ones first."""
    rng = random.Random(name)
    words = ["".join(rng.choices("abcdefghij", k=rng.randint(2, 8))) for _ in range(300)]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    return [f"{name} {i}: " + " ".join(rng.choices(words, weights, k=num_words)) + ".\n" for i in range(num_docs)]


@pytest.fixture
def corpus(corpus_of) -> Manifest:
    return corpus_of(
        {
            ("general", "web", "heldout"): documents("general web", 5),
            ("general", "web", "train"): documents("general web", 60),
            ("law", "acts", "heldout"): documents("law acts", 5),
            ("law", "acts", "train"): documents("law acts", 30),
            ("law", "cases", "train"): documents("law cases", 20),
        }
    )


@pytest.fixture
def trained(corpus: Manifest, tmp_path: Path) -> Trainer:
    """A function from a tokenizer spec to its finished stage."""

    def make(spec: TokenizerSpec = SPEC, *, on: Manifest = corpus, seed: int = 0) -> Manifest:
        request = Request(stage="tokenizer", name=spec.name, spec=spec, seed=seed, code="", libraries={}, inputs={})
        return manifest.make(
            request, tmp_path / "workspace", lambda folder: train(spec, on, folder, seed=seed, root=tmp_path)
        )

    return make
