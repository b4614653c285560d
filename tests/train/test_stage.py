"""The whole stage: two gloo ranks that torchrun starts, killed and resumed for real."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from domainlm import progress
from domainlm.errors import StageError
from domainlm.manifest import Made, Manifest
from domainlm.specs.recipe import ParallelSpec
from domainlm.train import loop, metrics, stage
from domainlm.train.launch import num_ranks
from domainlm.train.parallel import Place
from domainlm.train.stage import train

from .conftest import RECIPE, SCRATCH, ConfigOf, MixOf

NUM_STEPS = 40
TrainIn = Callable[[Path], Made]


@pytest.fixture(scope="session")
def train_in(tokens: Manifest, tokenizer: Manifest, mix_of: MixOf) -> TrainIn:
    """A function that trains the same small model in a folder, by two ranks."""

    def run(folder: Path) -> Made:
        inputs = {"mix": mix_of(NUM_STEPS), "tokens": tokens, "tokenizer": tokenizer, "start": None}
        texts = {"law": ["t3", "t4"], "general": ["t5"]}
        return train("tiny", SCRATCH, RECIPE, **inputs, folder=folder, seed=7, texts=lambda num_bytes: texts)

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
        "heldout.jsonl",
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
    monkeypatch.setattr(stage, "launch", lambda *_: pytest.fail("trained again"))
    assert train_in(tmp_path / "killed") == whole[0]


def killing(at: set[int]) -> Callable[[progress.Progress], None]:
    """Kills a rank with signal 9 when it is told of a step for the first time."""

    def kill(heard: progress.Progress) -> None:
        if heard.done in at:
            at.discard(int(heard.done))
            ranks = [p for p in psutil.Process().children(recursive=True) if "train.loop" in " ".join(p.cmdline())]
            max(ranks, key=lambda p: p.pid).kill()

    return kill


@pytest.mark.slow
def test_a_rank_killed_with_kill_9_takes_the_rest_down_and_the_stage_goes_on_to_the_same_bytes(
    whole: tuple[Made, Path], train_in: TrainIn, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    progress.listen(killing({13, 27}))
    try:
        assert train_in(tmp_path) == whole[0]
    finally:
        progress.listen(lambda _: None)
    assert "it goes on from step-0000000" in capfd.readouterr().out


@pytest.mark.slow
def test_ranks_that_die_before_a_new_checkpoint_are_started_again_once(train_in: TrainIn, tmp_path: Path):
    def kill(heard: progress.Progress) -> None:
        killing({int(heard.done)})(heard)

    progress.listen(kill)
    try:
        with pytest.raises(StageError, match="training of tiny ended with status"):
            train_in(tmp_path)
    finally:
        progress.listen(lambda _: None)


@pytest.mark.slow
def test_told_to_stop_it_ends_within_seconds_with_a_checkpoint(
    whole: tuple[Made, Path], train_in: TrainIn, tmp_path: Path
):
    told_s: list[float] = []

    def stop(heard: progress.Progress) -> None:
        if heard.done == 17 and not told_s:
            told_s.append(time.monotonic())
            (agent,) = [
                p for p in psutil.Process().children(recursive=True) if "distributed.run" in p.cmdline()[2:3][0]
            ]
            agent.terminate()

    progress.listen(stop)
    try:
        with pytest.raises(StageError, match="told to stop; a checkpoint holds what was done"):
            train_in(tmp_path / "told")
    finally:
        progress.listen(lambda _: None)
    assert time.monotonic() - told_s[0] < 30
    reached = max(path.name for path in (tmp_path / "told/work/checkpoints").glob("step-*"))
    assert reached >= "step-000000017"
    assert train_in(tmp_path / "told") == whole[0]


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
    monkeypatch.setattr("domainlm.train.device.num_gpus", lambda: 0)
    assert num_ranks(ParallelSpec(ranks=ranks), batch_rows) == want


def test_the_config_is_read_back_as_it_was(config_of: ConfigOf, tmp_path: Path):
    config = config_of(tmp_path)
    assert type(config).model_validate_json(config.model_dump_json()) == config
    assert json.loads(config.model_dump_json())["recipe"]["sequence_tokens"] == 16
