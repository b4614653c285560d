"""Training, measured beside Hugging Face's Trainer: tokens a second and a CPU-second, MFU, peak memory.

Both train the same model from the same first weights on the same rows, with the same batches, precision, AdamW and
schedule, each in a process of its own, by turns. Trainer is run in each configuration of its own that could be its
best, and the best counts; so do we. Start-up, checkpoints and export are left out of both. Prints a table and, as its
last line, one JSON object.

`./run bench train`, on CUDA: 125M at 2k, the shape of Llama 3.2 1B at 4k and of Llama 3.1 8B at 4k (`--cases
125m,1b,8b`); on a CPU: 10M parameters at 256. Models are made from their configs: nothing is downloaded.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from domainlm.manifest import Manifest
from domainlm.mix.budget import build
from domainlm.plan import shape
from domainlm.plan.devices import DEVICES
from domainlm.records import Shard
from domainlm.specs.architecture import ArchitectureSpec
from domainlm.specs.mix import MixSpec
from domainlm.tokens.shards import ShardWriter, ends_path, token_dtype
from domainlm.train import device


@dataclass(frozen=True, kw_only=True)
class Case:
    """One model and how it is trained."""

    architecture: dict[str, Any]
    vocab_size: int
    sequence_tokens: int
    batch_rows: int
    micro_batch_rows: int
    num_steps: int
    optimizer: str = "adamw"
    ours: dict[str, dict[str, Any]] = field(default_factory=lambda: {"": {}})
    """Our configurations: changes of the recipe by name."""
    theirs: dict[str, dict[str, Any]] = field(default_factory=lambda: {"": {}})
    """Trainer's."""


def llama(
    hidden: int, inner: int, layers: int, heads: int, kv_heads: int, position: int, tied: bool = True
) -> dict[str, Any]:
    sizes = {"hidden_size": hidden, "intermediate_size": inner, "num_layers": layers, "num_heads": heads}
    return sizes | {"family": "llama", "num_kv_heads": kv_heads, "max_position": position, "tie_embeddings": tied}


_CPU = {"bf16": {"precision": "bf16"}}
_CPU_HF = _CPU | {"bf16, eager attention": {"precision": "bf16", "attention": "eager"}}
"""On this kind of CPU, whose hardware multiplies in bf16, fp32 is slower for either."""
_GPU = {
    "eager": {"precision": "bf16"},
    "compiled": {"precision": "bf16", "compile": True},
}
_GPU_FULL = {f"{name}, recomputed": how | {"checkpointing": "full"} for name, how in _GPU.items()}
_GPU_SELECTIVE = {"compiled, selective": {"precision": "bf16", "compile": True, "checkpointing": "selective"}}
CASES = {
    "10m": Case(
        architecture=llama(384, 1024, 5, 6, 6, 256), vocab_size=4096, sequence_tokens=256,
        batch_rows=8, micro_batch_rows=8, num_steps=16, ours=_CPU, theirs=_CPU_HF,
    ),
    "125m": Case(
        architecture=llama(768, 2048, 12, 12, 12, 2048), vocab_size=32000, sequence_tokens=2048,
        batch_rows=64, micro_batch_rows=32, num_steps=28, ours=_GPU, theirs=_GPU,
    ),
    "1b": Case(
        architecture=llama(2048, 8192, 16, 32, 8, 4096), vocab_size=128256, sequence_tokens=4096,
        batch_rows=16, micro_batch_rows=8, num_steps=20, ours=_GPU | _GPU_SELECTIVE, theirs=_GPU | _GPU_FULL,
    ),
    "8b": Case(
        architecture=llama(4096, 14336, 32, 32, 8, 4096, tied=False), vocab_size=128256, sequence_tokens=4096,
        batch_rows=8, micro_batch_rows=2, num_steps=12, optimizer="adamw8bit",
        ours=_GPU_SELECTIVE | _GPU_FULL, theirs=_GPU_FULL,
    ),
}  # fmt: skip


def manifest_of(folder: Path, stage: str, shards: tuple[Shard, ...], facts: dict[str, Any]) -> Manifest:
    made = Manifest(
        stage=stage, name="bench", key="", spec={}, seed=0, code="", libraries={}, inputs={}, counts={}, facts=facts,
        shards=shards, folder=folder,
    )  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(made.to_json()))
    return made


def data(folder: Path, case: Case, documents: bool) -> dict[str, str]:
    """Token shards, a mix over them and an empty tokenizer: a document a row, or documents of some 500 tokens."""
    rng = np.random.default_rng(0)
    total = case.num_steps * case.batch_rows * case.sequence_tokens
    lengths = np.full(total // case.sequence_tokens, case.sequence_tokens)
    if documents:
        mean = min(500, case.sequence_tokens / 2)
        lengths = np.maximum(rng.lognormal(np.log(mean) - 0.6, 1.1, 4 * int(total / mean)).astype(np.int64), 2)
        lengths = lengths[: np.searchsorted(np.cumsum(lengths), total)]
        lengths = np.append(lengths, total - lengths.sum())
    # Zipf's law, so that there is something to learn.
    ids = np.minimum(rng.zipf(1.2, total), case.vocab_size - 1)
    path = folder / "tokens" / "tokens" / "d" / "s" / "train-00000.bin"
    with ShardWriter(path, folder / "work", token_dtype(case.vocab_size)) as writer:
        writer.write(ids, lengths)
    where = {"domain": "d", "source": "s", "split": "train", "sha256": ""}
    shards = tuple(
        Shard(kind=kind, path=str(file.relative_to(folder / "tokens")), num_bytes=file.stat().st_size,
              num_docs=len(lengths), num_tokens=total, **where)
        for file, kind in ((path, "tokens"), (ends_path(path), "ends"))
    )  # fmt: skip
    facts = {"dtype": token_dtype(case.vocab_size).name, "vocab_size": case.vocab_size, "end_token_id": 0}
    tokens = manifest_of(folder / "tokens", "tokens", shards, facts)
    spec = MixSpec.model_validate({"name": "bench", "token_ratio": {"d": 1.0}, "budget_tokens": total})
    (folder / "mix").mkdir()
    made = build(spec, tokens, folder / "mix", sequence_tokens=case.sequence_tokens, batch_rows=case.batch_rows, seed=0)
    manifest_of(folder / "mix", "mix", tuple(Shard(**asdict(s)) for s in made.shards), dict(made.facts))
    (folder / "tokenizer").mkdir()
    manifest_of(folder / "tokenizer", "tokenizer", (), {})
    return {name: str(folder / name) for name in ("tokens", "mix", "tokenizer")}


def measure(side: str, case: Case, how: dict[str, Any], documents: bool, threads: int) -> dict[str, Any] | str:
    """What a process of its own measured, or the end of what it complained of."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        config = {
            "name": "bench",
            "architecture": case.architecture,
            "start": None,
            "base_name": None,
            "recipe": {
                "sequence_tokens": case.sequence_tokens,
                "batch_tokens": case.sequence_tokens * case.batch_rows,
                "micro_batch_rows": case.micro_batch_rows,
                "optimizer": case.optimizer,
                "schedule": {"peak": 3e-4, "floor": 3e-5},
                "checkpoint_steps": 10**9,
                "guard": {"sigmas": None},
                "parallel": {"strategy": "single"},
                **{key: value for key, value in how.items() if key != "attention"},
            },
            **data(folder, case, documents),
            "folder": str(folder),
            "work": str(folder / "work"),
            "seed": 1,
        }
        setting = folder / "setting.json"
        setting.write_text(
            json.dumps(
                {
                    "config": config,
                    "threads": threads,
                    "documents": documents,
                    "attention": how.get("attention", "sdpa"),
                }
            )
        )
        script = str(Path(__file__).parent / "against" / "trainers.py")
        done = subprocess.run(
            [sys.executable, "-W", "ignore", script, side, str(setting)], capture_output=True, text=True
        )
    if done.returncode:
        return done.stderr.strip()[-400:]
    return json.loads(done.stdout.strip().splitlines()[-1])


Told = dict[str, Any]


def sides(
    name: str, case: Case, documents: bool, threads: int, rounds: int, by: str
) -> tuple[Told | None, Told | None]:
    """The fastest of our configurations and of Trainer's: each runs once a round, and its median step counts."""
    found: dict[tuple[str, str], list[Told]] = {}
    asked = [(side, *how) for side, of in (("ours", case.ours), ("hf", case.theirs)) for how in of.items()]
    for _ in range(rounds):
        for side, label, how in asked:
            told = measure(side, case, how, documents, threads)
            if isinstance(told, str):
                print(f"{name}, {side}, {label}: failed: {told}", flush=True)
                continue
            found.setdefault((side, label), []).append(told)
    middle: dict[str, list[Told]] = {"ours": [], "hf": []}
    for (side, label), runs in found.items():
        made = _middle(runs, case.batch_rows * case.sequence_tokens) | {"how": label}
        speed = f"{made['tokens_per_s']:,.0f} tokens/s, {made['tokens_per_cpu_s']:,.0f} a CPU-second"
        size = f"peak {made['peak_bytes'] / 2**20:,.0f} MiB, last loss {made['losses'][-1]:.4f}"
        print(f"{name}, {side}, {label}{', documents apart' if documents else ''}: {speed}, {size}", flush=True)
        middle[side].append(made)
    ours, hf = (max(of, key=lambda told: told[by], default=None) for of in middle.values())
    return ours, hf


def _middle(runs: list[Told], batch_tokens: int) -> Told:
    """What a configuration's runs say together."""
    wall_s, cpu_s = (median(step for run in runs for step in run[key]) for key in ("seconds", "cpu_seconds"))
    return {
        "tokens_per_s": batch_tokens / wall_s,
        "tokens_per_cpu_s": batch_tokens / cpu_s,
        "peak_bytes": median(run["peak_bytes"] for run in runs),
        "losses": runs[0]["losses"],
    }


def core_flops() -> float:
    """FLOPs in a CPU-second of a bf16 product, the best of many: others use the machine, too."""
    matrix = torch.ones(1024, 1024, dtype=torch.bfloat16)
    seconds = []
    for _ in range(30):
        start_s = time.process_time()
        matrix @ matrix
        seconds.append(time.process_time() - start_s)
    return 2 * 1024**3 / min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    on_gpu = torch.cuda.is_available()
    parser.add_argument("--cases", default="125m,1b,8b" if on_gpu else "10m")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads() if on_gpu else 1)
    parser.add_argument("--rounds", type=int, default=1 if on_gpu else 2)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    by = "tokens_per_s" if on_gpu else "tokens_per_cpu_s"
    peak = DEVICES["H100"].peak_flops if on_gpu else core_flops()
    figures: dict[str, Any] = {"device": device.kind()}
    table = Table("case", "trainer", "tokens/s", "tokens/CPU-s", "MFU", "peak MiB", title=f"on {device.kind()}")
    for name in asked.cases.split(","):
        case = CASES[name]
        spec = ArchitectureSpec.model_validate(case.architecture)
        each = shape.flops_per_token(shape.from_architecture(spec, case.vocab_size), case.sequence_tokens)
        told: dict[str, Told] = {}
        for documents, apart in ((False, ""), (True, ", documents apart")):
            found = sides(name, case, documents, asked.threads, asked.rounds, by)
            for side, of_side in zip(("domainlm", "HF Trainer"), found, strict=True):
                if of_side is None:
                    continue
                # On a CPU of a core's time, and not of the wall's, which others use too.
                told[side + apart] = of_side | {"mfu": of_side[by] * each / peak}
                table.add_row(
                    name, f"{side}{apart} ({of_side['how']})", f"{of_side['tokens_per_s']:,.0f}",
                    f"{of_side['tokens_per_cpu_s']:,.0f}", f"{told[side + apart]['mfu']:.1%}",
                    f"{of_side['peak_bytes'] / 2**20:,.0f}",
                )  # fmt: skip
        figures[name] = compared(told, by)
    Console(width=110).print(table)
    print(f"MFU of {peak / 1e12:,.3f} TFLOP/s, {'as published' if on_gpu else 'a bf16 product measured here'}")
    first = figures[asked.cases.split(",")[-1 if not on_gpu else min(1, asked.cases.count(","))]]
    print(json.dumps({key: first.get(key) for key in ("vs_hf_trainer", "memory_vs_hf_trainer", "mfu")} | figures))


def compared(told: dict[str, dict[str, Any]], by: str) -> dict[str, Any]:
    """The ratios that the issue of speed turns on; None where a side could not run."""
    ours, hf = told.get("domainlm"), told.get("HF Trainer")
    apart, hf_apart = told.get("domainlm, documents apart"), told.get("HF Trainer, documents apart")
    return {
        "vs_hf_trainer": round(ours[by] / hf[by], 3) if ours and hf else None,
        "memory_vs_hf_trainer": round(ours["peak_bytes"] / hf["peak_bytes"], 3) if ours and hf else None,
        "vs_hf_trainer_documents_apart": round(apart[by] / hf_apart[by], 3) if apart and hf_apart else None,
        "documents_apart_vs_not": round(apart[by] / ours[by], 3) if ours and apart else None,
        "mfu": round(ours["mfu"], 4) if ours else None,
        by: round(ours[by]) if ours else None,
        "largest_difference_of_losses": (
            max(abs(a - b) for a, b in zip(ours["losses"], hf["losses"], strict=True)) if ours and hf else None
        ),
    }


if __name__ == "__main__":
    main()
