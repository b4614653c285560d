"""Mixing, measured: tokens a second of the loader, start-up at 10^9 and 10^12 tokens, a changed ratio, worst deviation.

Prints a table and, as its last line, one JSON object. The peer, `datasets.interleave_datasets`, draws the same shares.
"""

from __future__ import annotations

import json
import resource
import time
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from rich.table import Table

from domainlm.manifest import Manifest
from domainlm.mix import loader
from domainlm.mix.budget import build
from domainlm.mix.order import schedule
from domainlm.records import Shard
from domainlm.specs.mix import MixSpec

SEQUENCE_TOKENS, BATCH_ROWS = 2048, 256
SHARES = {"finance/filings": 0.2, "finance/news": 0.31, "general/web": 0.3, "general/books": 0.19}
RATIO = {"finance": 0.51, "general": 0.49}
PREFIXES = (10, 100, 1_000, 10_000)
DOC_TOKENS = 800
SHARD_TOKENS = 100_000_000_000


def manifest_of(folder: Path, stage: str, shards: list[Shard], facts: dict) -> Manifest:
    return Manifest(
        stage=stage, name="bench", key="", spec={}, seed=0, code="", libraries={}, inputs={}, counts={}, facts=facts,
        shards=tuple(shards), folder=folder,
    )  # fmt: skip


def token_shards(folder: Path, total_tokens: int, *, sparse: bool) -> Manifest:
    """Shards of so many tokens; `sparse` files have their sizes but take no room on disk, and read as zeros."""
    shards = []
    rng = np.random.default_rng(0)
    for name, share in SHARES.items():
        domain, source = name.split("/")
        left, part = int(total_tokens * share), 0
        while left:
            count = min(left, SHARD_TOKENS) // DOC_TOKENS * DOC_TOKENS
            left = left - count if left > SHARD_TOKENS else 0
            path = folder / name / f"train-{part:05}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            if sparse:
                for file, num_bytes in ((path, 2 * count), (path.with_suffix(".ends"), 8 * count // DOC_TOKENS)):
                    with file.open("wb") as out:
                        out.truncate(num_bytes)
            else:
                rng.integers(0, 2**16, count, np.uint16).tofile(path)
                (np.arange(1, count // DOC_TOKENS + 1) * DOC_TOKENS).astype("<i8").tofile(path.with_suffix(".ends"))
            for file, kind in ((path, "tokens"), (path.with_suffix(".ends"), "ends")):
                where = {"domain": domain, "source": source, "split": "train", "path": str(file.relative_to(folder))}
                figures = {"num_tokens": count, "num_docs": count // DOC_TOKENS, "num_bytes": file.stat().st_size}
                shards.append(Shard(kind=kind, sha256="", **where, **figures))
            part += 1
    return manifest_of(folder, "tokens", shards, {"dtype": "uint16"})


def mixed(tokens: Manifest, folder: Path, ratio: dict[str, float], budget_tokens: int) -> Manifest:
    folder.mkdir(exist_ok=True)
    spec = MixSpec(name="bench", token_ratio=ratio, budget_tokens=budget_tokens)
    made = build(spec, tokens, folder, sequence_tokens=SEQUENCE_TOKENS, batch_rows=BATCH_ROWS, seed=0)
    return manifest_of(folder, "mix", [Shard(**asdict(shard)) for shard in made.shards], dict(made.facts))


def start_s(folder: Path, total_tokens: int) -> float:
    """From finished token shards to the first batch: the mix is planned, its order made, its shards mapped."""
    tokens = token_shards(folder, total_tokens, sparse=True)
    start = time.perf_counter()
    mix = mixed(tokens, folder / "mix", RATIO, total_tokens)
    next(loader.batches(mix, tokens, rank=0, num_ranks=8, micro_batch_rows=8, start_row=0))
    return time.perf_counter() - start


def tokens_per_s(tokens: Manifest, folder: Path, num_tokens: int) -> float:
    """Tokens that one process reads a second, documents and positions included."""
    mix = mixed(tokens, folder / "speed", RATIO, num_tokens)
    best_s = float("inf")
    # The first pass also brings the files into memory.
    for _ in range(2):
        start, rows = time.perf_counter(), 0
        for step in loader.batches(mix, tokens, rank=0, num_ranks=1, micro_batch_rows=32, start_row=0):
            rows += sum(len(batch.row_B) for batch in step)
        best_s = min(best_s, time.perf_counter() - start)
    return rows * SEQUENCE_TOKENS / best_s


def worst_errors(source: np.ndarray, shares: list[float]) -> dict[int, float]:
    """Largest deviation, in rows, of any source from its share over the prefixes up to each length."""
    steps = np.arange(1, len(source) + 1)
    errors = np.max([np.abs(np.cumsum(source == k) - steps * share) for k, share in enumerate(shares)], axis=0)
    return {prefix: float(errors[:prefix].max()) for prefix in PREFIXES}


def interleaved(shares: list[float], num_rows: int) -> np.ndarray:
    """The sources that `datasets.interleave_datasets` draws."""
    from datasets import Dataset, interleave_datasets

    parts = [Dataset.from_dict({"source": np.full(num_rows, k, np.int8)}) for k in range(len(shares))]
    drawn = interleave_datasets(parts, probabilities=shares, seed=0, stopping_strategy="first_exhausted")
    return np.array(drawn.with_format("numpy")[:num_rows]["source"])


def main() -> None:
    shares = list(SHARES.values())
    period_rows = [round(share * 100) for share in shares]
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        real = token_shards(folder / "real", 200_000_000, sparse=False)
        speed = tokens_per_s(real, folder, 100_000_000)
        begin = time.perf_counter()
        mixed(real, folder / "remix", {"finance": 0.7, "general": 0.3}, 200_000_000)
        remix_s = time.perf_counter() - begin
        starts = {size: start_s(folder / f"{size:g}", size) for size in (10**9, 10**12)}
    ours = worst_errors(np.resize(schedule(period_rows, 100), max(PREFIXES)), shares)
    peer = worst_errors(interleaved(shares, max(PREFIXES)), shares)

    table = Table("rows", "domainlm", "interleave_datasets", title="worst deviation from the asked share, in rows")
    for prefix in PREFIXES:
        table.add_row(f"{prefix:,}", f"{ours[prefix]:.2f}", f"{peer[prefix]:.2f}")
    Console().print(table)
    figures = {
        "tokens_per_s": round(speed),
        "start_s_1e9": round(starts[10**9], 4),
        "start_s_1e12": round(starts[10**12], 4),
        "remix_s": round(remix_s, 4),
        "worst_prefix_error_rows": round(ours[max(PREFIXES)], 4),
        "interleave_datasets_worst_prefix_error_rows": round(peer[max(PREFIXES)], 4),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
