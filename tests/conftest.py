"""Small finished stages for tests: made by hand, in the very format that the stages write."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import settings

from domainlm import manifest
from domainlm.manifest import Made, Manifest, Request, shard_of

# The same examples each time, and no deadlines: a change must not fail for another's luck, or for a busy machine's.
# HYPOTHESIS_PROFILE=explore looks for new ones.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real browser; the test is skipped where there is none."""
    playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with playwright_api.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


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


WORDS = {
    "general": "river mountain walks house garden green quickly sun rain bread people window small morning light road",
    "legal": "party shall licence agreement hereby warranty liability grant terms clause notice court software section",
}
RUN = """
name: tiny
title: A tiny run
corpus: {domains: [legal, general], near_duplicates: null}
tokenizer: small
recipes:
  short:
    sequence_tokens: 32
    batch_tokens: 256
    schedule: {peak: 0.001}
    parallel: {ranks: 1}
models:
  base:
    architecture:
      family: llama
      hidden_size: 16
      intermediate_size: 32
      num_layers: 1
      num_heads: 2
      num_kv_heads: 1
      max_position: 32
    mix: only-general
    recipe: short
  adapted: {start: base, mix: half, recipe: short}
evaluate: {window_tokens: 32, stride_tokens: 16, items_per_domain: 4, bootstrap_samples: 50}
"""


@pytest.fixture(scope="session")
def write_project() -> Callable[[Path], Path]:
    """A function that writes a project into a folder and returns the path of its run spec."""

    def write(root: Path) -> Path:
        shuffle = random.Random(1)
        for domain, words in WORDS.items():
            texts = [" ".join(shuffle.choices(words.split(), k=60)) + "." for _ in range(200)]
            lines = [json.dumps({"id": f"{domain}-{i}", "text": text}) for i, text in enumerate(texts)]
            put(root / f"text/{domain}.jsonl", "\n".join(lines) + "\n")
            source = f"{{name: text, uri: text/{domain}.jsonl, license: CC0-1.0}}"
            put(
                root / f"data_specs/domains/{domain}.yaml", f"name: {domain}\nheldout_share: 0.2\nsources: [{source}]\n"
            )
        put(root / "data_specs/tokenizers/small.yaml", "name: small\nalgorithm: bpe\nvocab_size: 300\n")
        for name, ratio in {"only-general": "{general: 1.0}", "half": "{legal: 0.51, general: 0.49}"}.items():
            mix = f"name: {name}\ntoken_ratio: {ratio}\nbudget_tokens: 2k\n"
            put(root / f"data_specs/mixes/{name}.yaml", mix)
        spec = root / "data_specs/runs/tiny.yaml"
        put(spec, RUN)
        return spec

    return write


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
