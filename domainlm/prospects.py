"""What is known of a run's text before a base model is chosen for it: how much there is, in bytes and in tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from domainlm import pipeline
from domainlm.errors import DataError
from domainlm.plan.models import BYTES_PER_TOKEN
from domainlm.specs.project import Run

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True, kw_only=True, slots=True)
class Prospect:
    """The text that a run's adapted models are to be trained on."""

    num_bytes: int
    """UTF-8 bytes of the largest mix."""
    sequence_tokens: int
    bytes_per_token: Mapping[str, float]
    """On that mix's own held-out text, by model name, where it could be measured."""


def prospect(run: Run, workspace: Path, hubs: Mapping[str, str]) -> Prospect:
    """The text of the largest mix of `run`, and its fertility for `hubs` (model name to `OWNER/MODEL`).

    Fertility is measured where the run's corpus is built and the model's tokenizer is in the local cache; nothing is
    downloaded.
    """
    trained = [model for model in run.spec.models.values() if model.mix is not None and model.recipe is not None]
    largest = max(trained, key=lambda model: run.mixes[str(model.mix)].budget_tokens)
    mix, recipe = run.mixes[str(largest.mix)], run.spec.recipes[str(largest.recipe)]
    try:
        finished = pipeline.done(run, workspace)
    except DataError:  # what is not locked, or not there yet, is not built either
        finished = {}
    own = BYTES_PER_TOKEN
    if "tokenizer" in finished:
        fertility = finished["tokenizer"].facts["fertility"]
        own = _mean({domain: of["bytes_per_token"] for domain, of in fertility.items()}, mix.token_ratio) or own
    measured: dict[str, float] = {}
    if "corpus" in finished:
        from domainlm.tokens.fertility import by_domain

        for name, tokenizer in _cached(hubs).items():
            found = by_domain(tokenizer, finished["corpus"], seed=run.spec.seed)
            mean = _mean({domain: of["bytes_per_token"] for domain, of in found.items()}, mix.token_ratio)
            if mean is not None:
                measured[name] = mean
    return Prospect(
        num_bytes=round(mix.budget_tokens * own), sequence_tokens=recipe.sequence_tokens, bytes_per_token=measured
    )


def _mean(bytes_per_token: Mapping[str, float], token_ratio: Mapping[str, float]) -> float | None:
    """Bytes of a token of the mix; None where a domain's is not known.

    >>> _mean({"law": 5.0, "general": 4.0}, {"law": 0.5, "general": 0.5}), _mean({"law": 5.0}, {"general": 1.0})
    (4.5, None)
    """
    if any(not bytes_per_token.get(domain) for domain, share in token_ratio.items() if share):
        return None
    return sum(share * bytes_per_token[domain] for domain, share in token_ratio.items() if share)


def _cached(hubs: Mapping[str, str]) -> dict[str, Tokenizer]:
    """Tokenizers that the local cache holds, by model name."""
    from huggingface_hub import try_to_load_from_cache
    from tokenizers import Tokenizer

    found = {name: try_to_load_from_cache(hub, "tokenizer.json") for name, hub in hubs.items()}
    return {name: Tokenizer.from_file(path) for name, path in found.items() if isinstance(path, str)}
