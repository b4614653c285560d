"""The one door to `transformers`: a model's weights are the same on any number of ranks, made or loaded."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    GenerationConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils.logging import disable_progress_bar

from domainlm.digest import seed_for
from domainlm.errors import StageError
from domainlm.specs.architecture import FAMILIES, ArchitectureSpec, hub_config, objective_of
from domainlm.train import attention, loss, packed
from domainlm.train.packed import Inputs

if TYPE_CHECKING:
    from domainlm.specs.project import Run

LOADERS = {
    "causal": AutoModelForCausalLM,
    "masked": AutoModelForMaskedLM,
    "span_corruption": AutoModelForSeq2SeqLM,
}

Prepare = Callable[[nn.Module, str], None]
"""Gives a part of the model, by its name there, the fp32 weights to train; parts that have theirs are left alone."""


class Learner(nn.Module):
    """What is sharded as the root: its forward ends in the loss, while all that the loss needs is still gathered."""

    def __init__(self, model: nn.Module, logits: Callable[[nn.Module, Inputs], Tensor]):
        super().__init__()
        self.model = model
        self.logits = logits

    def forward(self, inputs: Inputs) -> Tensor:
        """Cross-entropy summed over the labels, in nats; a scalar in fp32."""
        model: Any = self.model
        output = model.get_output_embeddings()
        with loss.passed_through(output):
            hidden_ND = self.logits(model, inputs).flatten(0, 1)
        label_N = inputs["label_BT"].flatten()
        # Where there is something to predict: found before, on the host, a GPU need not be waited for.
        place_N = inputs["place_N"] if "place_N" in inputs else packed.predicted(label_N)
        return loss.linear_cross_entropy(hidden_ND[place_N], output.weight, output.bias, label_N[place_N])


def from_architecture(
    architecture: ArchitectureSpec, *, vocab_size: int, end_token_id: int, seed: int
) -> tuple[PreTrainedModel, Prepare]:
    """A model without weights, and what gives a part of it its first ones: parts can be sharded one by one."""
    config = AutoConfig.for_model(**hub_config(architecture, vocab_size=vocab_size, end_token_id=end_token_id))
    config.dtype = torch.float32
    model = _ready(without_weights(config))

    def prepare(part: nn.Module, name: str) -> None:
        _initialise(model, part, name, seed)
        if part is model:
            model.tie_weights()

    return model, prepare


def without_weights(config: PretrainedConfig) -> PreTrainedModel:
    """The model of a config, on the meta device."""
    with torch.device("meta"):
        return LOADERS[objective_of(config.model_type)].from_config(
            config, attn_implementation=_attention(config), trust_remote_code=False
        )


def _attention(config: PretrainedConfig) -> str:
    """transformers has BLOOM's attention only as it was first written: all scores are kept for the backward pass."""
    return "eager" if config.model_type == "bloom" else attention.NAME


def _ready(model: PreTrainedModel) -> PreTrainedModel:
    """The model as it is trained: without dropout, all tokens learning, documents apart.

    One pass over a corpus overfits nothing, and without dropout losses are the same on any number of ranks. What
    models call their padding is a token like others here.
    """
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            module.padding_idx = None
    if model.config.model_type == "t5":
        # Its blocks hand on the bias of relative positions as they got it, and none changes it in place.
        warnings.filterwarnings("ignore", message=r"FSDP2-wrapped module \(\w*T5Block\) returned a view tensor")
    if model.config.model_type == "bloom":
        decoder: Any = model.transformer
        decoder.build_alibi_tensor = _by_document(decoder.build_alibi_tensor)
    return model.eval()


def _by_document(build_alibi: Callable[[Tensor, int, torch.dtype], Tensor]) -> Callable[..., Tensor]:
    """BLOOM's own bias, but for the masks that say where documents are."""

    def build(mask: Tensor, num_heads: int, dtype: torch.dtype) -> Tensor:
        if mask.ndim == 2:
            return build_alibi(mask, num_heads, dtype)
        return packed.alibi(build_alibi(torch.ones(1, mask.shape[-1], device=mask.device), num_heads, dtype), mask)

    return build


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


def from_checkpoint(
    folder: Path,
    *,
    objective: str,
    vocab_size: int,
    sequence_tokens: int,
    renew: Callable[[PreTrainedModel], object] | None = None,
) -> tuple[PreTrainedModel, Prepare]:
    """The model in `folder`, and what widens a part of it to fp32: a rank never holds more than one part in fp32.

    `renew` gives it the embeddings of another vocabulary.

    Raises StageError where the objective, the run's tokenizer or its rows do not fit the model.
    """
    disable_progress_bar()
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    kind = config.model_type
    if kind not in FAMILIES or objective_of(kind) != objective:
        of = f"is trained by `objective: {objective_of(kind)}`" if kind in FAMILIES else "was not tested on packed rows"
        known = ", ".join(sorted(family for family in FAMILIES if objective_of(family) == objective))
        raise StageError(f"{folder} is a {kind}, which {of}; `objective: {objective}` is for {known}")
    model = LOADERS[objective].from_pretrained(
        folder, dtype="auto", attn_implementation=_attention(config), use_safetensors=True, trust_remote_code=False
    )
    if renew is not None:
        renew(model)
    num_embeddings = model.get_input_embeddings().num_embeddings
    if num_embeddings < vocab_size:
        raise StageError(
            f"{folder} has {num_embeddings:,} embeddings, but the run's tokenizer has {vocab_size:,} tokens: "
            "make `tokenizer` of the run the model's own"
        )
    longest = max_position(config)
    if longest is not None and sequence_tokens > longest:
        raise StageError(
            f"{folder} takes {longest:,} tokens at most: lower `sequence_tokens` {sequence_tokens:,} to it"
        )
    model.config.dtype = torch.float32
    return _ready(model), lambda part, _name: _widen(part)


def max_position(config: PretrainedConfig) -> int | None:
    """Longest row that a model takes, in tokens; None where nothing says so, as with T5 and BLOOM."""
    longest = getattr(config, "max_position_embeddings", None)
    if longest is not None and config.model_type == "roberta":
        return longest - config.pad_token_id - 1
    return None if config.model_type in ("bloom", "t5") else longest


def _widen(part: nn.Module) -> None:
    for parameter in part.parameters():
        if parameter.dtype != torch.float32:
            parameter.data = parameter.data.float()


def special_ids(folder: Path, names: Sequence[str]) -> tuple[tuple[int, ...], PreTrainedTokenizerBase | None]:
    """Ids of the tokens that an objective needs, and the tokenizer in `folder` with those that it lacked.

    A tokenizer that has a mask keeps it, whatever it calls it.
    """
    if not names:
        return (), None
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    if tokenizer is None:
        raise StageError(f"no tokenizer in {folder}")
    if names == ("<mask>",):
        if tokenizer.mask_token is None:
            tokenizer.add_special_tokens({"mask_token": "<mask>"})
        return (tokenizer.mask_token_id,), tokenizer
    tokenizer.add_tokens(list(names), special_tokens=True)
    return tuple(tokenizer.get_vocab()[name] for name in names), tokenizer


def parts(learner: Learner, model: PreTrainedModel, prepare: Prepare) -> Iterator[nn.Module]:
    """The model's layers and then the learner, each made ready just before it is handed out to be sharded."""
    for name, layer in layers(model):
        prepare(layer, name)
        yield layer
    prepare(model, "")
    yield learner


def layers(model: PreTrainedModel) -> list[tuple[str, nn.Module]]:
    """The model's transformer blocks with their names, in order: of a T5 the encoder's and then the decoder's."""
    kinds = set(model._no_split_modules or ())
    found = [(name, module) for name, module in model.named_modules() if type(module).__name__ in kinds]
    # Blocks are numbered; BERT names its embeddings among what is not to be split.
    found = [(name, module) for name, module in found if name.rpartition(".")[2].isdigit()]
    if not found:
        raise StageError(f"{type(model).__name__} does not say which of its modules are its layers")
    return found


def save(model: PreTrainedModel, weights: Mapping[str, Any], folder: Path, *, end_token_id: int) -> None:
    """Write `weights`, gathered from the sharded `model`, as safetensors with configs into `folder`."""
    disable_progress_bar()
    blueprint = without_weights(model.config)
    if blueprint.can_generate():
        ends = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), end_token_id)
        if model.config.is_encoder_decoder:
            ends = {name: getattr(model.config, name) for name in ("decoder_start_token_id", "pad_token_id")}
            ends["eos_token_id"] = end_token_id
        blueprint.generation_config = GenerationConfig(**ends)
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
