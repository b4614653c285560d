"""One peer's loader on the token shards of `benchmarks/mix.py`, in a process of its own; prints one JSON object.

`python mixing.py PEER FOLDER NUM_ROWS`. FOLDER holds plan.json: of each source its share, token file and document ends.
Every peer gives batches of 32 rows of 2,048 tokens as int64, from a shuffled order, without worker processes.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np

ROW_TOKENS, BATCH_ROWS = 2048, 32
TOKENS_A_SOURCE = 2**14
"""Source k has the tokens from k times this on: each row says where it is from."""
Batches = Callable[[], Iterator[np.ndarray]]


def megatron_core(sources: list[dict], folder: Path, num_rows: int) -> Batches:
    import torch
    from megatron.core.datasets.blended_megatron_dataset_builder import BlendedMegatronDatasetBuilder
    from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig
    from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder
    from torch.utils.data import DataLoader

    meeting = folder / "megatron" / f"rendezvous-{os.getpid()}"
    meeting.parent.mkdir(parents=True, exist_ok=True)
    torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=0, world_size=1)
    prefixes = []
    for k, source in enumerate(sources):
        prefix = folder / "megatron" / str(k)
        prefixes.append(str(prefix))
        if not prefix.with_suffix(".idx").is_file():
            tokens, ends = np.memmap(source["tokens"], "<u2", "r"), np.fromfile(source["ends"], "<i8")
            writer = IndexedDatasetBuilder(f"{prefix}.bin", dtype=np.uint16)
            for start, stop in zip(np.concatenate([[0], ends[:-1]]).tolist(), ends.tolist(), strict=True):
                writer.add_document(tokens[start:stop], [stop - start])
            writer.finalize(f"{prefix}.idx")
    # 65,535 is no token of the shards: with 0 as padding, a token of the text would be taken for it.
    tokenizer = types.SimpleNamespace(eod=0, pad=2**16 - 1, vocab_size=2**16, unique_identifiers={"class": "bench"})
    config = GPTDatasetConfig(
        random_seed=0,
        sequence_length=ROW_TOKENS,
        blend=(prefixes, [source["share"] for source in sources]),
        split="1,0,0",
        path_to_cache=str(folder / "megatron" / "cache"),
        tokenizer=tokenizer,
        reset_position_ids=False,
        reset_attention_mask=False,
        eod_mask_loss=False,
        create_attention_mask=False,
    )
    built, _, _ = BlendedMegatronDatasetBuilder(GPTDataset, [num_rows, 0, 0], lambda: True, config).build()
    rows = torch.utils.data.Subset(built, range(num_rows))

    def batches() -> Iterator[np.ndarray]:
        for batch in DataLoader(rows, batch_size=BATCH_ROWS, num_workers=0):
            yield batch["tokens"].numpy()

    return batches


def mosaicml_streaming(sources: list[dict], folder: Path, num_rows: int) -> Batches:
    # Its package asks for torchvision when it is imported; only its image datasets use it.
    for name, part in (
        ("", ""),
        (".transforms", ""),
        (".datasets", "VisionDataset"),
        (".transforms.functional", "to_tensor"),
    ):
        module = sys.modules[f"torchvision{name}"] = types.ModuleType(f"torchvision{name}")
        module.__spec__ = ModuleSpec(module.__name__, None)
        if part:
            setattr(module, part, type(part, (), {}))
    from streaming import MDSWriter, Stream, StreamingDataset
    from torch.utils.data import DataLoader

    streams = []
    for k, source in enumerate(sources):
        out = folder / "streaming" / str(k)
        if not (out / "index.json").is_file():
            tokens = np.memmap(source["tokens"], "<u2", "r")
            with MDSWriter(out=str(out), columns={"tokens": f"ndarray:uint16:{ROW_TOKENS}"}) as writer:
                for row in tokens[: len(tokens) // ROW_TOKENS * ROW_TOKENS].reshape(-1, ROW_TOKENS):
                    writer.write({"tokens": np.ascontiguousarray(row)})
        streams.append(Stream(local=str(out), proportion=source["share"]))
    settings = {"shuffle": True, "shuffle_seed": 0, "num_canonical_nodes": 1, "predownload": 1024}
    dataset = StreamingDataset(streams=streams, batch_size=BATCH_ROWS, epoch_size=num_rows, **settings)

    def batches() -> Iterator[np.ndarray]:
        def collate(rows: list[dict]) -> np.ndarray:
            return np.stack([row["tokens"] for row in rows]).astype(np.int64)

        yield from DataLoader(dataset, batch_size=BATCH_ROWS, num_workers=0, collate_fn=collate)

    return batches


def interleave_datasets(sources: list[dict], folder: Path, num_rows: int) -> Batches:
    import pyarrow as pa
    from datasets import Dataset, disable_progress_bars, interleave_datasets

    disable_progress_bars()
    parts = []
    for k, source in enumerate(sources):
        path = folder / "datasets" / f"{k}.arrow"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            tokens = np.memmap(source["tokens"], "<u2", "r")
            whole = pa.array(tokens[: len(tokens) // ROW_TOKENS * ROW_TOKENS])
            table = pa.table({"tokens": pa.FixedSizeListArray.from_arrays(whole, ROW_TOKENS)})
            with pa.ipc.new_stream(str(path), table.schema) as writer:
                writer.write_table(table, max_chunksize=1000)
        parts.append(Dataset.from_file(str(path)).shuffle(seed=0))
    shares = [source["share"] for source in sources]
    drawn = interleave_datasets(parts, probabilities=shares, seed=0, stopping_strategy="all_exhausted")
    drawn = drawn.select(range(min(num_rows, len(drawn)))).with_format("numpy")

    def batches() -> Iterator[np.ndarray]:
        for batch in drawn.iter(BATCH_ROWS):
            yield batch["tokens"].astype(np.int64)

    return batches


PEERS = {
    "Megatron-Core": megatron_core,
    "MosaicML Streaming": mosaicml_streaming,
    "interleave_datasets": interleave_datasets,
}


def measured(batches: Batches, passes: int = 6) -> dict:
    """Tokens a CPU-second of the fastest pass, whole process; the first pass also brings the files into memory."""
    best_s, rows, sources = float("inf"), 0, []
    for number in range(passes):
        rows, begin_s = 0, time.process_time()
        for tokens in batches():
            rows += len(tokens)
            if number == 0 and len(sources) < 400:
                sources.append(tokens[:, 0] // TOKENS_A_SOURCE)
        best_s = min(best_s, time.process_time() - begin_s)
    return {
        "tokens_per_s": rows * ROW_TOKENS / best_s,
        "rows": rows,
        "sources": np.concatenate(sources).tolist(),
        **memory(),
    }


def memory() -> dict:
    """Peak resident memory, and what of the memory now is the process's own and no file's; MiB."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    own = int(status.get("RssAnon", "0 kB").split()[0]) // 1024
    return {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "own_mib": own}


def on_one_core() -> None:
    """This process, and all its threads, on a single core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def main() -> None:
    warnings.simplefilter("ignore")
    on_one_core()
    peer, folder, num_rows = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    sources = json.loads((folder / "plan.json").read_bytes())
    print(json.dumps(measured(PEERS[peer](sources, folder, num_rows))))


if __name__ == "__main__":
    main()
