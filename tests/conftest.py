"""Small finished stages for tests: made by hand, in the very format that the stages write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domainlm import manifest
from domainlm.manifest import Made, Manifest, Request, shard_of

CorpusOf = Callable[[Mapping[tuple[str, str, str], Sequence[str]]], Manifest]


def request_for(stage: str, name: str = "test", **spec: object) -> Request:
    return Request(stage=stage, name=name, spec=spec, seed=0, code="code", libraries={}, inputs={})


@pytest.fixture
def corpus_of(tmp_path: Path) -> CorpusOf:
    """A function from {(domain, source, split): texts} to the manifest of a finished corpus."""

    def build(texts: Mapping[tuple[str, str, str], Sequence[str]]) -> Manifest:
        def do(folder: Path) -> Made:
            shards = []
            for (domain, source, split), documents in texts.items():
                path = folder / "text" / domain / source / f"{split}-00000.parquet"
                path.parent.mkdir(parents=True, exist_ok=True)
                ids = [f"{domain}/{source}/{split}/{i}" for i in range(len(documents))]
                pq.write_table(pa.table({"id": ids, "text": pa.array(documents, pa.large_string())}), path)
                num_bytes = sum(len(text.encode()) for text in documents)
                fields = {"domain": domain, "source": source, "split": split}
                shards.append(shard_of(path, folder, "text", num_docs=len(documents), text_bytes=num_bytes, **fields))
            return Made(shards=tuple(shards))

        asked = {"/".join(place): list(documents) for place, documents in texts.items()}
        return manifest.make(request_for("corpus", **asked), tmp_path / "workspace", do)

    return build
