"""Weights in 8 bits, by `torchao`: how they are stored, and training that sees them as they will be stored.

`lowbit` is what training computes in; this is what is exported. Both use one scheme, so that what a model trained for
is, to the bit, what its export holds: symmetric, a scale for each row of a matrix (arXiv:1712.05877, section 3).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from domainlm.errors import StageError
from domainlm.train.lowbit import missing


def weight_only(kind: str) -> Any:
    """torchao's configuration that stores weights as `int8`, or as `fp8` (e4m3), and multiplies in what is around."""
    try:
        from torchao.quantization import (  # pyrefly: ignore[missing-import]
            Float8WeightOnlyConfig,
            Int8WeightOnlyConfig,
        )
    except ImportError as error:
        raise missing(f"`--dtype {kind}`") from error
    return Int8WeightOnlyConfig(version=2) if kind == "int8" else Float8WeightOnlyConfig()


def linear_names(model: PreTrainedModel) -> list[str]:
    """The layers whose weights are stored in 8 bits: all linear ones but the output, which is often the embeddings."""
    output = model.get_output_embeddings()
    named = model.named_modules()
    return [name for name, module in named if isinstance(module, nn.Linear) and module is not output]


def make_aware(model: PreTrainedModel) -> None:
    """Linear layers multiply with weights rounded to int8, and learn as if they were not (straight-through).

    In place; parameters keep their names and their fp32. Raises StageError for a model that has none, such as a GPT-2.
    """
    try:
        from torchao.quantization import quantize_  # pyrefly: ignore[missing-import]
        from torchao.quantization.qat import (  # pyrefly: ignore[missing-import]
            IntxFakeQuantizeConfig,
            QATConfig,
            QATStep,
        )
    except ImportError as error:
        raise missing("`quantize: int8_qat`") from error
    names = set(linear_names(model))
    if not names:
        raise no_linear_layer(model)
    weight = IntxFakeQuantizeConfig(torch.int8, "per_channel", is_symmetric=True)
    quantize_(model, QATConfig(weight_config=weight, step=QATStep.PREPARE), filter_fn=lambda _, name: name in names)


def no_linear_layer(model: PreTrainedModel) -> StageError:
    """What is said of a model whose matrices torchao does not take."""
    kind = model.config.model_type
    return StageError(f"a {kind} keeps its matrices in no linear layers, and torchao stores no others in 8 bits")
