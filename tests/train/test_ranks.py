"""Two gloo ranks against one process: the same global batch, the same loss, whatever the strategy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from safetensors.torch import load_file

from domainlm.specs.architecture import Family, objective_of
from domainlm.specs.recipe import RecipeSpec
from domainlm.train import guard, heldout, loop, metrics, watch
from domainlm.train.config import TrainConfig
from domainlm.train.parallel import Place

from .conftest import RECIPE, ConfigOf, architecture_of, hold_out
from .poison import poison

NUM_STEPS = 6
LOSS, GRADIENT, WEIGHT = 1e-5, 1e-4, 1e-4
"""Relative: fp32 sums in another order differ by 1e-7, and the steps let it grow."""


def recipe_of(**changes: Any) -> RecipeSpec:
    return RecipeSpec.model_validate(RECIPE.model_dump(exclude_unset=True) | {"checkpoint_steps": 3} | changes)


def lines(folder: Path) -> list[metrics.StepMetrics]:
    return metrics.read(folder / metrics.METRICS_NAME)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model/model.safetensors")


def assert_same(ours: Path, theirs: Path, loss: float = LOSS, weight: float = 1e-5) -> None:
    ours_lines, theirs_lines = ([line for line in lines(of) if not line.skipped] for of in (ours, theirs))
    assert [line.loss for line in ours_lines] == pytest.approx([line.loss for line in theirs_lines], rel=loss)
    grads = [line.grad_norm for line in ours_lines], [line.grad_norm for line in theirs_lines]
    assert grads[0] == pytest.approx(grads[1], rel=10 * loss if loss > LOSS else GRADIENT)
    if loss == LOSS:
        found = weights(theirs)
        for name, tensor in weights(ours).items():
            torch.testing.assert_close(tensor, found[name], rtol=WEIGHT, atol=weight, msg=lambda m, n=name: f"{n}: {m}")


Run = Callable[..., None]


@pytest.fixture(scope="session")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A function that trains by each config, on two ranks, to the step at which it is told to stop; the last one on
    rows of which some are bad."""

    def run(cases: list[tuple[TrainConfig, int | None]], bad_rows: Sequence[int] = ()) -> None:
        path = tmp_path_factory.mktemp("cases") / "cases.json"
        told = [{"config": c.model_dump(mode="json"), "stop": stop, "bad_rows": []} for c, stop in cases]
        told[-1]["bad_rows"] = list(bad_rows)
        path.write_text(json.dumps(told))
        command = [sys.executable, "-W", "error", "-m", "torch.distributed.run", "--standalone"]
        command += ["--local-addr", "127.0.0.1", "--nproc-per-node", "2", str(Path(__file__).with_name("ranks.py"))]
        root = str(Path(__file__).parents[2])
        env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": root, "TOKENIZERS_PARALLELISM": "false"}
        done = subprocess.run([*command, str(path)], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-6000:]

    return run


STRATEGIES: Mapping[str, dict[str, Any]] = {
    "fsdp": {},
    "fsdp in two micro-batches": {"micro_batch_rows": 2},
    "fsdp, gradients whole": {"micro_batch_rows": 2, "parallel": {"accumulate": "whole"}},
    "ddp": {"micro_batch_rows": 2, "parallel": {"strategy": "ddp"}},
    "ddp, gradients whole": {"micro_batch_rows": 2, "parallel": {"strategy": "ddp", "accumulate": "whole"}},
    "zero2": {"micro_batch_rows": 2, "parallel": {"strategy": "zero2"}},
    "hybrid 1 x 2": {"parallel": {"strategy": "hybrid", "shard_ranks": 2}},
    "hybrid 2 x 1": {"parallel": {"strategy": "hybrid", "shard_ranks": 1}},
    "offload": {"micro_batch_rows": 2, "parallel": {"offload": True}},
    "selective": {"checkpointing": "selective"},
    "full": {"checkpointing": "full"},
    "frozen": {"freeze": {"steps": 3}},
    "averaged over the last": {"average": {"last": 2}},
    "averaged exponentially": {"average": {"ema": 0.7}},
    "bf16": {"precision": "bf16"},
}
BAD_ROWS, BAD_STEPS = (17, 53, 57, 70), 12
"""One row, on one of the ranks, in each of the steps 3, 7, 8 and 9; a checkpoint stands after step 4."""
ALIKE = ("frozen", "averaged over the last", "averaged exponentially", "bf16")
"""Those that change what one process does, too."""


@pytest.fixture(scope="session")
def trained(
    two_ranks: Run, alone: Place, config_of: ConfigOf, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Path, Path]]:
    """A function from a strategy to the folders of two ranks and of one process."""
    folder = tmp_path_factory.mktemp("strategies")
    usual = {"num_steps": NUM_STEPS}

    def config(name: str, ranks: int) -> TrainConfig:
        made = config_of(folder / f"{ranks} {name}", recipe=recipe_of(**STRATEGIES[name]), **usual)
        # An odd number of rows: in the end one of the ranks has none of its own left.
        return hold_out(made, steps=[0, 3, 6], domains={"general": [list(range(40))], "law": [[0, 5, 6], [0, 7]]})

    bad = config_of(folder / "2 bad", recipe=recipe_of(checkpoint_steps=4), num_steps=BAD_STEPS)
    two_ranks([*((config(name, 2), None) for name in STRATEGIES), (bad, None)], BAD_ROWS)
    for name in ("fsdp", *ALIKE):
        loop.train(config(name, 1), alone, [])
    return lambda name: (folder / f"2 {name}", folder / f"1 {name if name in ALIKE else 'fsdp'}")


@pytest.mark.slow
@pytest.mark.parametrize("name", STRATEGIES)
def test_two_ranks_train_as_one_process_does(trained, name: str):
    # Rounded to 8 bits, a sum depends on its order in the third digit.
    loss = 1.3e-3 if name == "bf16" else LOSS
    assert_same(*trained(name), loss=loss)
    ours, theirs = (watch.read(folder / heldout.LINES_NAME) for folder in trained(name))
    assert [line["step"] for line in ours] == [line["step"] for line in theirs] == [0, 3, 6]
    for one, other in zip(ours, theirs, strict=True):
        # Each is rounded to a millionth.
        assert one["bits_per_byte"] == pytest.approx(other["bits_per_byte"], rel=loss, abs=2e-6)


@pytest.mark.slow
def test_what_one_rank_cannot_learn_is_skipped_and_passed_by_on_all_alike(
    trained, alone: Place, config_of: ConfigOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    poison(BAD_ROWS, monkeypatch.setattr)
    loop.train(config_of(tmp_path, recipe=recipe_of(checkpoint_steps=4), num_steps=BAD_STEPS), alone, [])
    two = trained("fsdp")[0].with_name("2 bad")
    assert_same(two, tmp_path)
    for found in (lines(two), lines(tmp_path)):
        assert [line.step for line in found if line.skipped] == [3, 7, 8, 9]
        for row in BAD_ROWS:
            said = found[row // 8].skipped
            first, last = (int(number) for number in said.rpartition("rows ")[2].split(" to "))
            assert said.startswith("the loss is nan, on rows") and first <= row <= last < first + 8
    assert guard.passed(two / "work") == guard.passed(tmp_path / "work") == {4: 9}


@pytest.mark.slow
def test_what_is_frozen_does_not_move_and_embeddings_do(trained, alone: Place, config_of: ConfigOf, tmp_path: Path):
    frozen = recipe_of(freeze={"share": 1.0})
    loop.train(config_of(tmp_path / "frozen", recipe=frozen, num_steps=NUM_STEPS), alone, [])
    none = recipe_of(schedule={"peak": 1e-12}, weight_decay=0.0)
    loop.train(config_of(tmp_path / "none", recipe=none, num_steps=NUM_STEPS), alone, [])
    first, last = weights(tmp_path / "none"), weights(tmp_path / "frozen")
    moved = {name for name in first if (first[name] - last[name]).abs().max() > 1e-6}
    assert moved == {"model.embed_tokens.weight"}


@pytest.mark.slow
def test_the_average_is_that_of_the_last_checkpoints(trained, alone: Place, config_of: ConfigOf, tmp_path: Path):
    # Of the three steps of a checkpoint, the weights after the third and the sixth count a half each.
    told: list[int] = []
    from domainlm import progress

    progress.listen(lambda heard: told.append(15) if heard.done == 3 else None)
    try:
        recipe = recipe_of()
        assert not loop.train(config_of(tmp_path, recipe=recipe, num_steps=NUM_STEPS), alone, told)
    finally:
        progress.listen(lambda _: None)
    (half,) = (tmp_path / "work/checkpoints").glob("step-000000003/*.safetensors")
    third = {
        name.removeprefix("weights.model."): t for name, t in load_file(half).items() if name.startswith("weights")
    }
    sixth, found = weights(trained("fsdp")[1]), weights(trained("averaged over the last")[1])
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, (third[name] + sixth[name]) / 2, rtol=1e-5, atol=1e-6)


RESUMED: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "fsdp to ddp": ({}, {"parallel": {"strategy": "ddp"}}),
    "ddp to hybrid": ({"parallel": {"strategy": "ddp"}}, {"parallel": {"strategy": "hybrid", "shard_ranks": 2}}),
    "zero2 to offload": ({"parallel": {"strategy": "zero2"}}, {"parallel": {"offload": True}}),
    "fsdp to fsdp": ({}, {}),
}


@pytest.mark.slow
def test_a_training_goes_on_with_another_strategy_or_number_of_ranks(
    trained, two_ranks: Run, alone: Place, config_of: ConfigOf, tmp_path: Path
):
    cases = []
    for name, (begun, ended) in RESUMED.items():
        for changes, stop in ((begun, 4), (ended, None)):
            cases.append((config_of(tmp_path / name, recipe=recipe_of(**changes), num_steps=NUM_STEPS), stop))
    cases.append((config_of(tmp_path / "two to one", recipe=recipe_of(), num_steps=NUM_STEPS), 4))
    one_to_two = config_of(tmp_path / "one to two", recipe=recipe_of(), num_steps=NUM_STEPS)
    from domainlm import progress

    told: list[int] = []
    progress.listen(lambda heard: told.append(15) if heard.done == 4 else None)
    try:
        assert not loop.train(one_to_two, alone, told)
    finally:
        progress.listen(lambda _: None)
    two_ranks([*cases, (one_to_two, None)])
    loop.train(config_of(tmp_path / "two to one", recipe=recipe_of(), num_steps=NUM_STEPS), alone, [])
    for name in (*RESUMED, "two to one", "one to two"):
        assert_same(tmp_path / name, trained("fsdp")[0])
    same = [(folder / metrics.METRICS_NAME).read_bytes() for folder in (tmp_path / "fsdp to fsdp", trained("fsdp")[0])]
    assert same[0] == same[1]
    assert weights(tmp_path / "fsdp to fsdp").keys() == weights(trained("fsdp")[0]).keys()
    for name, tensor in weights(tmp_path / "fsdp to fsdp").items():
        torch.testing.assert_close(tensor, weights(trained("fsdp")[0])[name], rtol=0, atol=0)


FAMILIES = sorted(get_args(Family))
NOISE = 2e-4
"""A bias of the keys changes no attention: its gradient is rounding, which Adam blows up to a step's size."""


def by_family(config_of: ConfigOf, folder: Path, family: str, start: Path | None = None, **changes: Any) -> TrainConfig:
    recipe = recipe_of(objective=objective_of(family), **changes)
    begun: dict[str, Any] = {"architecture": architecture_of(family), "recipe": recipe, "num_steps": 3}
    onward = {"architecture": None, "base_name": family, "start": str(start)} if start else {}
    return config_of(folder / family, **(begun | onward))


@pytest.mark.slow
def test_each_family_trains_on_two_ranks_as_in_one_process_from_scratch_and_from_a_checkpoint(
    two_ranks: Run, alone: Place, config_of: ConfigOf, tmp_path: Path
):
    def configs(ranks: str) -> list[TrainConfig]:
        scratch = [by_family(config_of, tmp_path / ranks / "scratch", family) for family in FAMILIES]
        start = tmp_path / "one/scratch"
        onward = [by_family(config_of, tmp_path / ranks / "on", f, start=start / f / "model") for f in FAMILIES]
        return [*scratch, *onward]

    for config in configs("one"):
        loop.train(config, alone, [])
    two_ranks([(config, None) for config in configs("two")])
    for family in FAMILIES:
        for begun in ("scratch", "on"):
            assert_same(tmp_path / "two" / begun / family, tmp_path / "one" / begun / family, weight=NOISE)


@pytest.mark.slow
def test_adapters_train_on_two_ranks_as_in_one_process_and_alone_are_in_the_checkpoint(
    two_ranks: Run, alone: Place, config_of: ConfigOf, tmp_path: Path
):
    families = ("bert", "gpt2", "llama", "t5")
    lora = {"lora": {"rank": 2}, "schedule": {"peak": 1e-2}}
    for family in families:
        loop.train(by_family(config_of, tmp_path / "base", family), alone, [])
        start = tmp_path / "base" / family / "model"
        loop.train(by_family(config_of, tmp_path / "one", family, start=start, **lora), alone, [])
    starts = {family: tmp_path / "base" / family / "model" for family in families}
    two_ranks([(by_family(config_of, tmp_path / "two", f, start=starts[f], **lora), None) for f in families])
    for family in families:
        assert_same(tmp_path / "two" / family, tmp_path / "one" / family, weight=NOISE)
        (saved,) = (tmp_path / "one" / family / "work/checkpoints").glob("step-000000003/*.safetensors")
        assert all(".lora_" in name for name in load_file(saved))
        adapter = load_file(tmp_path / "two" / family / "adapter/adapter_model.safetensors")
        assert all(name.startswith("base_model.model.") for name in adapter)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft's own call
def test_an_adapter_is_what_peft_loads(alone: Place, config_of: ConfigOf, tmp_path: Path):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    loop.train(by_family(config_of, tmp_path / "base", "llama"), alone, [])
    start = tmp_path / "base/llama/model"
    loop.train(by_family(config_of, tmp_path / "on", "llama", start=start, lora={"rank": 2}), alone, [])
    base = AutoModelForCausalLM.from_pretrained(start)
    ids = torch.arange(1, 11)[None]
    with torch.no_grad():
        before = base(ids).logits
        ours = AutoModelForCausalLM.from_pretrained(tmp_path / "on/llama/model")(ids).logits
        theirs = PeftModel.from_pretrained(base, str(tmp_path / "on/llama/adapter"))(ids).logits
    assert (ours - before).abs().max() > 1e-4
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
