"""Model folders of every family, small enough to be exported in a moment, with a tokenizer that llama.cpp knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from domainlm.specs.architecture import ArchitectureSpec, objective_of
from domainlm.train import model as training

VOCAB_SIZE = 320
TEXT = [
    "The party of the first part shall grant the party of the second part a licence under these terms.",
    "A river runs from the mountain past 12 green houses to the sea, and people walk beside it each morning.",
    "Notice of 30 days is given in writing; the warranty ends where the agreement is broken by either party.",
]

FolderOf = Callable[..., Path]


def tokenizer_of(*, split_digits: bool = True) -> Tokenizer:
    made = Tokenizer(models.BPE())
    digits = [pre_tokenizers.Digits(individual_digits=True)] if split_digits else []
    made.pre_tokenizer = pre_tokenizers.Sequence([*digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    made.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made.train_from_iterator(
        TEXT * 3,
        trainers.BpeTrainer(
            vocab_size=300, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
        ),
    )
    return made


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> FolderOf:
    """A function from a family, and what differs from the usual, to a model folder; made once for each."""
    made: dict[str, Path] = {}

    def make(family: str, **changes: object) -> Path:
        name = f"{family}-{changes}"
        if name not in made:
            grouped = family in ("llama", "mistral", "olmo2", "qwen2", "qwen3")
            usual = {
                "family": family,
                "hidden_size": 32,
                "intermediate_size": 128 if family == "bloom" else 96,
                "num_layers": 2,
                "num_heads": 4,
                "max_position": 64,
            }
            asked = usual | ({"num_kv_heads": 2} if grouped else {}) | changes
            folder = tmp_path_factory.mktemp(family) / family
            _write(ArchitectureSpec.model_validate(asked), folder)
            made[name] = folder
        return made[name]

    return make


def _write(architecture: ArchitectureSpec, folder: Path) -> None:
    model, prepare = training.from_architecture(architecture, vocab_size=VOCAB_SIZE, end_token_id=0, seed=3)
    prepare(model, "")
    # First weights are so small that every logit is alike.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4 if parameter.ndim > 1 and architecture.family != "t5" else 1)
    weights = {name: tensor for name, tensor in model.state_dict().items()}
    once = {name for name, _ in model.named_parameters()}
    tied = {name for name, _ in model.named_parameters(remove_duplicate=False)} - once
    kept = {name: tensor for name, tensor in weights.items() if name not in tied}
    training.save(model, kept, folder, end_token_id=0)
    special = {"eos_token": "<|endoftext|>", "bos_token": "<|endoftext|>"}
    if objective_of(architecture.family) == "masked":
        special["mask_token"] = "<mask>"
    PreTrainedTokenizerFast(tokenizer_object=tokenizer_of(), **special).save_pretrained(folder)
