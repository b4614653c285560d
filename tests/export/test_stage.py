"""The whole stage: written, read back by a fresh process, compared, and told of on the card."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from domainlm import exports
from domainlm.errors import StageError
from domainlm.evaluate import subject
from domainlm.export import difference, formats, stage
from domainlm.export.stage import Measure

from .conftest import TEXT, FolderOf

TEXTS = {"legal": [TEXT[0] * 3, TEXT[2] * 3], "general": [TEXT[1] * 4]}


def test_an_export_is_read_back_by_another_process_and_made_once(folder_of: FolderOf, tmp_path: Path):
    asked = {"license_name": "mit", "measure": Measure(texts=TEXTS, window_tokens=64, stride_tokens=32)}
    made = exports.export(exports.of_folder(folder_of("llama"), **asked), "int8", tmp_path)
    found = made.facts["difference"]
    assert {of["domain"]: of["docs"] for of in found["heldout"]} == {"legal": 2, "general": 1}
    assert 0 < found["logits"]["mean"] < found["logits"]["largest"] < 1
    assert 0 < abs(found["heldout"][0]["difference"]) < 0.1
    assert [shard.path for shard in made.files("model")] == [
        *("model/README.md", "model/config.json", "model/generation_config.json", "model/model.safetensors"),
        *("model/tokenizer.json", "model/tokenizer_config.json"),
    ]
    assert f"**int8**: {formats.FORMATS['int8'].says}" in (made.folder / "model/README.md").read_text()
    before = made.path(made.shards[0]).stat().st_mtime_ns
    again = exports.export(exports.of_folder(folder_of("llama"), **asked), "int8", tmp_path)
    assert (again.digest(), again.path(again.shards[0]).stat().st_mtime_ns) == (made.digest(), before)


def test_an_export_that_cannot_be_read_back_is_no_export(
    folder_of: FolderOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def write_half(source: Path, into: Path, *_: object, **__: object) -> None:
        into.mkdir(parents=True)
        (into / "config.json").write_bytes((source / "config.json").read_bytes())

    monkeypatch.setattr(formats, "write", write_half)
    with pytest.raises(StageError, match="the export of mine cannot be read back\nno language model can be loaded"):
        stage.export("mine", folder_of("llama"), "bf16", Measure(texts={}), tmp_path, license_name="mit")
    assert not (tmp_path / "model").exists()


def test_what_differs_is_measured_as_it_is_by_hand(folder_of: FolderOf):
    source = folder_of("llama")
    original, other = subject.load(source, "cpu"), formats.load(source)
    with torch.no_grad():
        other.lm_head.weight.mul_(1.5)
    limits = {"window_tokens": 64, "stride_tokens": 32, "bootstrap_samples": 50}
    found = difference.compare(original, other, TEXTS, folder=source, timed=True, **limits)
    rows = difference.rows_of(original, [text for texts in TEXTS.values() for text in texts])
    with torch.no_grad():
        gap = (original.model(rows).logits - other(rows).logits).abs()
    assert found.logits.positions == rows.numel()
    assert found.logits.largest == pytest.approx(gap.max().item(), rel=1e-5)
    assert found.logits.mean == pytest.approx(gap.mean().item(), rel=1e-5)
    same = difference.compare(original, original.model, TEXTS, folder=source, timed=False, **limits)
    assert (same.logits.largest, same.logits.same_argmax) == (0, 1)
    assert [(of.difference, of.low, of.high) for of in same.heldout] == [(0, 0, 0)] * 2
    assert (same.microseconds_per_token, set(found.microseconds_per_token)) == ({}, {"original", "exported"})


@pytest.mark.parametrize(("family", "window_tokens"), [("bert", 32), ("t5", 256)])
def test_models_without_likelihoods_are_compared_by_their_own_loss(
    family: str, window_tokens: int, folder_of: FolderOf
):
    source = folder_of(family)
    limits = {"window_tokens": window_tokens, "stride_tokens": 16, "bootstrap_samples": 50}
    found = difference.compare(
        subject.load(source, "cpu"), formats.load(source), TEXTS, folder=source, timed=False, **limits
    )
    metric = {"bert": "masked_loss", "t5": "span_corruption_loss"}[family]
    assert {(of.metric, of.difference) for of in found.heldout} == {(metric, 0.0)}
    assert found.logits.largest == 0


def test_a_folder_without_a_model_is_refused(tmp_path: Path):
    with pytest.raises(StageError, match=r"is neither a run spec nor a model folder: it holds no config\.json"):
        exports.of_folder(tmp_path, license_name="", measure=Measure(texts={}))
