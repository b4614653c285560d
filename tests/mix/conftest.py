"""Token shards made by hand, in the format that the tokens stage writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from domainlm import manifest
from domainlm.manifest import Made, Manifest, Request, shard_of
from domainlm.mix.budget import build
from domainlm.specs.mix import MixSpec
from domainlm.tokens.shards import ShardWriter, ends_path

TokensOf = Callable[[Mapping[str, Sequence[int]]], Manifest]
MixOf = Callable[..., Manifest]


def request_for(stage: str, **spec: object) -> Request:
    return Request(stage=stage, name="test", spec=spec, seed=0, code="", libraries={}, inputs={})


@pytest.fixture
def tokens_of(tmp_path: Path) -> TokensOf:
    """A function from {"domain/source": tokens of each document} to token shards.

    A source's tokens count up from 1000 times its place among the sources, so that each says where it is from.
    """

    def make(sources: Mapping[str, Sequence[int]]) -> Manifest:
        def do(folder: Path) -> Made:
            shards = []
            for place, (name, doc_tokens) in enumerate(sources.items()):
                path = folder / "tokens" / name / "train-00000.bin"
                with ShardWriter(path, folder / "work", np.dtype("<u2")) as writer:
                    writer.write(np.arange(sum(doc_tokens)) + 1000 * place, np.array(doc_tokens))
                domain, _, source = name.partition("/")
                for file, kind in ((path, "tokens"), (ends_path(path), "ends")):
                    fields = {"domain": domain, "source": source, "split": "train"}
                    figures = {"num_docs": len(doc_tokens), "num_tokens": sum(doc_tokens)}
                    shards.append(shard_of(file, folder, kind, **fields, **figures))
            return Made(shards=tuple(shards), facts={"dtype": "uint16", "vocab_size": 9999, "end_token_id": 0})

        request = request_for("tokens", **{name: list(counts) for name, counts in sources.items()})
        return manifest.make(request, tmp_path, do)

    return make


@pytest.fixture
def mix_of(tmp_path: Path) -> MixOf:
    """A function from a mix spec and token shards to the finished mix."""

    def make(spec: MixSpec, tokens: Manifest, *, sequence_tokens: int = 4, batch_rows: int = 8, seed: int = 0):
        figures = {"sequence_tokens": sequence_tokens, "batch_rows": batch_rows, "seed": seed}
        request = request_for("mix", spec=spec.model_dump(mode="json"), tokens=tokens.digest(), **figures)
        return manifest.make(request, tmp_path, lambda folder: build(spec, tokens, folder, **figures))

    return make
