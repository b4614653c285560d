from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from domainlm.evaluate import watch
from domainlm.manifest import Manifest, shard_of


def corpus_of(folder: Path, sources: dict[str, list[str]]) -> Manifest:
    shards = []
    for name, texts in sources.items():
        domain, source = name.split("/")
        path = folder / name / "heldout.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"id": [f"{name}{i}" for i in range(len(texts))], "text": texts}), path)
        shards.append(shard_of(path, folder, "text", domain=domain, source=source, split="heldout"))
    empty = {"spec": None, "seed": 0, "code": "", "libraries": {}, "inputs": {}, "counts": {}, "facts": {}}
    return Manifest(stage="corpus", name="a", key="", shards=tuple(shards), folder=folder, **empty)


def test_it_takes_the_documents_that_an_evaluation_takes_first(tmp_path: Path):
    from domainlm.digest import seed_for

    texts = [f"document {i}" for i in range(50)]
    found = watch.texts(corpus_of(tmp_path, {"law/acts": texts, "general/web": []}), 100)
    ranked = sorted(range(50), key=lambda i: seed_for(0, "heldout", "law", "acts", f"law/acts{i}"))
    assert found == {"law": [texts[i] for i in ranked[: len(found["law"])]]}
    assert 80 <= sum(map(len, found["law"])) <= 100


@given(st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=20), st.integers(8, 400))
def test_texts_fit_in_their_bytes_and_no_character_is_cut(documents: list[str], num_bytes: int):
    ranked = sorted(enumerate(documents))
    kept = watch._fit(ranked, num_bytes)
    assert sum(len(text.encode()) for text in kept) <= max(num_bytes, 1)
    assert all(any(document.startswith(text) for document in documents) for text in kept)
