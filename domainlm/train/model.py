"""The one door to `transformers`: a model's weights are the same on any number of ranks, made or loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig, PretrainedConfig, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from domainlm.digest import seed_for
from domainlm.errors import StageError
from domainlm.specs.run import ArchitectureSpec

if TYPE_CHECKING:
    from domainlm.specs.project import Run

ATTENTION = "sdpa"
"""With `position_ids`, `use_cache=False` and no mask, transformers keeps it inside the documents (to 5e-7)."""

Prepare = Callable[[nn.Module, str], None]
"""Gives a part of the model, by its name there, the fp32 weights to train; parts that have theirs are left alone."""


class Learner(nn.Module):
    """What is sharded as the root: its forward ends in the loss, while all that the loss needs is still gathered."""

    def __init__(self, model: nn.Module, loss_sum: Callable[[nn.Module, Any], Tensor]):
        super().__init__()
        self.model = model
        self.loss_sum = loss_sum

    def forward(self, inputs: Any) -> Tensor:
        return self.loss_sum(self.model, inputs)


def from_architecture(
    architecture: ArchitectureSpec, *, vocab_size: int, end_token_id: int, seed: int
) -> tuple[PreTrainedModel, Prepare]:
    """A model without weights, and what gives a part of it its first ones: parts can be sharded one by one."""
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=architecture.hidden_size,
        intermediate_size=architecture.intermediate_size,
        num_hidden_layers=architecture.num_layers,
        num_attention_heads=architecture.num_heads,
        num_key_value_heads=architecture.num_kv_heads,
        max_position_embeddings=architecture.max_position,
        tie_word_embeddings=architecture.tie_embeddings,
        bos_token_id=end_token_id,
        eos_token_id=end_token_id,
        dtype=torch.float32,
    )
    model = _without_weights(config)
    return model, lambda part, name: _initialise(model, part, name, seed)


def _without_weights(config: PretrainedConfig) -> PreTrainedModel:
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config, attn_implementation=ATTENTION, trust_remote_code=False)


def _initialise(model: PreTrainedModel, part: nn.Module, name: str, seed: int) -> None:
    """First weights by the model's own rule, seeded by the module's name: ranks and order change nothing.

    Children come first, since GPT-2, for one, scales its children's weights from the parent. Buffers such as
    `inv_freq`, which `to_empty` leaves as garbage, are set by the same rule.
    """
    for child_name, child in part.named_children():
        if any(tensor.is_meta for tensor in (*child.parameters(), *child.buffers())):
            _initialise(model, child, f"{name}.{child_name}" if name else child_name, seed)
    part.to_empty(device="cpu", recurse=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "weights", name))
        model._init_weights(part)


def from_checkpoint(folder: Path, *, vocab_size: int, sequence_tokens: int) -> tuple[PreTrainedModel, Prepare]:
    """The model in `folder`, and what widens a part of it to fp32: a rank never holds more than one part in fp32.

    Raises StageError where the run's tokenizer or rows do not fit the model.
    """
    disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype="auto", attn_implementation=ATTENTION, use_safetensors=True, trust_remote_code=False
    )
    num_embeddings = model.get_input_embeddings().num_embeddings
    if num_embeddings < vocab_size:
        raise StageError(
            f"{folder} has {num_embeddings:,} embeddings, but the run's tokenizer has {vocab_size:,} tokens: "
            "make `tokenizer` of the run the model's own"
        )
    longest = getattr(model.config, "max_position_embeddings", None)
    if longest is not None and sequence_tokens > longest:
        raise StageError(
            f"{folder} takes {longest:,} tokens at most: lower `sequence_tokens` {sequence_tokens:,} to it"
        )
    model.config.dtype = torch.float32
    model.train()
    return model, lambda part, _name: _widen(part)


def _widen(part: nn.Module) -> None:
    for parameter in part.parameters():
        if parameter.dtype != torch.float32:
            parameter.data = parameter.data.float()


def parts(learner: Learner, model: PreTrainedModel, prepare: Prepare) -> Iterator[nn.Module]:
    """The model's layers and then the learner, each made ready just before it is handed out to be sharded."""
    for name, layer in layers(model):
        prepare(layer, name)
        yield layer
    prepare(model, "")
    model.tie_weights()
    yield learner


def layers(model: PreTrainedModel) -> list[tuple[str, nn.Module]]:
    """The model's transformer blocks with their names, in order."""
    kinds = set(model._no_split_modules or ())
    found = [(name, module) for name, module in model.named_modules() if type(module).__name__ in kinds]
    if not found:
        raise StageError(f"{type(model).__name__} does not say which of its modules are its layers")
    return found


def save(model: PreTrainedModel, weights: Mapping[str, Any], folder: Path, *, end_token_id: int) -> None:
    """Write `weights`, gathered from the sharded `model`, as safetensors with configs into `folder`."""
    disable_progress_bar()
    blueprint = _without_weights(model.config)
    blueprint.generation_config = GenerationConfig(
        bos_token_id=end_token_id, eos_token_id=end_token_id, pad_token_id=end_token_id
    )
    blueprint.save_pretrained(folder, state_dict=dict(weights))


def download(start: str, run: Run) -> Path:
    """The folder of `hf:OWNER/MODEL` at the revision that the run's lock names; weights as safetensors only.

    Raises StageError where no lock names one, or where the hub cannot be reached and the model is not in the cache.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    from domainlm.specs.lock import revision_of

    revision = revision_of(run, start)
    if revision is None:
        raise StageError(f"{start}: its revision is not locked; run `domainlm lock` on the run's spec first")
    wanted = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.model"]
    try:
        return Path(snapshot_download(start.removeprefix("hf:"), revision=revision, allow_patterns=wanted))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise StageError(f"{start} cannot be downloaded: {error}") from error
