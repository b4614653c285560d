"""The peers: each measured on the same files, or absent with a word on how to install it."""

from __future__ import annotations

import gzip
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from against.measure import Cost, measure

SPACY = "DataTrove's default splits words with spaCy: .venv/bin/uv pip install --python .venv/bin/python '.[bench]'"
TEXT_DEDUP = "text-dedup==0.4.0"
# What its MinHash needs. The rest of what it asks for (Spark, onnxruntime, documentation tools) is 600 MB.
_NEEDS = (
    *("datasets==5.2.0", "numpy", "scipy", "click", "click-option-group", "tqdm", "xxhash<4", "regex", "ftfy", "rich"),
    *("bitarray", "pybloom-live", "psutil", "fire", "setuptools", "zstandard"),
)


def datatrove(job: str, source: Path, folder: Path, workers: int, *rest: str) -> Cost | None:
    """One of the jobs of `datatrove_jobs`; None where spaCy, which its default needs, is not installed."""
    if job == "near" and importlib.util.find_spec("spacy") is None:
        return None
    out = folder / "peers" / f"datatrove-{job}"
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "against.datatrove_jobs", job, str(source), str(out), str(workers), *rest]
    env = {"PYTHONPATH": str(Path(__file__).parents[1])}
    return measure(command, log=folder / "logs" / f"datatrove-{job}.txt", env=env)


def datatrove_kept(job: str, folder: Path) -> list[str]:
    kept = []
    for path in sorted((folder / "peers" / f"datatrove-{job}" / "kept").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
            kept += [json.loads(line)["id"] for line in file]
    return kept


def datatrove_tokens(folder: Path) -> np.ndarray:
    """Tokens of the files that DocumentTokenizer wrote, in order; two bytes each."""
    files = sorted((folder / "peers" / "datatrove-shards" / "tokens").glob("*.ds"))
    return np.concatenate([np.fromfile(file, "<u2") for file in files])


def text_dedup_python(folder: Path) -> Path | str:
    """The Python of a throw-away environment with text-dedup in it; made now if need be. Else why there is none."""
    venv = folder / "text-dedup"
    python = venv / "bin" / "python"
    uv = [str(Path(sys.executable).parent / "uv")]
    installed = venv / "installed"
    if installed.is_file():
        return python
    install = [*uv, "pip", "install", "--quiet", "--python", str(python)]
    try:
        subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(venv)], check=True)
        subprocess.run([*install, "--no-deps", TEXT_DEDUP], check=True, capture_output=True, text=True)
        subprocess.run([*install, *_NEEDS], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"{TEXT_DEDUP} cannot be installed: {str(getattr(error, 'stderr', '') or error).strip()[-300:]}"
    installed.touch()
    return python


def text_dedup(python: Path, source: Path, folder: Path, workers: int) -> tuple[Cost, list[str]]:
    """What it cost and the ids that it kept, at 14 x 8 and 5-grams, with its faster hash."""
    out = folder / "peers" / "text-dedup"
    shutil.rmtree(out, ignore_errors=True)
    reading = ["--path", "json", "--data_files", f"{source}/*.jsonl", "--split", "train"]
    places = ["--cache_dir", str(out / "cache"), "--output", str(out / "kept"), "--column", "text"]
    options = ["--ngram", "5", "--num_perm", "112", "--b", "14", "--r", "8", "--hash_func", "xxh3"]
    command = [str(python), "-m", "text_dedup.minhash", *reading, *places, *options, "--num_proc", str(workers)]
    log = folder / "logs" / "text-dedup.txt"
    cost = measure(command, log=log, env={"HF_HOME": str(out / "hf")})
    read = "import datasets, sys, json; print(json.dumps(datasets.load_from_disk(sys.argv[1])['id'][:]))"
    listed = subprocess.run(
        [str(python), "-c", read, str(out / "kept")], capture_output=True, text=True, check=True
    ).stdout
    return cost, json.loads(listed.splitlines()[-1])
