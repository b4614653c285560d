"""A tokenizer from a spec: learnt from the corpus, or a base model's taken as it is; the same bytes every time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from domainlm.digest import seed_for
from domainlm.errors import DataError
from domainlm.manifest import Made, Manifest, shard_of
from domainlm.progress import tell
from domainlm.specs.tokenizer import TokenizerSpec
from domainlm.specs.uri import expanded
from domainlm.tokens.fertility import by_domain
from domainlm.tokens.sample import DomainSample, available_bytes, byte_targets, choose, texts
from domainlm.tokens.tokenizer import FILE_NAME, FOLDER, load_folder, vocab_size

_NUM_BYTES = 256
_NO_LIMIT = 10**30
"""transformers' word for a tokenizer that sets no limit of its own; a model's export writes the model's."""


def train(
    spec: TokenizerSpec, corpus: Manifest, folder: Path, *, seed: int, root: Path, revision: str | None = None
) -> Made:
    """The spec's tokenizer as a folder that `AutoTokenizer.from_pretrained` loads, with its fertility on held-out text.

    `revision` is the commit that a pretrained one on the hub is locked to, or None where it is not.
    Raises DataError where the vocabulary comes out smaller than asked, or a pretrained one cannot be used.
    """
    out = folder / FOLDER
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    sampled: dict[str, int] = {}
    if spec.pretrained is not None:
        end_token = _take(spec.pretrained, out, root, revision)
    else:
        samples = _samples(spec, corpus, seed)
        sampled = {domain: int(sample.kept_bytes_D.sum()) for domain, sample in samples.items()}
        learn_bpe(spec, samples).save(str(out / FILE_NAME))
        end_token = spec.special_tokens[0]
        _write_config(out, end_token)
    tokenizer = load_folder(out)
    facts = {
        "vocab_size": vocab_size(tokenizer),
        "end_token": end_token,
        "end_token_id": tokenizer.token_to_id(end_token),
        "sample_bytes": sampled,
        "fertility": by_domain(tokenizer, corpus, seed=seed),
    }
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return Made(shards=tuple(shard_of(path, folder, "tokenizer") for path in files), facts=facts)


def learn_bpe(spec: TokenizerSpec, samples: Mapping[str, DomainSample]) -> Tokenizer:
    """Byte-level byte-pair encoding learnt from the samples: any text comes back from its tokens, byte for byte.

    Source: Sennrich et al., arXiv:1508.07909; bytes and the split into words as in GPT-2.
    """
    assert spec.vocab_size is not None
    num_fixed = _NUM_BYTES + len(spec.special_tokens)
    if spec.vocab_size < num_fixed:
        raise DataError(
            f"tokenizer {spec.name}: vocab_size {spec.vocab_size:,} is less than {_NUM_BYTES} bytes + "
            f"{len(spec.special_tokens)} special tokens.\nRaise `vocab_size` to {num_fixed} or more."
        )
    words = pre_tokenizers.ByteLevel(add_prefix_space=False)
    digits = [pre_tokenizers.Digits(individual_digits=True)] if spec.split_digits else []
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*digits, words])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=spec.vocab_size,
        min_frequency=2,
        special_tokens=list(spec.special_tokens),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_feed(samples), trainer)
    found = tokenizer.get_vocab_size()
    if found < spec.vocab_size:
        num_bytes = sum(int(sample.kept_bytes_D.sum()) for sample in samples.values())
        raise DataError(
            f"tokenizer {spec.name}: {spec.vocab_size:,} tokens asked, but {found:,} found: {_NUM_BYTES} bytes + "
            f"{len(spec.special_tokens)} special + {found - num_fixed:,} merges, and in {num_bytes:,} bytes of sample "
            f"no two pieces are left that stand together twice.\n"
            f"Lower `vocab_size` to {found}, or give it more text: sources, `sample_bytes` or another `byte_ratio`."
        )
    return tokenizer


def _samples(spec: TokenizerSpec, corpus: Manifest, seed: int) -> dict[str, DomainSample]:
    targets = byte_targets(available_bytes(corpus, "train"), spec.byte_ratio, spec.sample_bytes)
    return {
        domain: choose(corpus, "train", domain, target_bytes, seed_for(seed, "tokenizer sample", domain))
        for domain, target_bytes in sorted(targets.items())
    }


def _feed(samples: Mapping[str, DomainSample]) -> Iterator[list[str]]:
    total = sum(int(sample.kept_bytes_D.sum()) for sample in samples.values())
    done = 0
    for sample in samples.values():
        for batch in texts(sample):
            yield batch
            done += sum(len(text.encode()) for text in batch)
            tell("tokenizer: read sample", done, total, "bytes")
    tell("tokenizer: learn merges", 0, None, "merges")


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
