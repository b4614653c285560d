"""Held-out text while training goes on, and the end of one that forgets."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from domainlm import progress
from domainlm.errors import StageError
from domainlm.evaluate.likelihood import Span, log_likelihoods
from domainlm.manifest import Manifest
from domainlm.specs.watch import WatchSpec
from domainlm.train import heldout, loop, watch
from domainlm.train.config import TrainConfig
from domainlm.train.packed import IGNORED
from domainlm.train.parallel import Place

from .conftest import RECIPE, SEQUENCE_TOKENS, VOCAB_SIZE, ConfigOf, hold_out


def streams(*lengths: int, seed: int = 0) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [[0, *rng.integers(1, VOCAB_SIZE, length - 1).tolist()] for length in lengths]


def lines(folder: Path) -> list[dict]:
    return watch.read(folder / heldout.LINES_NAME)


def test_bits_per_byte_are_those_of_an_evaluation_of_the_same_documents(
    alone: Place, config_of: ConfigOf, tmp_path: Path
):
    documents = streams(*[SEQUENCE_TOKENS] * 5)
    config = hold_out(config_of(tmp_path), steps=[0, 5], domains={"general": documents})
    loop.train(config, alone, [])
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model").eval()
    spans = [Span(tokens=np.array(document), num_scored=len(document) - 1) for document in documents]
    nats = -log_likelihoods(model, spans)[0].sum()
    assert [line["step"] for line in lines(tmp_path)] == [0, 5]
    assert lines(tmp_path)[-1]["bits_per_byte"]["general"] == pytest.approx(nats / math.log(2) / 100, rel=1e-5)
    assert lines(tmp_path)[0]["bits_per_byte"]["general"] != lines(tmp_path)[1]["bits_per_byte"]["general"]


@given(st.lists(st.integers(2, 40), min_size=1, max_size=12), st.integers(1, 4), st.integers(1, 3))
def test_every_token_but_a_document_s_first_is_a_target_once_on_any_number_of_ranks(lengths, num_ranks, micro_rows):
    documents = streams(*lengths)
    per_rank = [list(watch._own(documents, 16, micro_rows, rank, num_ranks)) for rank in range(num_ranks)]
    assert len({len(batches) for batches in per_rank}) == 1
    targets = sorted(
        int(target)
        for batches in per_rank
        for batch, counts in batches
        if counts
        for target in batch.target_BT.ravel()
        if target >= 0
    )
    assert targets == sorted(token for document in documents for token in document[1:])


@given(
    st.floats(0.001, 0.2), st.integers(1, 5000), st.integers(1, 64), st.integers(1, 5), st.none() | st.integers(1, 900)
)
def test_what_is_watched_fits_in_its_share_of_the_time(time_share, num_steps, batch_rows, num_domains, every_steps):
    spec = WatchSpec.model_validate({"time_share": time_share, "every_steps": every_steps})
    plan = heldout.budget(spec, num_steps=num_steps, batch_rows=batch_rows, num_domains=num_domains)
    read = len(plan.steps) * plan.rows * num_domains * heldout._FORWARD_STEPS
    assert read <= time_share * num_steps * batch_rows + 1e-6
    assert not plan.steps or (plan.steps[0], plan.steps[-1]) == (0, num_steps)


def test_cut_anywhere_it_ends_in_the_same_bytes(alone: Place, config_of: ConfigOf, tmp_path: Path):
    domains = {"general": streams(9, 30, 5), "law": streams(20, seed=1)}

    def config(folder: Path) -> TrainConfig:
        recipe = RECIPE.model_copy(update={"checkpoint_steps": 3})
        return hold_out(config_of(folder, num_steps=8, recipe=recipe), steps=[0, 2, 4, 6, 8], domains=domains)

    loop.train(config(tmp_path / "whole"), alone, [])
    for stop in (1, 5):
        told: list[int] = []
        progress.listen(lambda heard, stop=stop, told=told: told.append(15) if heard.done == stop else None)
        assert not loop.train(config(tmp_path / "cut"), alone, told)
        progress.listen(lambda _: None)
        with (tmp_path / "cut" / heldout.LINES_NAME).open("ab") as file:
            file.write(b'{"step": 7, "bits_per')
    loop.train(config(tmp_path / "cut"), alone, [])
    whole, cut = ((tmp_path / name / heldout.LINES_NAME).read_bytes() for name in ("whole", "cut"))
    assert cut == whole


FORGETTING = {"domains": ("general",), "tolerance_bits": 1e-3}


def forgetful(config_of: ConfigOf, folder: Path, action: str) -> TrainConfig:
    """Trains on what counts up, while `general` is noise: its bits per byte rise."""
    recipe = RECIPE.model_validate(
        RECIPE.model_dump(exclude_unset=True) | {"watch": {"forgetting": FORGETTING | {"action": action}}}
    )
    config = config_of(folder, num_steps=20, recipe=recipe)
    return hold_out(config, steps=[0, 10, 15, 20], domains={"general": streams(60, 60), "law": streams(20)})


def test_a_training_that_forgets_too_much_stops_and_says_what_to_do_and_again_at_once(
    alone: Place, config_of: ConfigOf, tmp_path: Path, heard: list[progress.Progress]
):
    said = (
        r"tiny: after step \d+, bits per byte of general are \d+\.\d+, \d+\.\d+ over the base's \d+\.\d+; "
        r"`forgetting` allows 0.001\nGive general a larger share of the mix's `token_ratio`, lower `schedule.peak`"
    )
    with pytest.raises(StageError, match=said):
        loop.train(forgetful(config_of, tmp_path, "stop"), alone, [])
    assert not (tmp_path / "model").exists()
    steps = len(heard)
    with pytest.raises(StageError, match=said):
        loop.train(forgetful(config_of, tmp_path, "stop"), alone, [])
    assert len(heard) == steps
    # What is allowed is no part of what is trained: told to warn, it goes on to the end.
    assert loop.train(forgetful(config_of, tmp_path, "warn"), alone, [])
    assert [line["step"] for line in lines(tmp_path)] == [0, 10, 15, 20]


def test_told_to_warn_it_goes_on_and_says_it(
    alone: Place, config_of: ConfigOf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert loop.train(forgetful(config_of, tmp_path, "warn"), alone, [])
    assert "note: warning: tiny: after step 20, bits per byte of general" in capsys.readouterr().out
    assert (tmp_path / "model/model.safetensors").is_file()


def test_what_is_no_number_is_too_much_to_forget():
    spec = RECIPE.model_validate(RECIPE.model_dump(exclude_unset=True) | {"watch": {"forgetting": FORGETTING}})
    base, line = ({"step": n, "bits_per_byte": {"general": bits}} for n, bits in ((0, 2.9), (1, None)))
    assert spec.watch.forgetting is not None
    assert "are no number" in watch.forgotten(spec.watch.forgetting, base, line)


def test_masked_models_are_watched_by_their_own_loss(alone: Place, config_of: ConfigOf, tmp_path: Path):
    from .conftest import architecture_of

    recipe = RECIPE.model_copy(update={"objective": "masked"})
    config = config_of(tmp_path, num_steps=2, recipe=recipe, architecture=architecture_of("bert"))
    loop.train(hold_out(config, steps=[0, 2], domains={"general": streams(40, 30)}), alone, [])
    first, last = lines(tmp_path)
    assert first["masked_loss"]["general"] == pytest.approx(math.log(VOCAB_SIZE), rel=0.1)
    assert last["masked_loss"]["general"] != first["masked_loss"]["general"]


def prepared(tokenizer: Manifest, path: Path, texts: dict[str, Sequence[str]], **spec: object) -> dict:
    recipe = RECIPE.model_validate(RECIPE.model_dump(exclude_unset=True) | {"watch": spec})
    sizes = {"num_steps": 100, "batch_rows": 8}
    heldout.prepare("tiny", recipe, lambda num_bytes: texts, tokenizer, path=path / "held.json", **sizes)
    return json.loads((path / "held.json").read_bytes())


def test_held_out_text_is_encoded_with_the_run_s_tokenizer_and_its_bytes_are_counted(
    tokenizer: Manifest, tmp_path: Path
):
    found = prepared(tokenizer, tmp_path, {"general": ["t3", "t5"], "law": ["t7"]})
    assert found["domains"] == {
        "general": {"num_bytes": 4, "streams": [[0, 3], [0, 5]]},
        "law": {"num_bytes": 2, "streams": [[0, 7]]},
    }
    assert (found["steps"][0], found["steps"][-1]) == (0, 100)
    assert prepared(tokenizer, tmp_path, {"general": ["t3"]}, time_share=0)["steps"] == []


def test_forgetting_without_held_out_text_or_without_time_is_refused(tokenizer: Manifest, tmp_path: Path):
    with pytest.raises(StageError, match=r"general has none: write `heldout_share: 0.02` in data_specs/domains/gen"):
        prepared(tokenizer, tmp_path, {"law": ["t3"]}, forgetting=FORGETTING)
    tight = {"forgetting": FORGETTING, "time_share": 0.001}
    with pytest.raises(StageError, match=r"in `time_share: 0.001`: write `time_share: 0.0038` in `watch`"):
        prepared(tokenizer, tmp_path, {"general": ["t3"]}, **tight)
    assert prepared(tokenizer, tmp_path, {"general": ["t3"]}, **(tight | {"time_share": 0.0026}))["steps"]


def test_ignored_labels_are_no_targets():
    batch, _ = next(watch._own(streams(5), 16, 2, 0, 1))
    assert int((torch.from_numpy(batch.target_BT) >= 0).sum()) == 4
    assert IGNORED < 0
