"""The end of a training: a Hugging Face folder that reloads to the identical logits, and facts; whole or not there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch.distributed as dist
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

from domainlm.manifest import write_atomically
from domainlm.train import average, card, device, footprint
from domainlm.train import model as models
from domainlm.train.config import FACTS_NAME
from domainlm.train.training import Training, done

FOLDER = "model"


def finish(training: Training) -> None:
    """Export the model, then say what it was trained with: `facts.json` means that all is there."""
    config, place = training.config, training.place
    num_parameters = sum(p.numel() for name, p in training.model.named_parameters() if ".lora_" not in name)
    _export(training, card.card(_about(training, num_parameters)))
    if place.rank == 0:
        facts = {
            "num_parameters": num_parameters,
            "num_trained_parameters": sum(p.numel() for p in training.model.parameters() if p.requires_grad),
            "objective": config.recipe.objective,
            "ranks": place.num_ranks,
            "device": place.device.type,
            "precision": training.precision,
            "strategy": config.recipe.parallel.strategy,
            "vocabulary": training.vocabulary,
        }
        write_atomically(Path(config.folder) / FACTS_NAME, json.dumps(facts).encode())


def _about(training: Training, num_parameters: int) -> card.About:
    config, mix = training.config, training.mix
    inputs = {"mix": mix, "tokens": training.tokens, "tokenizer": done(config.tokenizer)}
    return card.About(
        name=config.name,
        base_name=config.base_name,
        recipe=config.recipe,
        mix=mix.facts,
        licenses=config.licenses,
        num_parameters=num_parameters,
        family=training.model.config.model_type,
        flops=float(footprint.flops_per_token(config)) * mix.facts["rows"] * mix.facts["sequence_tokens"],
        precision=training.precision,
        # On how many of them it was trained changes no byte of this folder.
        device=device.kind(),
        seed=config.seed,
        vocabulary=training.vocabulary,
        lineage={stage: made.digest() for stage, made in inputs.items()},
    )


def _export(training: Training, card_text: str) -> None:
    """Gather the model on rank 0 and save it as `model/` of the stage's folder, in fp32; every rank calls it.

    With an average, the average is what is saved; with adapters, they are saved as `adapter/` and merged. Folders are
    made elsewhere and moved when whole.
    """
    config, model = training.config, training.model
    average.give(training.average, training.learner)
    weights = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if dist.get_rank() == 0:
        folder, making = Path(config.folder), Path(config.work) / FOLDER
        shutil.rmtree(making, ignore_errors=True)
        if config.recipe.lora is not None:
            from domainlm.train import lora

            adapter = Path(config.work) / lora.FOLDER
            kind = model.config.model_type
            lora.save(weights, adapter, spec=config.recipe.lora, kind=kind, base=config.base_name or "")
            weights = lora.merged(models.without_weights(model.config), weights, config.recipe.lora)
            _move(adapter, folder / lora.FOLDER)
        # Gathered, tied weights are equal and no longer one.
        names, once = ({name for name, _ in model.named_parameters(remove_duplicate=d)} for d in (False, True))
        weights = {name: tensor for name, tensor in weights.items() if name not in names - once}
        models.save(model, weights, making, end_token_id=training.setting.end_token_id)
        tokenizer = done(config.tokenizer)
        for shard in tokenizer.files("tokenizer"):
            shutil.copyfile(tokenizer.path(shard), making / Path(shard.path).name)
        if training.tokenizer is not None:
            training.tokenizer.save_pretrained(making)
        (making / card.FILE_NAME).write_text(card_text, encoding="utf-8")
        _move(making, folder / FOLDER)
    dist.barrier()


def _move(made: Path, to: Path) -> None:
    shutil.rmtree(to, ignore_errors=True)
    made.replace(to)
