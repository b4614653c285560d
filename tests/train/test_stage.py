"""The whole stage: two gloo ranks that torchrun starts, killed and resumed for real."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from domainlm import progress
from domainlm.errors import StageError
from domainlm.manifest import Made, Manifest
from domainlm.specs.run import ParallelSpec
from domainlm.train import loop, metrics, stage
from domainlm.train.parallel import Place
from domainlm.train.stage import num_ranks, train

from .conftest import RECIPE, SCRATCH, ConfigOf, MixOf

NUM_STEPS = 40
TrainIn = Callable[[Path], Made]


@pytest.fixture(scope="session")
def train_in(tokens: Manifest, tokenizer: Manifest, mix_of: MixOf) -> TrainIn:
    """A function that trains the same small model in a folder, by two ranks."""

    def run(folder: Path) -> Made:
        inputs = {"mix": mix_of(NUM_STEPS), "tokens": tokens, "tokenizer": tokenizer, "start": None}
        return train("tiny", SCRATCH, RECIPE, **inputs, folder=folder, seed=7)

    return run


@pytest.fixture(scope="session")
def whole(train_in: TrainIn, tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, Path]:
    folder = tmp_path_factory.mktemp("whole")
    return train_in(folder), folder


def test_two_ranks_lose_what_one_process_loses(
    whole: tuple[Made, Path], alone: Place, config_of: ConfigOf, tmp_path: Path
):
    loop.train(config_of(tmp_path, num_steps=NUM_STEPS), alone, [])
    ours, theirs = metrics.read(tmp_path / metrics.METRICS_NAME), metrics.read(whole[1] / metrics.METRICS_NAME)
    # Sums are taken in another order: fp32 keeps 1e-7 of them, and forty steps let it grow.
    assert [line.loss for line in theirs] == pytest.approx([line.loss for line in ours], rel=1e-5)
    assert [line.grad_norm for line in theirs] == pytest.approx([line.grad_norm for line in ours], rel=1e-3)
    assert [line.sources for line in theirs] == [line.sources for line in ours]


def test_the_stage_lists_its_files_and_clears_its_work(whole: tuple[Made, Path]):
    made, folder = whole
    assert [shard.path for shard in made.shards] == [
        "model/README.md",
        "model/config.json",
        "model/generation_config.json",
        "model/model.safetensors",
        "model/tokenizer.json",
        "model/tokenizer_config.json",
        "metrics.jsonl",
    ]
    assert not (folder / "work").exists()
    lines = metrics.read(folder / metrics.METRICS_NAME)
    assert made.facts["steps"] == len(lines) == NUM_STEPS
    assert made.facts["tokens"] == NUM_STEPS * RECIPE.batch_tokens
    assert (made.facts["first_loss"], made.facts["last_loss"]) == (lines[0].loss, lines[-1].loss)
    assert made.facts["realised_share"] == {"general/web": 157 / 320, "law/acts": 163 / 320}
    assert (made.facts["ranks"], made.facts["device"], made.facts["precision"]) == (2, "cpu", "fp32")


def test_killed_after_it_cleared_its_work_it_does_not_train_again(
    whole: tuple[Made, Path], train_in: TrainIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shutil.copytree(whole[1], tmp_path / "killed")
    monkeypatch.setattr(stage, "_launch", lambda *_: pytest.fail("trained again"))
    assert train_in(tmp_path / "killed") == whole[0]


@pytest.mark.slow
def test_killed_with_kill_9_it_goes_on_to_the_same_bytes(
    whole: tuple[Made, Path], train_in: TrainIn, alone: Place, config_of: ConfigOf, tmp_path: Path
):
    def kill_all(heard: progress.Progress) -> None:
        if heard.done == 13:
            for process in psutil.Process().children(recursive=True):
                if "domainlm.train.loop" in " ".join(process.cmdline()):
                    process.kill()

    progress.listen(kill_all)
    try:
        with pytest.raises(StageError, match="training of tiny ended with status"):
            train_in(tmp_path / "killed")
    finally:
        progress.listen(lambda _: None)
    reached = sorted(path.name for path in (tmp_path / "killed/work/checkpoints").glob("step-*"))
    assert "step-000000010" <= reached[-1] < f"step-{NUM_STEPS:09d}"
    shutil.copytree(tmp_path / "killed", tmp_path / "fewer")
    assert train_in(tmp_path / "killed") == whole[0]

    # The same checkpoint, gone on with by one rank where two had begun.
    loop.train(config_of(tmp_path / "fewer", num_steps=NUM_STEPS), alone, [])
    fewer, two = (metrics.read(folder / metrics.METRICS_NAME) for folder in (tmp_path / "fewer", whole[1]))
    assert [line.loss for line in fewer] == pytest.approx([line.loss for line in two], rel=1e-5)


@pytest.mark.slow
def test_a_rank_s_failure_is_told_in_its_own_words(
    tokens: Manifest, tokenizer: Manifest, mix_of: MixOf, tmp_path: Path
):
    model = SCRATCH.model_copy(update={"architecture": None, "start": "there"})
    (tmp_path / "empty").mkdir()
    inputs = {"mix": mix_of(5), "tokens": tokens, "tokenizer": tokenizer, "start": tmp_path / "empty"}
    recipe = RECIPE.model_copy(update={"parallel": ParallelSpec(ranks=1)})
    with pytest.raises(StageError, match=r"training of tiny ended with status 1\n(.*\n)*.*config\.json"):
        train("tiny", model, recipe, **inputs, folder=tmp_path / "out", seed=7)


def test_a_recipe_that_does_not_fit_its_mix_is_refused(
    tokens: Manifest, tokenizer: Manifest, mix_of: MixOf, tmp_path: Path
):
    recipe = RECIPE.model_copy(update={"batch_tokens": 2 * RECIPE.batch_tokens})
    inputs = {"mix": mix_of(5), "tokens": tokens, "tokenizer": tokenizer, "start": None}
    with pytest.raises(StageError, match="batches of 8 rows of 16 tokens, but the recipe wants 16 rows of 16"):
        train("tiny", SCRATCH, recipe, **inputs, folder=tmp_path, seed=7)


@pytest.mark.parametrize(("ranks", "batch_rows", "want"), [("auto", 8, 2), ("auto", 7, 1), (3, 7, 3)])
def test_auto_takes_as_many_ranks_as_divide_a_batch(ranks, batch_rows, want, monkeypatch):
    monkeypatch.setattr("domainlm.train.stage._num_gpus", lambda: 0)
    assert num_ranks(ParallelSpec(ranks=ranks), batch_rows) == want


def test_the_config_is_read_back_as_it_was(config_of: ConfigOf, tmp_path: Path):
    config = config_of(tmp_path)
    assert type(config).model_validate_json(config.model_dump_json()) == config
    assert json.loads(config.model_dump_json())["recipe"]["sequence_tokens"] == 16
