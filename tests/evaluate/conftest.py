"""A tiny random Llama with a small tokenizer, and held-out text of two domains, for all tests of evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from domainlm.evaluate import subject
from domainlm.evaluate.subject import Subject

WORDS = """
    licensee grant copyright warranty notice permission liability software source terms section party contract
    river mountain window garden morning letter music bread winter journey harbour candle teacher market village
""".split()  # noqa: SIM905


def prose(seed: int, num_sentences: int) -> str:
    """Sentences of random words, wrapped into two lines each, in paragraphs of five."""
    random = np.random.default_rng(seed)
    parts = []
    for number in range(num_sentences):
        words = random.choice(WORDS, 12)
        parts.append(" ".join(words[:6]) + "\n" + " ".join(words[6:]) + ("." if number % 5 else ".\n"))
    return "\n".join(parts)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Two threads of torch wait for each other on a busy machine."""
    torch.set_num_threads(1)


def save_model(folder: Path, seed: int, max_position: int = 256) -> Path:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([prose(seed=0, num_sentences=50)], trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>").save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=320,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=max_position,
        initializer_range=0.5,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("model"), seed=1)


@pytest.fixture(scope="session")
def other_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another model with the same tokenizer, of half the positions."""
    return save_model(tmp_path_factory.mktemp("model"), seed=2, max_position=128)


@pytest.fixture(scope="session")
def tiny(model_folder: Path) -> Subject:
    return subject.load(model_folder, device="cpu")


@pytest.fixture
def heldout() -> dict[tuple[str, str, str], list[str]]:
    """Texts of two domains, one of two sources, as `corpus_of` takes them."""
    return {
        ("legal-demo", "licenses", "heldout"): [prose(seed, 20) for seed in range(100, 106)],
        ("legal-demo", "statutes", "heldout"): [prose(seed, 12) for seed in range(200, 203)],
        ("general-demo", "books", "heldout"): [prose(seed, 20) for seed in range(300, 306)],
    }
