"""Filters and edits, measured: megabytes a CPU-second of each, and what each takes from real text at its defaults.

Prints tables and, as its last line, one JSON object. Takes `.jsonl.zst` files with a field `text`; without any, those
below DOMAINLM_DATA. Speed is of about 20 MB, an equal part of each file; shares are of all of it.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import zstandard
from rich.console import Console
from rich.table import Table

from domainlm import named
from domainlm.corpus.edit import EDITS
from domainlm.corpus.normalize import normalize
from domainlm.corpus.sieve import FILTERS, sift
from domainlm.corpus.texts import Texts

TIMED_BYTES = 20_000_000
ROUNDS = 3


def texts_of(path: Path, most_bytes: float = float("inf")) -> Iterator[str]:
    """Normalized texts of a file, until they are `most_bytes`."""
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as plain:
        for line in io.BufferedReader(plain):
            if text := normalize(orjson.loads(line)["text"]):
                yield text
                most_bytes -= len(text.encode())
            if most_bytes < 0:
                return


def seconds(do: Callable[[], Any]) -> float:
    """Least CPU-seconds of some rounds, the first, which compiles, left out."""
    do()
    least = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        do()
        least = min(least, time.process_time() - start)
    return least


def speeds(texts: Sequence[str]) -> dict[str, float]:
    """MB per CPU-second, each filter with the words and lines that it asks for found anew, and all of them together."""
    array = pa.array(texts, pa.large_string())
    num_mb = sum(len(text.encode()) for text in texts) / 1e6
    filters = {name: named.load(FILTERS, name) for name in named.names(FILTERS)}
    found = {
        f"filter {name}": num_mb / seconds(lambda module=module: module.scores(Texts(array)))
        for name, module in filters.items()
    }

    def all_filters() -> None:
        shared = Texts(array)
        for module in filters.values():
            module.scores(shared)

    found["filters, all"] = num_mb / seconds(all_filters)
    for name in named.names(EDITS):
        module = named.load(EDITS, name)
        options = module.Options()
        found[f"edit {name}"] = num_mb / seconds(
            lambda module=module, options=options: [module.edit(text, options) for text in texts]
        )
    return {name: round(speed, 1) for name, speed in found.items()}


def taken(texts: Sequence[str]) -> dict[str, float]:
    """Share of documents that each filter drops, and that each edit changes."""
    batch = Texts(pa.array(texts, pa.large_string()))
    shares = {}
    for name in named.names(FILTERS):
        scores = {f"{name}.{of}": values for of, values in named.load(FILTERS, name).scores(batch).items()}
        shares[f"filter {name}"] = float(np.mean(sift(scores, len(texts), {name: {}})[1] >= 0))
    for name in named.names(EDITS):
        module = named.load(EDITS, name)
        done = Counter(bool(module.edit(text, module.Options())[1]) for text in texts)
        shares[f"edit {name}"] = done[True] / len(texts)
    return {name: round(share, 4) for name, share in shares.items()}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("files", nargs="*", type=Path)
    files = arguments.parse_args().files
    if not files and (data := os.environ.get("DOMAINLM_DATA")):
        files = sorted(
            p for p in Path(data).glob("*/*.jsonl.zst") if p.parent.name != "bench" and "holdout" not in p.name
        )
    console = Console()
    sample = [text for path in files for text in texts_of(path, TIMED_BYTES / len(files))]
    speed = speeds(sample)
    table = Table("what", "MB/CPU-s")
    for name, value in speed.items():
        table.add_row(name, f"{value:,.1f}")
    console.print(table)
    shares = {f"{path.parent.name}/{path.name.partition('.')[0]}": taken(list(texts_of(path))) for path in files}
    table = Table("source", *(name.partition(" ")[2] for name in next(iter(shares.values()), {})))
    for source, of in shares.items():
        table.add_row(source, *(f"{value:.1%}" for value in of.values()))
    console.print(table)
    num_bytes = sum(len(text.encode()) for text in sample)
    print(json.dumps({"mb_per_cpu_s": speed, "timed_bytes": num_bytes, "taken": shares}))


if __name__ == "__main__":
    main()
