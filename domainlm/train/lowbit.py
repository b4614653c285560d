"""The one door to `torchao`, which is optional: moments of 8 bits, and products of 8 bits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer
from transformers import PreTrainedModel

from domainlm.errors import StageError


def missing(what: str) -> StageError:
    """What is said where `what` needs torchao, and that is not there."""
    return StageError(f"{what} needs torchao: pip install 'domainlm[lowbit]'")


def adamw(groups: list[dict[str, Any]], betas: tuple[float, float]) -> Optimizer:
    """AdamW with moments in a byte each, scaled in blocks of 256 (arXiv:2110.02861); small tensors stay in fp32."""
    try:
        from torchao.optim import AdamW8bit  # pyrefly: ignore[missing-import]
    except ImportError as error:
        raise missing("`optimizer: adamw8bit`") from error
    made = AdamW8bit(groups, lr=0.0, betas=betas)
    for parameter in (p for group in made.param_groups for p in group["params"]):
        moments = {name: made._new_buffer(parameter, signed=name == "exp_avg") for name in ("exp_avg", "exp_avg_sq")}
        made.state[parameter] = {"step": torch.zeros(()), **moments}
    return made


def is_8bit(tensor: Tensor) -> bool:
    """Whether a tensor is a moment of 8 bits."""
    return hasattr(_local(tensor), "qmap")


def _local(tensor: Tensor) -> Any:
    """This rank's part."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def as_floats(moment: Tensor) -> dict[str, Tensor]:
    """The values of a moment in fp32, and each one's scale: any number of ranks can share them out anew."""
    local = _local(moment)
    scales = local.scale[:, None].expand(-1, local.block_size).reshape(local.shape)
    floats = {"values": local.dequantize().float(), "scales": scales}
    if not isinstance(moment, DTensor):
        return floats
    how = {"run_check": False, "shape": moment.shape, "stride": moment.stride()}
    return {
        name: DTensor.from_local(tensor, moment.device_mesh, moment.placements, **how)
        for name, tensor in floats.items()
    }


def from_floats(moment: Tensor, values: Tensor, scales: Tensor) -> None:
    """Give a moment its values: those that it had, to the bit, where the blocks are the same; else rounded anew."""
    from torchao.optim.quant_utils import quantize_8bit_with_qmap  # pyrefly: ignore[missing-import]

    local, values = _local(moment), _local(values)
    blocks = _local(scales).reshape(-1, local.block_size)
    if bool((blocks == blocks[:, :1]).all()):
        scaled = values.reshape(blocks.shape) / blocks
        local.scale.copy_(blocks[:, 0])
        local.codes.copy_(quantize_8bit_with_qmap(scaled.reshape(local.shape), local.qmap))
    else:
        local.copy_(values)


def to_fp8(model: PreTrainedModel) -> None:
    """Linear layers, but for the output, multiply in 8 bits, scaled by tensor (arXiv:2209.05433)."""
    try:
        from torchao.float8 import convert_to_float8_training  # pyrefly: ignore[missing-import]
    except ImportError as error:
        raise missing("`precision: fp8`") from error
    output = model.get_output_embeddings()

    def fits(module: nn.Module, _name: str) -> bool:
        # Eight-bit products take multiples of 16 only.
        sizes = (getattr(module, "in_features", 1), getattr(module, "out_features", 1))
        return module is not output and not any(size % 16 for size in sizes)

    convert_to_float8_training(model, module_filter_fn=fits)
