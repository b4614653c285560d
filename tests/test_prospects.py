"""What a run's text is known to be, before a model is chosen for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split

from domainlm.plan.models import BYTES_PER_TOKEN
from domainlm.prospects import prospect
from domainlm.specs.project import load_run

DEMO = Path(__file__).parents[1] / "data_specs/runs/demo.yaml"


def test_where_nothing_is_built_the_text_is_guessed_and_no_fertility_is_known(tmp_path: Path) -> None:
    run = load_run(DEMO)
    found = prospect(run, tmp_path, {"gpt2": "openai-community/gpt2"})
    largest = max(run.mixes[str(model.mix)].budget_tokens for model in run.spec.models.values() if model.mix)
    assert found.num_bytes == largest * BYTES_PER_TOKEN
    assert found.bytes_per_token == {}


def test_a_cached_tokenizer_is_measured_on_the_held_out_text_of_the_mix(corpus_of, tmp_path: Path, monkeypatch) -> None:
    run = load_run(DEMO)
    # One token for each character, so one byte each.
    tokenizer = Tokenizer(WordLevel({"a": 0, "b": 1, "[UNK]": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Split("", "isolated")
    snapshot = tmp_path / "hub/models--owner--model/snapshots" / ("c" * 40)
    snapshot.mkdir(parents=True)
    tokenizer.save(str(snapshot / "tokenizer.json"))
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text("c" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    domains = list(run.domains)
    corpus = corpus_of({(domain, "some", "heldout"): ["abba ab"] * 3 for domain in domains})
    monkeypatch.setattr("domainlm.pipeline.done", lambda run, workspace: {"corpus": corpus})
    found = prospect(run, tmp_path, {"mine": "owner/model", "other": "owner/other"})
    assert found.bytes_per_token == {"mine": pytest.approx(1.0)}
