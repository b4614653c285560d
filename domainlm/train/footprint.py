"""What a training needs, by the plan's own arithmetic: its FLOPs, and its memory where that ran out."""

from __future__ import annotations

from pathlib import Path

import torch

from domainlm.plan import shape
from domainlm.plan.memory import PRECISIONS, memory, strategy_of, with_8bit_adam
from domainlm.tokens import transfer
from domainlm.train import device
from domainlm.train.config import TrainConfig
from domainlm.train.parallel import Place
from domainlm.train.training import done


def flops_per_token(config: TrainConfig) -> int:
    """FLOPs of a token, forward and backward."""
    return shape.flops_per_token(_shape(config), config.recipe.sequence_tokens)


def _shape(config: TrainConfig) -> shape.Shape:
    if config.architecture is not None:
        return shape.from_architecture(config.architecture, int(done(config.tokens).facts["vocab_size"]))
    found = shape.from_folder(Path(config.start or ""))
    if config.transfer is None:
        return found
    return found.with_vocabulary(transfer.load(Path(config.transfer)).num_rows(found.vocab_size))


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error of torch says that memory ran out, the device's or the host's."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def told(config: TrainConfig, place: Place) -> str:
    """What `domainlm plan` would have said of this training's memory, and what lowers it."""
    recipe, parallel = config.recipe, config.recipe.parallel
    rows_each = recipe.batch_tokens // recipe.sequence_tokens // place.num_ranks
    rows = min(recipe.micro_batch_rows, rows_each)
    precision = PRECISIONS["fp32" if device.precision_for(recipe.precision) == "fp32" else "bf16"]
    needs = memory(
        _shape(config),
        strategy_of(parallel, place.num_ranks),
        precision=with_8bit_adam(precision) if recipe.optimizer == "adamw8bit" else precision,
        rows=rows,
        sequence_tokens=recipe.sequence_tokens,
        checkpointing=recipe.checkpointing,
        micro_batches=-(-rows_each // rows),
        lora_rank=recipe.lora.rank if recipe.lora is not None else None,
        accumulate=parallel.accumulate,
    )
    parts = ("weights", "gradients", "optimizer", "activations", "temporary")
    of = ", ".join(f"{part} {getattr(needs, part) / 1e9:.2f}" for part in parts)
    remedies = [f"`micro_batch_rows: {rows // 2}`"] if rows > 1 else []
    remedies += ["`checkpointing: full`"] if recipe.checkpointing != "full" else []
    remedies += ["`optimizer: adamw8bit`"] if recipe.optimizer == "adamw" and not parallel.offload else []
    remedies += ["`parallel: {offload: true}`"] if not parallel.offload else []
    return (
        f"{config.name} ran out of memory. By the plan each of {place.num_ranks} ranks needs "
        f"{needs.total / 1e9:.2f} GB (in GB: {of}; in the host {needs.host / 1e9:.2f}).\n"
        f"What lowers it, in this order: {', '.join(remedies)}"
    )
