"""Token shards, a mix and a tokenizer small enough to train on in a second."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from tokenizers import Tokenizer, models

from domainlm import manifest, progress
from domainlm.manifest import Made, Manifest, Request, shard_of
from domainlm.mix.budget import build
from domainlm.mix.pack import batch_of_segments
from domainlm.records import Batch
from domainlm.specs.mix import MixSpec
from domainlm.specs.run import ArchitectureSpec, ModelSpec, RecipeSpec
from domainlm.tokens.shards import ShardWriter, ends_path
from domainlm.train import heldout, parallel
from domainlm.train.config import TrainConfig
from domainlm.train.parallel import Place

VOCAB_SIZE = 64
SEQUENCE_TOKENS = 16
BATCH_ROWS = 8
ARCHITECTURE = ArchitectureSpec(
    family="llama",
    hidden_size=16,
    intermediate_size=24,
    num_layers=2,
    num_heads=2,
    num_kv_heads=1,
    max_position=SEQUENCE_TOKENS,
)


def architecture_of(family: str, *, max_position: int = SEQUENCE_TOKENS) -> ArchitectureSpec:
    """A small model of any family, with grouped heads where it has them."""
    return ArchitectureSpec.model_validate(
        {
            "family": family,
            "hidden_size": 16,
            "intermediate_size": 64 if family == "bloom" else 24,
            "num_layers": 4 if family == "modernbert" else 2,
            "num_heads": 2,
            "max_position": max_position,
        }
        | ({"num_kv_heads": 1} if family in ("llama", "mistral", "olmo2", "qwen2", "qwen3") else {})
    )


RECIPE = RecipeSpec.model_validate(
    {
        "sequence_tokens": SEQUENCE_TOKENS,
        "batch_tokens": SEQUENCE_TOKENS * BATCH_ROWS,
        "micro_batch_rows": 2,
        "schedule": {"peak": 1e-2, "floor": 1e-3, "warmup_share": 0.2},
        "precision": "fp32",
        "checkpoint_steps": 10,
    }
)
SCRATCH = ModelSpec(architecture=ARCHITECTURE, mix="test", recipe="test")


def packed_batch(
    tokens_BT: np.ndarray,
    begins_B: Sequence[Sequence[int]],
    *,
    valid_B: Sequence[int] | None = None,
    next_B: Sequence[int] | None = None,
    first_row: int = 0,
) -> Batch:
    """Rows in which documents begin at `begins_B`, 0 included; all are text, and end with the row, where nothing else
    is said."""
    num_rows, num_tokens = tokens_BT.shape
    return batch_of_segments(
        tokens_BT,
        np.array(next_B if next_B is not None else [-1] * num_rows),
        [begin for begins in begins_B for begin in begins],
        [len(begins) for begins in begins_B],
        valid_B if valid_B is not None else [num_tokens] * num_rows,
        source_B=np.zeros(num_rows, np.int32),
        row_B=np.arange(first_row, first_row + num_rows),
    )


def request_for(stage: str, **spec: object) -> Request:
    return Request(stage=stage, name="test", spec=spec, seed=0, code="", libraries={}, inputs={})


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="session")
def tokens(workspace: Path) -> Manifest:
    """Two domains whose documents count up by their own step, so that there is something to learn."""

    def do(folder: Path) -> Made:
        rng = np.random.default_rng(0)
        shards = []
        for step, name in ((1, "general/web"), (3, "law/acts")):
            doc_tokens = rng.integers(2, 40, 150)
            docs = [np.append((rng.integers(60) + step * np.arange(n - 1)) % 60 + 1, 0) for n in doc_tokens]
            path = folder / "tokens" / name / "train-00000.bin"
            with ShardWriter(path, folder / "work", np.dtype("<u2")) as writer:
                writer.write(np.concatenate(docs), doc_tokens)
            domain, _, source = name.partition("/")
            for file, kind in ((path, "tokens"), (ends_path(path), "ends")):
                fields = {"domain": domain, "source": source, "split": "train"}
                figures = {"num_docs": len(doc_tokens), "num_tokens": int(doc_tokens.sum())}
                shards.append(shard_of(file, folder, kind, **fields, **figures))
        return Made(shards=tuple(shards), facts={"dtype": "uint16", "vocab_size": VOCAB_SIZE, "end_token_id": 0})

    return manifest.make(request_for("tokens"), workspace, do)


@pytest.fixture(scope="session")
def tokenizer(workspace: Path) -> Manifest:
    def do(folder: Path) -> Made:
        path = folder / "tokenizer" / "tokenizer.json"
        path.parent.mkdir(parents=True)
        vocabulary = {"<|endoftext|>": 0} | {f"t{i}": i for i in range(1, VOCAB_SIZE)}
        Tokenizer(models.WordLevel(vocabulary, unk_token="<|endoftext|>")).save(str(path))
        config = path.with_name("tokenizer_config.json")
        config.write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>"}))
        shards = tuple(shard_of(file, folder, "tokenizer") for file in (config, path))
        return Made(shards=shards, facts={"end_token_id": 0})

    return manifest.make(request_for("tokenizer"), workspace, do)


MixOf = Callable[..., Manifest]


@pytest.fixture(scope="session")
def mix_of(workspace: Path, tokens: Manifest) -> MixOf:
    """A function from a number of steps to a mix of so many batches, law 51 to general 49."""

    def make(num_steps: int) -> Manifest:
        spec = MixSpec(
            name="test",
            token_ratio={"law": 0.51, "general": 0.49},
            budget_tokens=num_steps * BATCH_ROWS * SEQUENCE_TOKENS,
        )
        figures = {"sequence_tokens": SEQUENCE_TOKENS, "batch_rows": BATCH_ROWS, "seed": 1}
        request = request_for("mix", num_steps=num_steps)
        return manifest.make(request, workspace, lambda folder: build(spec, tokens, folder, **figures))

    return make


ConfigOf = Callable[..., TrainConfig]


@pytest.fixture(scope="session")
def config_of(tokens: Manifest, tokenizer: Manifest, mix_of: MixOf) -> ConfigOf:
    """A function from a folder, and what differs from the usual, to what a rank is told."""

    def make(folder: Path, *, num_steps: int = 5, **changes: object) -> TrainConfig:
        usual = {
            "name": "tiny",
            "architecture": ARCHITECTURE,
            "start": None,
            "base_name": None,
            "recipe": RECIPE,
            "mix": str(mix_of(num_steps).folder),
            "tokens": str(tokens.folder),
            "tokenizer": str(tokenizer.folder),
            "folder": str(folder),
            "work": str(folder / "work"),
            "seed": 7,
        }
        return TrainConfig.model_validate(usual | changes)

    return make


def hold_out(
    config: TrainConfig, *, steps: Sequence[int], domains: Mapping[str, Sequence[Sequence[int]]]
) -> TrainConfig:
    """The config, beside held-out documents that its training watches; each domain counts as a hundred bytes."""
    work = Path(config.work)
    work.mkdir(parents=True, exist_ok=True)
    held = {domain: {"num_bytes": 100, "streams": documents} for domain, documents in domains.items()}
    (work / heldout.FILE_NAME).write_text(json.dumps({"steps": steps, "domains": held}))
    return config


@pytest.fixture(scope="session")
def alone() -> Iterator[Place]:
    """This process as the only rank."""
    torch.set_num_threads(1)
    yield parallel.join()
    dist.destroy_process_group()


@pytest.fixture
def heard() -> Iterator[list[progress.Progress]]:
    """What is told while the test runs."""
    told: list[progress.Progress] = []
    progress.listen(told.append)
    yield told
    progress.listen(lambda _: None)
