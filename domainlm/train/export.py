"""The trained model as a Hugging Face folder that reloads to the identical logits; whole or not there."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch.distributed as dist
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from transformers import PreTrainedModel

from domainlm.manifest import Manifest
from domainlm.train import card
from domainlm.train import model as models

FOLDER = "model"


def export(
    model: PreTrainedModel, folder: Path, work: Path, *, tokenizer: Manifest, end_token_id: int, card_text: str
) -> None:
    """Gather the sharded `model` on rank 0 and save it as `folder/model`, in fp32; every rank calls it.

    It is made in `work` and moved when whole.
    """
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    weights = get_model_state_dict(model, options=options)
    if dist.get_rank() == 0:
        making = work / FOLDER
        shutil.rmtree(making, ignore_errors=True)
        models.save(model, weights, making, end_token_id=end_token_id)
        for shard in tokenizer.files("tokenizer"):
            shutil.copyfile(tokenizer.path(shard), making / Path(shard.path).name)
        (making / card.FILE_NAME).write_text(card_text, encoding="utf-8")
        shutil.rmtree(folder / FOLDER, ignore_errors=True)
        making.replace(folder / FOLDER)
    dist.barrier()
