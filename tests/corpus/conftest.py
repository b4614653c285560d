"""Small projects on disk, and the shortest way to build a corpus from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from domainlm import manifest
from domainlm.corpus.benchmark import Benchmark
from domainlm.corpus.build import build
from domainlm.corpus.read import read
from domainlm.manifest import Manifest
from domainlm.specs.corpus import CorpusSpec
from domainlm.specs.domain import DomainSpec
from tests.conftest import request_for

Build = Callable[..., Manifest]


def domain(name: str, uris: Mapping[str, Any], **fields: Any) -> DomainSpec:
    """A domain of sources given as {name: uri, or the source's fields}."""
    sources = tuple(
        {"name": source, "license": "CC0-1.0"} | ({"uri": given} if isinstance(given, str) else given)
        for source, given in uris.items()
    )
    return DomainSpec.model_validate({"name": name, "sources": sources} | fields)


def write_jsonl(path: Path, texts: Sequence[str], **fields: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(orjson.dumps({"text": text} | fields) + b"\n" for text in texts))


@pytest.fixture
def build_corpus(tmp_path: Path) -> Build:
    """A function from domains to the manifest of their corpus; relative URIs are under `tmp_path`."""

    def do(
        *domains: DomainSpec, workers: int = 1, name: str = "test", benchmarks: Sequence[Benchmark] = (), **spec: Any
    ) -> Manifest:
        corpus = CorpusSpec.model_validate({"domains": tuple(d.name for d in domains)} | spec)
        reads = {
            domain.name: manifest.make(
                request_for("read", f"{name}-{domain.name}", domain=domain, corpus=corpus),
                tmp_path / "workspace",
                lambda folder, domain=domain: read(
                    domain, corpus.near_duplicates, folder, root=tmp_path, workers=workers
                ),
            )
            for domain in domains
        }
        request = request_for("corpus", name, corpus=corpus, domains=list(domains))
        return manifest.make(
            request, tmp_path / "workspace", lambda folder: build(corpus, domains, reads, folder, benchmarks)
        )

    return do
