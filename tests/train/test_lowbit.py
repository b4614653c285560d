"""What torchao gives, where it is installed: `pip install domainlm[lowbit]`."""

from __future__ import annotations

import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from domainlm import progress
from domainlm.errors import StageError
from domainlm.specs.run import ArchitectureSpec
from domainlm.train import loop, lowbit, metrics, quantize
from domainlm.train import model as models
from domainlm.train.parallel import Place
from domainlm.train.training import begin

from .conftest import ARCHITECTURE, RECIPE, ConfigOf

HAS_TORCHAO = find_spec("torchao") is not None
needs_torchao = pytest.mark.skipif(not HAS_TORCHAO, reason="needs torchao, which is optional")
WIDE = ArchitectureSpec.model_validate(
    ARCHITECTURE.model_dump() | {"hidden_size": 64, "intermediate_size": 128, "num_kv_heads": 2}
)
"""Moments of fewer than 4,096 values stay in fp32."""


@pytest.fixture(autouse=True)
def torchao_s_own_warnings():
    # Raised while torchao itself is imported. Compiled, its Adam takes a C++ compiler a minute, and gives the same.
    with warnings.catch_warnings(), torch.compiler.set_stance("force_eager"):
        warnings.simplefilter("ignore")
        yield


def test_without_torchao_8_bits_are_refused_with_the_way_to_get_them(
    alone: Place, config_of: ConfigOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("torchao", "torchao.optim", "torchao.float8", "torchao.quantization", "torchao.quantization.qat"):
        monkeypatch.setitem(sys.modules, name, None)
    recipe = RECIPE.model_copy(update={"optimizer": "adamw8bit"})
    with pytest.raises(StageError, match=r"needs torchao: pip install 'domainlm\[lowbit\]'"):
        begin(config_of(tmp_path, recipe=recipe), alone)
    with pytest.raises(StageError, match=r"needs torchao: pip install 'domainlm\[lowbit\]'"):
        lowbit.to_fp8(torch.nn.Linear(16, 16))
    with pytest.raises(StageError, match=r"`quantize: int8_qat` needs torchao: pip install 'domainlm\[lowbit\]'"):
        begin(config_of(tmp_path, recipe=RECIPE.model_copy(update={"quantize": "int8_qat"})), alone)
    with pytest.raises(StageError, match=r"`--dtype fp8` needs torchao"):
        quantize.weight_only("fp8")


@needs_torchao
@pytest.mark.slow
def test_8_bit_adam_learns_as_adam_does_and_resumes_bit_for_bit(alone: Place, config_of: ConfigOf, tmp_path: Path):
    usual = {"architecture": WIDE, "num_steps": 20}
    small = usual | {"recipe": RECIPE.model_copy(update={"optimizer": "adamw8bit"})}
    loop.train(config_of(tmp_path / "fp32", **usual), alone, [])
    loop.train(config_of(tmp_path / "small", **small), alone, [])
    told: list[int] = []
    progress.listen(lambda heard: told.append(15) if heard.done == 7 else None)
    try:
        assert not loop.train(config_of(tmp_path / "cut", **small), alone, told)
    finally:
        progress.listen(lambda _: None)
    assert loop.train(config_of(tmp_path / "cut", **small), alone, [])
    fp32, eight = (metrics.read(tmp_path / name / metrics.METRICS_NAME) for name in ("fp32", "small"))
    assert [line.loss for line in eight] == pytest.approx([line.loss for line in fp32], rel=2e-2)
    assert [line.loss for line in eight] != [line.loss for line in fp32]
    for name in (metrics.METRICS_NAME, "model/model.safetensors"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "small" / name).read_bytes()


@needs_torchao
def test_what_was_trained_for_int8_is_to_the_bit_what_int8_stores(alone: Place, config_of: ConfigOf, tmp_path: Path):
    from torchao.quantization import quantize_

    usual = {"architecture": WIDE, "num_steps": 12}
    aware = usual | {"recipe": RECIPE.model_copy(update={"quantize": "int8_qat"})}
    loop.train(config_of(tmp_path / "fp32", **usual), alone, [])
    loop.train(config_of(tmp_path / "aware", **aware), alone, [])
    fp32, int8 = (metrics.read(tmp_path / name / metrics.METRICS_NAME) for name in ("fp32", "aware"))
    assert [line.loss for line in int8] == pytest.approx([line.loss for line in fp32], rel=2e-2)
    assert [line.loss for line in int8] != [line.loss for line in fp32]
    folder, tokens = tmp_path / "aware" / "model", torch.arange(12)[None]
    trained, stored, plain = (AutoModelForCausalLM.from_pretrained(folder) for _ in range(3))
    quantize.make_aware(trained)
    names = quantize.linear_names(stored)
    assert len(names) == 7 * WIDE.num_layers
    quantize_(stored, quantize.weight_only("int8"), filter_fn=lambda _, name: name in names)
    with torch.no_grad():
        logits = [model(tokens).logits for model in (trained, stored, plain)]
    # Sums of products are taken in another order; the weights are the same.
    torch.testing.assert_close(logits[0], logits[1], rtol=0, atol=1e-5)
    assert (logits[0] - logits[2]).abs().max() > 1e-4
    for name in names:
        rounded = trained.get_submodule(name)
        ours = rounded.weight_fake_quantizer(rounded.weight)
        assert torch.equal(ours, stored.get_submodule(name).weight.dequantize()), name


@needs_torchao
def test_fp8_takes_every_linear_layer_but_the_output():
    made, prepare = models.from_architecture(WIDE, vocab_size=64, end_token_id=0, seed=1)
    lowbit.to_fp8(made)
    kinds = {name: type(module).__name__ for name, module in made.named_modules() if hasattr(module, "in_features")}
    assert kinds.pop("lm_head") == "Linear"
    assert set(kinds.values()) == {"Float8Linear"}
    prepare(made, "")
    assert not any(parameter.is_meta for parameter in made.parameters())
