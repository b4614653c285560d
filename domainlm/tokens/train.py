"""A tokenizer from a spec: learnt from the corpus, or a base model's taken as it is; the same bytes every time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from domainlm.digest import seed_for
from domainlm.errors import DataError
from domainlm.manifest import Made, Manifest, shard_of
from domainlm.specs.tokenizer import TokenizerSpec
from domainlm.specs.uri import expanded
from domainlm.tokens.chunks import Each, in_turn
from domainlm.tokens.fertility import by_domain
from domainlm.tokens.learn import learn
from domainlm.tokens.sample import DomainSample, available_bytes, byte_targets, choose
from domainlm.tokens.tokenizer import FILE_NAME, FOLDER, load_folder, vocab_size

_NO_LIMIT = 10**30
"""transformers' word for a tokenizer that sets no limit of its own; a model's export writes the model's."""


def train(
    spec: TokenizerSpec,
    corpus: Manifest,
    folder: Path,
    *,
    seed: int,
    root: Path,
    revision: str | None = None,
    each: Each = in_turn,
) -> Made:
    """The spec's tokenizer as a folder that `AutoTokenizer.from_pretrained` loads, with its fertility on held-out text.

    `revision` is the commit that a pretrained one on the hub is locked to, or None where it is not; `each` runs the
    chunks of `unigram_in_chunks`, on which no byte depends.
    Raises DataError where the vocabulary comes out smaller than asked, or a pretrained one cannot be used.
    """
    out = folder / FOLDER
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    sampled: dict[str, int] = {}
    learned_facts: dict[str, Any] = {}
    if spec.pretrained is not None:
        end_token = _take(spec.pretrained, out, root, revision)
    else:
        samples = _samples(spec, corpus, seed)
        sampled = {domain: int(sample.kept_bytes_D.sum()) for domain, sample in samples.items()}
        learned_facts = _learn(spec, samples, folder / "chunks", out, each)
        shutil.rmtree(folder / "chunks", ignore_errors=True)
        end_token = spec.special_tokens[0]
        _write_config(out, end_token)
    tokenizer = load_folder(out)
    facts = {
        "vocab_size": vocab_size(tokenizer),
        "end_token": end_token,
        "end_token_id": tokenizer.token_to_id(end_token),
        "sample_bytes": sampled,
        **learned_facts,
        "fertility": by_domain(tokenizer, corpus, seed=seed),
    }
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return Made(shards=tuple(shard_of(path, folder, "tokenizer") for path in files), facts=facts)


def _learn(
    spec: TokenizerSpec, samples: Mapping[str, DomainSample], chunks: Path, out: Path, each: Each
) -> dict[str, Any]:
    """Save the tokenizer that is learnt, and let go of it: a large one takes 100 MB, and is loaded from its file."""
    pa.default_memory_pool().release_unused()  # texts that were only measured
    learned, facts = learn(spec, samples, chunks, each)
    learned.save(str(out / FILE_NAME))
    return facts


def _samples(spec: TokenizerSpec, corpus: Manifest, seed: int) -> dict[str, DomainSample]:
    targets = byte_targets(available_bytes(corpus, "train"), spec.byte_ratio, spec.sample_bytes)
    return {
        domain: choose(corpus, "train", domain, target_bytes, seed_for(seed, "tokenizer sample", domain))
        for domain, target_bytes in sorted(targets.items())
    }


def _write_config(out: Path, end_token: str) -> None:
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        # The end token also stands before a text that has nothing before it, as between documents in training.
        "bos_token": end_token,
        "eos_token": end_token,
        "pad_token": end_token,
        "model_max_length": _NO_LIMIT,
        "clean_up_tokenization_spaces": False,
        # No text becomes a special token: what is evaluated is encoded as what was trained on.
        "split_special_tokens": True,
    }
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def _take(pretrained: str, out: Path, root: Path, revision: str | None) -> str:
    """Save a pretrained tokenizer to `out`; its end token."""
    from transformers import AutoTokenizer

    on_hub = pretrained.startswith("hf:")
    if on_hub and revision is None:
        raise DataError(f"tokenizer {pretrained}: its revision is not locked; run `domainlm lock` on its spec first")
    place = pretrained.removeprefix("hf:") if on_hub else str(root / expanded(pretrained))
    held = {"revision": revision} if on_hub else {}  # a folder has none
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(place, trust_remote_code=False, **held)
    except (OSError, ValueError) as error:
        raise DataError(f"tokenizer {pretrained}: {error}") from error
    if not tokenizer.is_fast:
        raise DataError(f"tokenizer {pretrained}: it has no `tokenizer.json` and cannot be pinned or run in parallel")
    if tokenizer.eos_token is None:
        raise DataError(f"tokenizer {pretrained}: it has no end token, so documents could not be told apart")
    tokenizer.save_pretrained(out)
    return str(tokenizer.eos_token)
