"""The project that the benchmark runs, with domainlm's own commands, and what its stages left on disk."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from against.measure import Cost, measure
from domainlm.manifest import Manifest, read

DOMAIN = """\
name: planted
heldout_share: 0
sources:
  - name: text
    uri: ${PLANTED}/*.jsonl
    id_field: id
    license: mixed
"""
TOKENIZER = "name: {name}\nalgorithm: bpe\nvocab_size: 32000\nsample_bytes: 20M\n"
PRETRAINED = "name: {name}\npretrained: ${{BENCH_TOKENIZER}}\n"
MIX = "name: bench\ntoken_ratio: {planted: 1.0}\nbudget_tokens: 1M\n"
RUN = """\
name: {name}
corpus:
  domains: [planted]
{corpus}tokenizer: {tokenizer}
recipes:
  short: {{sequence_tokens: 256, batch_tokens: 4096, schedule: {{peak: 1.0e-3}}}}
models:
  base:
    architecture: {{family: llama, hidden_size: 64, intermediate_size: 128, num_layers: 2, num_heads: 2,
                    num_kv_heads: 2, max_position: 256}}
    mix: bench
    recipe: short
"""


class Project:
    """Specs in `folder`; each measured run gets an empty workspace in it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.specs = folder / "project" / "data_specs"
        self._write("domains/planted.yaml", DOMAIN)
        self._write("mixes/bench.yaml", MIX)
        self._write("tokenizers/learnt.yaml", TOKENIZER.format(name="learnt"))
        self._write("tokenizers/taken.yaml", PRETRAINED.format(name="taken"))
        self._write("runs/near.yaml", RUN.format(name="near", corpus="", tokenizer="taken"))
        self._write("runs/learn.yaml", RUN.format(name="learn", corpus="", tokenizer="learnt"))
        without = "  near_duplicates: null\n  decontaminate: null\n"
        self._write("runs/exact.yaml", RUN.format(name="exact", corpus=without, tokenizer="taken"))
        self.tokenizer = folder / "tokenizer"

    def _write(self, name: str, text: str) -> None:
        path = self.specs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(self, command: list[str], run: str, source: Path, name: str, workers: int, *, fresh: bool = True) -> Cost:
        """`domainlm COMMAND` of a run on the files in `source`, in the workspace `name`."""
        workspace = self.workspace(name)
        if fresh:
            shutil.rmtree(workspace, ignore_errors=True)
        env = {
            "PLANTED": str(source),
            "DOMAINLM_WORKSPACE": str(workspace),
            "BENCH_TOKENIZER": str(self.tokenizer),
        }
        spec = str(self.specs / "runs" / f"{run}.yaml")
        asked = [sys.executable, "-m", "domainlm", *command, spec, "--workers", str(workers), "--progress", "none"]
        return measure(asked, log=self.folder / "logs" / f"{name}-{command[0]}.txt", env=env)

    def learn_tokenizer(self, source: Path, workers: int) -> Cost:
        """Train the tokenizer that all runs share on the text of `source`."""
        self.tokenizer.mkdir(exist_ok=True)
        self.run(["corpus", "build"], "learn", source, "learn", workers)
        cost = self.run(["tokenizer"], "learn", source, "learn", workers, fresh=False)
        (made,) = (self.workspace("learn") / "tokenizer").glob("*/tokenizer")
        shutil.copytree(made, self.tokenizer, dirs_exist_ok=True)
        return cost

    def workspace(self, name: str) -> Path:
        return self.folder / "workspaces" / name

    def stage(self, name: str, stage: str) -> Manifest:
        (folder,) = (self.workspace(name) / stage).iterdir()
        made = read(folder)
        assert made is not None
        return made

    def kept_ids(self, name: str) -> list[str]:
        corpus = self.stage(name, "corpus")
        files = [corpus.path(shard) for shard in corpus.files("text")]
        return [id_ for file in files for id_ in pq.read_table(file, columns=["id"])["id"].to_pylist()]

    def tokens(self, name: str) -> Iterator[np.ndarray]:
        made = self.stage(name, "tokens")
        for shard in made.files("tokens"):
            yield np.fromfile(made.path(shard), made.facts["dtype"])


def sources(folder: Path) -> Iterator[tuple[str, str]]:
    """(id, text) of the JSONL files in `folder`."""
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8", newline="\n") as file:
            for line in file:
                record = json.loads(line)
                yield record["id"], record["text"]


def slice_of(files: list[Path], count: int, folder: Path) -> Path:
    """A folder with the first `count` of `files`."""
    place = folder / f"slice-{count}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for file in files[:count]:
        os.link(file, place / file.name)
    return place
