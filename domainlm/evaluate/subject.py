"""A model under evaluation: its folder read once, in fp32, for bits per byte and for lm-eval alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from domainlm.errors import StageError
from domainlm.specs.architecture import objective_of
from domainlm.train import model as models


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A language model with its tokenizer."""

    objective: str
    """By what it was trained; only causal models have likelihoods."""
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    begin_token_id: int
    """What stands before a document: the begin-of-text token, or the end-of-text token where there is none."""
    max_position: int | None
    """Longest input, in tokens; None where the model has no limit."""

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, as the tokens stage makes them: what a text writes is text, never a special token."""
        if not texts:
            return []
        return self.tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True, verbose=False)[
            "input_ids"
        ]


def load(folder: Path, device: str | None = None) -> Subject:
    """The model that `folder` holds, in fp32, on a GPU where there is one; StageError where it can't be loaded."""
    transformers_logging.disable_progress_bar()
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        objective = objective_of(config.model_type)
        model = models.LOADERS[objective].from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False, local_files_only=True
        )
    except (OSError, ValueError, KeyError) as error:
        raise StageError(f"no language model can be loaded from {folder}: {error}") from error
    if tokenizer is None:
        raise StageError(f"no tokenizer in {folder}")
    begin_token_id = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    if begin_token_id is None and objective == "causal":
        raise StageError(f"the tokenizer in {folder} has neither a begin-of-text nor an end-of-text token")
    causal = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    max_position = causal if objective == "causal" else models.max_position(model.config)
    return Subject(
        objective=objective,
        model=model.to(device).eval(),
        tokenizer=tokenizer,
        begin_token_id=begin_token_id,
        max_position=max_position,
    )
