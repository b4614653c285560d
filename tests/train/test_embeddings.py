"""Embeddings for more tokens, or for others: what the model knew stays, and new rows begin as was asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from domainlm.errors import StageError
from domainlm.manifest import Manifest
from domainlm.specs.recipe import FreezeSpec
from domainlm.tokens import transfer
from domainlm.tokens.static import static_embeddings
from domainlm.tokens.transfer import Transfer
from domainlm.train import embeddings, loop
from domainlm.train import model as models
from domainlm.train.embeddings import renew, rows, sparsemax
from domainlm.train.parallel import Place

from .conftest import RECIPE, VOCAB_SIZE, ConfigOf, architecture_of

BASE = VOCAB_SIZE - 4
MORE = Transfer(base_vocab_size=BASE, first_id=BASE, pieces=((1, 2), (3, 4, 5), (1, BASE - 1), (7, 7)))
OTHER = Transfer(base_vocab_size=BASE, first_id=0, pieces=((5,), (1, 2), (), (0,)))
STATIC = np.eye(VOCAB_SIZE, 8, dtype=np.float32)
STATIC[BASE] = STATIC[6]
IDS = torch.tensor([[1, 2, 3, 50, 9]])


def model_of(family: str = "llama", *, tied: bool, vocab_size: int = BASE) -> PreTrainedModel:
    architecture = architecture_of(family).model_copy(update={"tie_embeddings": tied})
    made, prepare = models.from_architecture(architecture, vocab_size=vocab_size, end_token_id=0, seed=1)
    prepare(made, "")
    return made


def ends(model: PreTrainedModel) -> tuple[torch.Tensor, torch.Tensor]:
    return model.get_input_embeddings().weight.detach(), model.get_output_embeddings().weight.detach()


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox", "roberta"])
@pytest.mark.parametrize("tied", [True, False])
def test_an_extended_model_gives_the_tokens_that_it_knew_the_logits_that_it_gave(family: str, tied: bool):
    if family == "roberta" and not tied:
        pytest.skip("roberta is always tied")
    made = model_of(family, tied=tied)
    before = made(IDS).logits
    renew(made, MORE, None, None)
    assert made.config.vocab_size == VOCAB_SIZE
    torch.testing.assert_close(made(IDS).logits[..., :BASE], before)
    assert embeddings.is_tied(made) == tied
    assert (ends(made)[0] is ends(made)[1] or ends(made)[0].data_ptr() == ends(made)[1].data_ptr()) == tied


def test_each_method_begins_new_rows_as_its_source_says():
    made = model_of(tied=False)
    (input_VD, output_VD), mean = ends(made), ends(made)[0].mean(0)
    pieces = torch.stack([input_VD[list(ids)].mean(0) for ids in MORE.pieces])
    torch.testing.assert_close(rows(input_VD, MORE, "mean_of_pieces", None), pieces)
    torch.testing.assert_close(rows(input_VD, MORE, "mean_of_all", None), mean.expand(4, -1))
    assert renew(made, MORE, "zero_output", None) == "zero_output"
    torch.testing.assert_close(ends(made)[0][BASE:], pieces)
    assert ends(made)[1][BASE:].abs().max() == 0 and torch.equal(ends(made)[1][:BASE], output_VD)


def test_focus_takes_the_rows_of_tokens_that_are_used_alike():
    input_VD, _ = ends(model_of(tied=True))
    found = rows(input_VD, MORE, "focus", STATIC)
    # The first new token is used as token 6 is, and as no other; of the rest nothing is known but their pieces.
    torch.testing.assert_close(found[0], input_VD[6])
    torch.testing.assert_close(found[1:], rows(input_VD, MORE, "mean_of_pieces", None)[1:])


def test_focus_begins_another_vocabulary_with_the_rows_of_tokens_that_both_have():
    made = model_of(tied=True)
    before = ends(made)[0].clone()
    # The second is used as the first is, which is the base's 5; the third half as that and half as the last, its 0.
    static = np.array([[1, 0], [1, 0], [0.5**0.5, 0.5**0.5], [0, 1]], np.float32)
    assert renew(made, OTHER, "focus", static) == "focus"
    wanted = torch.stack([before[5], before[5], (before[5] + before[0]) / 2, before[0]])
    torch.testing.assert_close(ends(made)[0], wanted)
    assert made.config.vocab_size == 4 and embeddings.is_tied(made)
    # Of a token that is never met nothing is known but its pieces, and of one that has none the mean of all.
    found = rows(before, OTHER, "focus", static * np.array([[1], [0], [0], [1]], np.float32))
    torch.testing.assert_close(found, torch.stack([before[5], before[[1, 2]].mean(0), before.mean(0), before[0]]))


def test_sparsemax_is_the_nearest_point_of_the_simplex():
    scores = torch.randn(5, 9, generator=torch.Generator().manual_seed(0))
    found = sparsemax(scores)
    torch.testing.assert_close(found.sum(1), torch.ones(5))
    assert (found >= 0).all()
    # At the nearest point, what is above 0 is as far below its score as everything there, and the rest is further.
    for some, of in zip(scores, found, strict=True):
        distance = (some - of)[of > 0]
        torch.testing.assert_close(distance, distance[:1].expand_as(distance))
        assert (some[of == 0] <= distance[0] + 1e-6).all()


def test_a_vocabulary_in_the_place_of_another_keeps_the_rows_of_tokens_that_both_have():
    made = model_of(tied=True)
    before = ends(made)[0].clone()
    renew(made, OTHER, "mean_of_pieces", None)
    wanted = torch.stack([before[5], before[[1, 2]].mean(0), before.mean(0), before[0]])
    torch.testing.assert_close(ends(made)[0], wanted)
    assert made.config.vocab_size == 4


def test_rows_that_no_token_had_are_begun_too_and_the_model_does_not_shrink():
    made = model_of(tied=True, vocab_size=VOCAB_SIZE + 3)
    before = ends(made)[0].clone()
    renew(made, MORE, "mean_of_pieces", None)
    assert len(ends(made)[0]) == VOCAB_SIZE + 3
    torch.testing.assert_close(ends(made)[0][BASE:VOCAB_SIZE], rows(before, MORE, "mean_of_pieces", None))
    assert torch.equal(ends(made)[0][VOCAB_SIZE:], before[VOCAB_SIZE:])


def test_what_does_not_fit_is_refused_with_what_would():
    with pytest.raises(StageError, match="`new_rows: zero_output` is for output rows of their own"):
        renew(model_of(tied=True), MORE, "zero_output", None)
    with pytest.raises(StageError, match=r"the model has 50 embeddings, and the tokenizer .* has 60 tokens"):
        renew(model_of(tied=True, vocab_size=50), MORE, None, None)


def test_static_embeddings_are_alike_where_tokens_are_used_alike_and_the_same_each_time(tokens: Manifest):
    found = static_embeddings(tokens)
    assert found.shape[0] == VOCAB_SIZE
    lengths = np.linalg.norm(found, axis=1)
    np.testing.assert_allclose(lengths[lengths > 0], 1, rtol=1e-5)
    assert lengths[0] == 0  # the end token has no neighbours
    # Documents count up by one or by three: a token is used as those close to it are.
    near, far = [found[i] @ found[i + 1] for i in range(5, 50)], [found[i] @ found[i + 9] for i in range(5, 50)]
    assert np.mean(near) > 1.3 * np.mean(far)
    np.testing.assert_array_equal(found, static_embeddings(tokens))


@pytest.mark.parametrize("tied", [True, False])
def test_a_model_is_extended_trained_and_reloaded(
    config_of: ConfigOf, tokens: Manifest, alone: Place, tmp_path: Path, tied: bool
):
    base = model_of(tied=tied)
    base.save_pretrained(tmp_path / "base")
    made_of = transfer.save(MORE, tmp_path)
    np.save(tmp_path / "static.npy", static_embeddings(tokens))
    told = {"start": str(tmp_path / "base"), "architecture": None, "transfer": str(made_of), "new_rows": "focus"}
    recipe = RECIPE.model_copy(update={"freeze": FreezeSpec(share=1.0)})
    more = {"static": str(tmp_path / "static.npy"), "recipe": recipe}
    assert loop.train(config_of(tmp_path / "out", num_steps=3, **told, **more), alone, [])
    made = AutoModelForCausalLM.from_pretrained(tmp_path / "out/model")
    assert made.config.vocab_size == len(ends(made)[0]) == len(ends(made)[1]) == VOCAB_SIZE
    assert made.config.tie_word_embeddings == embeddings.is_tied(made) == tied
    # Only embeddings learned, and the new ones with the others.
    kept = {name: tensor for name, tensor in base.state_dict().items() if "embed" not in name and "lm_head" not in name}
    assert all(torch.equal(made.state_dict()[name], tensor) for name, tensor in kept.items())
    begun = rows(ends(base)[0], MORE, "focus", np.load(tmp_path / "static.npy"))
    assert not torch.equal(ends(made)[0][BASE:], begun)
    assert (
        "4 tokens that the base did not have; their embeddings began by focus"
        in (tmp_path / "out/model/README.md").read_text()
    )
