"""Mixing, measured: tokens a second of the loader, start-up at 10^9 and 10^12 tokens, a changed ratio, worst deviation.

Prints tables and, as its last line, one JSON object. The peers read the same tokens in the same shares, each in a
process of its own on one core; speeds are tokens a CPU-second, so that what else a machine does hardly shows. Peers
that cannot be installed are reported as absent.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from against import mixing
from rich.console import Console
from rich.table import Table

from domainlm.manifest import Manifest
from domainlm.mix import loader
from domainlm.mix.budget import build
from domainlm.mix.schedule import bound, schedule
from domainlm.records import Shard
from domainlm.specs.mix import MixSpec

SEQUENCE_TOKENS, BATCH_ROWS = mixing.ROW_TOKENS, 256
SHARES = {"finance/filings": 0.2, "finance/news": 0.31, "general/web": 0.3, "general/books": 0.19}
RATIO = {"finance": 0.51, "general": 0.49}
PREFIXES = (10, 100, 1_000, 10_000)
TOTAL_TOKENS, READ_TOKENS = 200_000_000, 100_000_000
DOC_TOKENS = 800
SHARD_TOKENS = 100_000_000_000
_NEEDS = {
    # Both ask for versions of numpy and transformers that domainlm has left behind: they get a place of their own.
    "Megatron-Core": (("megatron-core==0.16.1",), ("numpy<2.2", "packaging", "pybind11")),
    "MosaicML Streaming": (
        ("mosaicml-streaming==0.13.0",),
        ("numpy<2.2", "xxhash<4", "zstd<2", "python-snappy<1", "Brotli", "catalogue", "tqdm", "transformers<5"),
        ("pillow", "boto3", "requests", "paramiko", "oci", "google-cloud-storage", "azure-storage-blob"),
        ("azure-storage-file-datalake", "azure-identity", "matplotlib"),
    ),
}
PEERS = Path(sys.prefix) / "peers"


def manifest_of(folder: Path, stage: str, shards: list[Shard], facts: dict) -> Manifest:
    return Manifest(
        stage=stage, name="bench", key="", spec={}, seed=0, code="", libraries={}, inputs={}, counts={}, facts=facts,
        shards=tuple(shards), folder=folder,
    )  # fmt: skip


def token_shards(folder: Path, total_tokens: int, *, sparse: bool) -> Manifest:
    """Shards of so many tokens; `sparse` files have their sizes but take no room on disk, and read as zeros."""
    shards, plan = [], []
    rng = np.random.default_rng(0)
    for k, (name, share) in enumerate(SHARES.items()):
        domain, source = name.split("/")
        left, part = int(total_tokens * share), 0
        while left:
            count = min(left, SHARD_TOKENS) // DOC_TOKENS * DOC_TOKENS
            left = left - count if left > SHARD_TOKENS else 0
            path = folder / name / f"train-{part:05}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            num_docs = count // DOC_TOKENS
            if sparse:
                for file, num_bytes in ((path, 2 * count), (path.with_suffix(".ends"), 8 * num_docs)):
                    with file.open("wb") as out:
                        out.truncate(num_bytes)
            else:
                docs = doc_tokens(rng, count)
                num_docs = len(docs)
                low = k * mixing.TOKENS_A_SOURCE
                rng.integers(low, low + mixing.TOKENS_A_SOURCE - 1, count, np.uint16).tofile(path)
                np.cumsum(docs).astype("<i8").tofile(path.with_suffix(".ends"))
            for file, kind in ((path, "tokens"), (path.with_suffix(".ends"), "ends")):
                where = {"domain": domain, "source": source, "split": "train", "path": str(file.relative_to(folder))}
                figures = {"num_tokens": count, "num_docs": num_docs, "num_bytes": file.stat().st_size}
                shards.append(Shard(kind=kind, sha256=f"{name}-{part}", **where, **figures))
            plan.append({"share": share, "tokens": str(path), "ends": str(path.with_suffix(".ends"))})
            part += 1
    (folder / "plan.json").write_text(json.dumps(plan))
    return manifest_of(folder, "tokens", shards, {"dtype": "uint16"})


def doc_tokens(rng: np.random.Generator, count: int) -> np.ndarray:
    """Lengths of documents that sum to `count`: log-normal, a mean of some 800 tokens, some far longer than a row."""
    lengths = np.maximum(rng.lognormal(6.1, 1.1, 2 * count // DOC_TOKENS + 16).astype(np.int64), 1)
    ends = np.cumsum(lengths)
    ends = np.append(ends[ends < count], count)
    return np.diff(ends, prepend=0)


def mixed(tokens: Manifest, folder: Path, ratio: dict[str, float], budget_tokens: int, packing: str) -> Manifest:
    folder.mkdir(exist_ok=True, parents=True)
    # Inside the domains as well the shares are those that the peers are asked for.
    inside = {
        domain: {
            "rule": "source_ratio",
            "source_ratio": {
                name.split("/")[1]: share / RATIO[domain] for name, share in SHARES.items() if name.startswith(domain)
            },
        }
        for domain in RATIO
    }
    spec = {"name": "bench", "token_ratio": ratio, "budget_tokens": budget_tokens, "packing": packing, "inside": inside}
    sizes = {"sequence_tokens": SEQUENCE_TOKENS, "batch_rows": BATCH_ROWS, "seed": 0}
    made = build(MixSpec.model_validate(spec), tokens, folder, **sizes, packs=folder.parent / "packs")
    return manifest_of(folder, "mix", [Shard(**asdict(shard)) for shard in made.shards], dict(made.facts))


def start(folder: Path, total_tokens: int) -> dict:
    """From finished token shards to the first batch: the mix is planned, its order made, its shards mapped."""
    tokens = token_shards(folder, total_tokens, sparse=True)
    begin = time.perf_counter()
    mix = mixed(tokens, folder / "mix", RATIO, total_tokens, "concat")
    next(loader.batches(mix, tokens, rank=0, num_ranks=8, micro_batch_rows=8, start_row=0))
    return {"start_s": time.perf_counter() - begin, **mixing.memory()}


def ours(folder: Path, packing: str) -> dict:
    """Our loader on the shards in `folder`: positions and document boundaries included, read ahead on its thread."""
    tokens = token_shards_there(folder)
    begin = time.perf_counter()
    mix = mixed(tokens, folder / f"mix-{packing}", RATIO, READ_TOKENS, packing)
    made_s = time.perf_counter() - begin

    def batches() -> Iterator[np.ndarray]:
        for step in loader.batches(mix, tokens, rank=0, num_ranks=1, micro_batch_rows=mixing.BATCH_ROWS, start_row=0):
            yield from (batch.tokens_BT for batch in step)

    packed = mix.facts["packed"]
    padding = sum(packed[name]["padding_share"] * of["rows"] for name, of in mix.facts["sources"].items())
    cut = {name: of.get("cut_docs") for name, of in packed.items()}
    told = {"made_s": made_s, "padding_share": padding / mix.facts["rows"], "cut_docs": cut}
    return mixing.measured(batches) | told


def token_shards_there(folder: Path) -> Manifest:
    shards = [Shard(**shard) for shard in json.loads((folder / "shards.json").read_bytes())]
    return manifest_of(folder, "tokens", shards, {"dtype": "uint16"})


def worst_errors(source: np.ndarray, shares: list[float]) -> dict[int, float]:
    """Largest deviation, in rows, of any source from its share over the prefixes up to each length."""
    steps = np.arange(1, len(source) + 1)
    errors = np.max([np.abs(np.cumsum(source == k) - steps * share) for k, share in enumerate(shares)], axis=0)
    return {prefix: float(errors[:prefix].max()) for prefix in PREFIXES}


def child(*arguments: str, python: str = sys.executable) -> dict | str:
    """What a process printed as its last line, or the end of what it complained of."""
    done = subprocess.run([python, "-W", "ignore", *arguments], capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip()[-300:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def environment(peer: str) -> str:
    """The Python that has a peer, made now if need be; FileNotFoundError where it cannot be installed."""
    if peer not in _NEEDS:
        return sys.executable
    python, done = PEERS / "bin" / "python", PEERS / f"installed-{peer.lower().replace(' ', '-')}"
    if not done.is_file():
        uv = [str(Path(sys.executable).parent / "uv"), "pip", "install", "--quiet", "--python", str(python)]
        alone, *rest = _NEEDS[peer]
        try:
            if not python.is_file():
                subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True, capture_output=True)
                # By pip, so that the build of torch that suits this machine is taken.
                pip = [str(python), "-m", "pip", "install", "--quiet", "torch==2.13.0"]
                subprocess.run(pip, check=True, capture_output=True)
            subprocess.run([*uv, "--no-deps", *alone], check=True, capture_output=True)
            subprocess.run([*uv, *(need for needs in rest for need in needs)], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise FileNotFoundError(str(getattr(error, "stderr", b"") or error)[-300:]) from error
        done.touch()
    return str(python)


def measure_peers(folder: Path) -> dict[str, dict]:
    found: dict[str, dict] = {}
    for peer in mixing.PEERS:
        try:
            python = environment(peer)
        except FileNotFoundError as error:
            print(f"{peer} is absent: it cannot be installed: {error}")
            continue
        rows = READ_TOKENS // SEQUENCE_TOKENS
        got = child(mixing.__file__, peer, str(folder), str(rows), python=python)
        if isinstance(got, str):
            print(f"{peer} is absent: it failed: {got}")
        else:
            found[peer] = got
    return found


def main() -> None:
    if sys.argv[1:2] == ["--start"]:
        with TemporaryDirectory() as temporary:
            print(json.dumps(start(Path(temporary), int(float(sys.argv[2])))))
        return
    if sys.argv[1:2] == ["--ours"]:
        mixing.on_one_core()
        print(json.dumps(ours(Path(sys.argv[2]), sys.argv[3])))
        return
    shares = list(SHARES.values())
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        real = token_shards(folder, TOTAL_TOKENS, sparse=False)
        (folder / "shards.json").write_text(json.dumps([asdict(shard) for shard in real.shards]))
        measured = {
            name: child(__file__, "--ours", str(folder), packing)
            for name, packing in (("domainlm", "concat"), ("domainlm, best fit", "best_fit"))
        }
        peers = measure_peers(folder)
        begin = time.perf_counter()
        mixed(real, folder / "remix", {"finance": 0.7, "general": 0.3}, TOTAL_TOKENS, "concat")
        remix_s = time.perf_counter() - begin
    starts = {size: child(__file__, "--start", str(size)) for size in (10**9, 10**12)}
    for told in (*measured.values(), *starts.values()):
        assert isinstance(told, dict), told
    show(measured | peers, starts, shares)
    best = max((peer["tokens_per_s"] for peer in peers.values()), default=None)
    errors = worst_errors(np.array(measured["domainlm"]["sources"]), shares)
    packed = measured["domainlm, best fit"]
    figures = {
        "tokens_per_s": round(measured["domainlm"]["tokens_per_s"]),
        "vs_fastest_peer": round(measured["domainlm"]["tokens_per_s"] / best, 2) if best else None,
        "start_s_1e9": round(starts[10**9]["start_s"], 4),
        "start_s_1e12": round(starts[10**12]["start_s"], 4),
        "remix_s": round(remix_s, 4),
        "worst_prefix_error_rows": round(errors[max(PREFIXES)], 4),
        "bound_rows": bound(len(shares), 100, 10**12),
        "own_mib": measured["domainlm"]["own_mib"],
        "start_own_mib_1e9": starts[10**9]["own_mib"],
        "start_own_mib_1e12": starts[10**12]["own_mib"],
        "best_fit_tokens_per_s": round(packed["tokens_per_s"]),
        "best_fit_made_s": round(packed["made_s"], 3),
        "best_fit_padding_share": round(packed["padding_share"], 6),
        "random_ratios_worst_prefix_error_rows": round(random_ratios(), 4),
        "peers": {
            name: {
                "tokens_per_s": round(peer["tokens_per_s"]),
                "own_mib": peer["own_mib"],
                "worst_prefix_error_rows": {
                    str(n): round(error, 2) for n, error in worst_errors(np.array(peer["sources"]), shares).items()
                },
            }
            for name, peer in peers.items()
        },
        "absent": sorted(set(mixing.PEERS) - set(peers)),
    }
    print(json.dumps(figures))


def random_ratios(num_rows: int = 20_000) -> float:
    """Our worst deviation over ten mixes of fifty sources at random ratios, at any prefix."""
    rng = np.random.default_rng(0)
    worst = 0.0
    for _ in range(10):
        parts = np.floor(rng.dirichlet(np.ones(50)) * 1e9).astype(np.int64)
        parts[0] += 10**9 - parts.sum()
        source, _ = schedule(parts.tolist(), num_rows=num_rows).at(np.arange(num_rows))
        steps = np.arange(1, num_rows + 1)
        worst = max(worst, *(np.abs(np.cumsum(source == k) - steps * p / 1e9).max() for k, p in enumerate(parts)))
    return float(worst)


def show(loaders: dict[str, dict], starts: dict[int, dict], shares: list[float]) -> None:
    console = Console(width=110)
    table = Table("loader, one core", "Mtok/CPU-s", "own MiB", *(f"{n:,} rows" for n in PREFIXES))
    table.title = "speed, memory, and worst deviation from the asked share, in rows, over the first rows"
    for name, told in loaders.items():
        errors = worst_errors(np.array(told["sources"]), shares)
        cells = [f"{errors[n]:.2f}" for n in PREFIXES]
        table.add_row(name, f"{told['tokens_per_s'] / 1e6:.1f}", str(told["own_mib"]), *cells)
    console.print(table)
    table = Table("tokens", "start, s", "own MiB", title="from token shards to the first batch")
    for size, told in starts.items():
        table.add_row(f"{size:,}", f"{told['start_s']:.3f}", str(told["own_mib"]))
    console.print(table)


if __name__ == "__main__":
    main()
