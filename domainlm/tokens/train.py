"""A tokenizer from a spec: learnt from the corpus, a base's, or that with more tokens; the same bytes every time."""

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
from domainlm.tokens import pretrained, transfer
from domainlm.tokens.chunks import Each, in_turn
from domainlm.tokens.extend import Left, extend
from domainlm.tokens.fertility import by_domain
from domainlm.tokens.learn import feed, learn
from domainlm.tokens.sample import DomainSample, available_bytes, byte_targets, choose, texts
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

    `revision` is the commit that one from outside on the hub is locked to, or None where it is not; `each` runs the
    chunks of `unigram_in_chunks`, on which no byte depends.
    Raises DataError where the vocabulary comes out smaller than asked, or one from outside cannot be used.
    """
    out = folder / FOLDER
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    if spec.pretrained is not None:
        end_token, learnt = pretrained.take(spec.pretrained, out, root, revision), {"sample_bytes": {}}
    elif spec.extend is not None:
        end_token, learnt = _extend(spec, corpus, folder, root=root, revision=revision, seed=seed)
    else:
        end_token, learnt = spec.special_tokens[0], _learn(spec, corpus, folder, seed=seed, each=each)
        if spec.replaces is not None:
            _replace(spec.replaces, folder, end_token, root=root, revision=revision)
    tokenizer = load_folder(out)
    facts = {
        "vocab_size": vocab_size(tokenizer),
        "end_token": end_token,
        "end_token_id": tokenizer.token_to_id(end_token),
        **learnt,
        "fertility": by_domain(tokenizer, corpus, seed=seed),
    }
    files = [(path, "tokenizer") for path in sorted(out.rglob("*")) if path.is_file()]
    if (folder / transfer.FILE_NAME).is_file():
        files.append((folder / transfer.FILE_NAME, transfer.KIND))
    return Made(shards=tuple(shard_of(path, folder, kind) for path, kind in files), facts=facts)


def _extend(
    spec: TokenizerSpec, corpus: Manifest, folder: Path, *, root: Path, revision: str | None, seed: int
) -> tuple[str, dict[str, Any]]:
    """The base's tokenizer with more tokens in `folder`; its end token, and facts."""
    assert spec.extend is not None and spec.new_tokens is not None
    out = folder / FOLDER
    end_token = pretrained.take(spec.extend, out, root, revision)
    base, samples = load_folder(out), _samples(spec, corpus, seed)
    try:
        extended, made_of = extend(
            base, spec.new_tokens, feed(samples), across_words=spec.across_words, left=_left(spec, corpus, seed)
        )
    except DataError as error:
        raise DataError(f"tokenizer {spec.name}, of {spec.extend}: {error}") from error
    pretrained.put(extended, out)
    transfer.save(made_of, folder)
    facts = {"extends": spec.extend, "base_vocab_size": made_of.base_vocab_size, "new_tokens": spec.new_tokens}
    return end_token, facts | {
        "sample_bytes": _sizes(samples),
        "base_fertility": by_domain(base, corpus, seed=seed),
    }


def _left(spec: TokenizerSpec, corpus: Manifest, seed: int) -> list[Left]:
    """Text of the domains of `max_change`."""
    available = available_bytes(corpus, "train")
    found = []
    for domain, most in sorted(spec.max_change.items()):
        if not available.get(domain):
            raise DataError(f"max_change: the corpus has no training text of {domain}")
        target_bytes = min(available[domain], spec.sample_bytes)
        seed_of_domain = seed_for(seed, "tokenizer sample", domain)
        found.append(Left(texts(choose(corpus, "train", domain, target_bytes, seed_of_domain)), most))
    return found


def _replace(outside: str, folder: Path, end_token: str, *, root: Path, revision: str | None) -> None:
    """Write what the tokenizer in `folder` is made of in tokens of the one that it stands in for."""
    from domainlm.tokens.replace import replace

    taken = folder / "base"
    shutil.rmtree(taken, ignore_errors=True)
    base_end = pretrained.take(outside, taken, root, revision)
    base = load_folder(taken)
    shutil.rmtree(taken)
    new = load_folder(folder / FOLDER)
    transfer.save(replace(base, new, base_end=base_end, end=end_token), folder)


def _learn(spec: TokenizerSpec, corpus: Manifest, folder: Path, *, seed: int, each: Each) -> dict[str, Any]:
    """Save the tokenizer that is learnt, and let go of it: a large one takes 100 MB, and is loaded from its file."""
    samples, chunks, out = _samples(spec, corpus, seed), folder / "chunks", folder / FOLDER
    pa.default_memory_pool().release_unused()  # texts that were only measured
    learned, facts = learn(spec, samples, chunks, each)
    learned.save(str(out / FILE_NAME))
    shutil.rmtree(chunks, ignore_errors=True)
    _write_config(out, spec.special_tokens[0])
    return {"sample_bytes": _sizes(samples), **facts}


def _sizes(samples: Mapping[str, DomainSample]) -> dict[str, int]:
    return {domain: int(sample.kept_bytes_D.sum()) for domain, sample in samples.items()}


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
