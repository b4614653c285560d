"""Names are found by a real token classification model, made and trained here on a few words."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

from domainlm.corpus.redact import redact
from domainlm.specs.redact import RedactSpec, located
from tests.corpus.conftest import Build, domain, write_jsonl

NAMES = ["Anna", "Bertram", "Clara", "Ng", "Okafor", "Weber"]
WORDS = "the judge asked whether and had signed lease on Monday for a court with . , <NAME> -".split()  # noqa: SIM905
LENGTH = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of one layer that has learnt which six words are names."""
    folder = tmp_path_factory.mktemp("ner")
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", *NAMES, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=LENGTH
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=LENGTH, 
        id2label={0: "O", 1: "B-PER", 2: "I-PER"}, label2id={"O": 0, "B-PER": 1, "I-PER": 2},
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    model = BertForTokenClassification(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    for _ in range(60):
        ids = torch.randint(1, len(vocabulary), (32, LENGTH))
        labels = ((ids >= 2) & (ids < 2 + len(NAMES))).long()
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval().save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def _spec(folder: Path, **more: object) -> RedactSpec:
    return RedactSpec.model_validate({"email": {}, "name": {"model": str(folder), **more}})


def test_names_are_taken_whole_and_counted(folder: Path) -> None:
    text = "the judge asked whether Anna Weber had signed the lease, and Bertram with a.ng@example.com had"
    assert redact(text, _spec(folder)) == (
        "the judge asked whether <NAME> had signed the lease, and <NAME> with <EMAIL> had",
        {"name": 2, "email": 1},
    )


def test_names_past_the_models_window_are_found_and_twice_is_once(folder: Path) -> None:
    text = "the court had signed a lease with Clara Okafor on Monday . " * 40
    once, counts = redact(text, _spec(folder))
    assert counts == {"name": 40} and "Clara" not in once and "Okafor" not in once
    assert redact(once, _spec(folder)) == (once, {})


def test_a_label_that_the_model_has_not_is_said(folder: Path) -> None:
    with pytest.raises(ValueError, match="none of GPE is a label of the model; it has B-PER, I-PER, O"):
        redact("Anna", _spec(folder, labels=("GPE",)))


def test_a_relative_folder_is_one_of_the_project(folder: Path) -> None:
    spec = located(_spec(Path(folder.name)), folder.parent)
    assert redact("for Anna", spec)[0] == "for <NAME>"


def test_a_corpus_is_read_with_names_taken_and_counted(folder: Path, tmp_path: Path, build_corpus: Build) -> None:
    shutil.copytree(folder, tmp_path / "models/ner")
    write_jsonl(tmp_path / "a.jsonl", ["the judge asked Anna Weber", "the lease had signed a court on Monday"])
    legal = domain("legal", {"a": "a.jsonl"}, heldout_share=0.0, redact={"name": {"model": "./models/ner"}})
    made = build_corpus(legal, near_duplicates=None)
    assert made.counts["sources"]["legal/a"]["edits"] == {"redact: name": {"docs": 1, "times": 1}}
