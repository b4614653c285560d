from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from domainlm.evaluate import heldout_loss, subject
from domainlm.specs.architecture import ArchitectureSpec
from domainlm.train import model as models

from .conftest import prose, save_model

TEXTS = [prose(seed=seed, num_sentences=seed + 2) for seed in range(4)]
IDS = [f"doc-{number}" for number in range(4)]


def saved(folder: Path, family: str, names: tuple[str, ...]) -> Path:
    """A small model of a family with the tokens that its objective needs, as training exports it."""
    save_model(folder / "llama", seed=1)
    ids, tokenizer = models.special_ids(folder / "llama", names)
    assert tokenizer is not None
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_layers": 2, "num_heads": 2, "max_position": 256}
    spec = ArchitectureSpec.model_validate({"family": family} | sizes)
    made, prepare = models.from_architecture(spec, vocab_size=max(ids) + 1, end_token_id=0, seed=3)
    prepare(made, "")
    made.save_pretrained(folder / family)
    tokenizer.save_pretrained(folder / family)
    shutil.rmtree(folder / "llama")
    return folder / family


CASES = [("bert", ("<mask>",)), ("roberta", ("<mask>",)), ("t5", tuple(f"<extra_id_{n}>" for n in range(6)))]


@pytest.mark.parametrize(("family", "names"), CASES)
def test_a_model_that_is_not_causal_is_scored_by_its_own_objective(family, names, tmp_path: Path):
    folder = saved(tmp_path, family, names)
    under_test = subject.load(folder)
    assert under_test.objective == ("span_corruption" if family == "t5" else "masked")
    scores = heldout_loss.score(under_test, folder, IDS, TEXTS, window_tokens=128)
    # A model that knows nothing guesses: ln of the vocabulary a hidden token.
    each = sum(score.nats for score in scores) / sum(score.num_tokens for score in scores)
    assert each == pytest.approx(math.log(under_test.model.config.vocab_size), rel=0.1)
    assert all(score.num_tokens > 0 for score in scores)


def test_what_is_hidden_of_a_document_does_not_depend_on_the_others(tmp_path: Path):
    folder = saved(tmp_path, "bert", ("<mask>",))
    under_test = subject.load(folder)
    whole = heldout_loss.score(under_test, folder, IDS, TEXTS, window_tokens=128)
    alone = heldout_loss.score(under_test, folder, IDS[2:3], TEXTS[2:3], window_tokens=128)
    assert alone[0].num_tokens == whole[2].num_tokens
    assert alone[0].nats == pytest.approx(whole[2].nats, rel=1e-5)
    with torch.no_grad():
        under_test.model.get_input_embeddings().weight.mul_(3)
    other = heldout_loss.score(under_test, folder, IDS, TEXTS, window_tokens=128)
    assert [score.num_tokens for score in other] == [score.num_tokens for score in whole]
    assert not np.allclose([score.nats for score in other], [score.nats for score in whole])


def test_a_batch_of_texts_too_short_to_hide_anything_of_loses_nothing(tmp_path: Path):
    folder = saved(tmp_path, *CASES[2])
    scores = heldout_loss.score(subject.load(folder), folder, ["a", "b"], ["I", "A"], window_tokens=128)
    assert [(score.nats, score.num_tokens, score.num_bytes) for score in scores] == [(0.0, 0, 1), (0.0, 0, 1)]
