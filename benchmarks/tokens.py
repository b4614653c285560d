"""Tokenizers, measured: Unigram against BPE, chunks against one piece, and what of tokenising is the encoder.

Prints tables and, as its last line, one JSON object. An extension begins with a base of general text alone; that of
other bases and domains is `./run bench extension`.
The text is that of DOMAINLM_DATA (finance and general), else what the
installed packages brought (licences and documentation). Each vocabulary is learnt in a process of its own, so that
CPU time and memory are its own; peers tokenise the same text with the same tokenizer on one core.

`./run bench tokens [MEGABYTES [TOKENS [PRETOKENS]]]`: so much text is learnt from (30), for so many tokens (32,000).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from rich.console import Console
from rich.table import Table

from domainlm.manifest import Manifest, shard_of
from domainlm.records import Shard
from domainlm.specs.tokenizer import TokenizerSpec
from domainlm.tokens.encode import Encoded, Encoder

LEARNT = {"BPE": "bpe", "Unigram": "unigram", "Unigram in chunks": "unigram_in_chunks"}
CHUNKS = 8
NEW_TOKENS = 4_000 if "DOMAINLM_DATA" in os.environ else 1_000
"""The licences that are installed have no 4,000 words that 32,000 tokens of general text do not have."""
BASE_TOKENS = 32_000
"""Of the base that is extended, at most: half of the text, which it is learnt from, has not many more."""
HELD_MB = 4
WRITTEN_MB, PEER_MB = 400, 20
PEERS = ("DataTrove DocumentTokenizer", "datasets.map")
_MAX_CHARS = 100_000


def documents(domain: str, held: bool) -> Iterator[str]:
    """The texts of one of the benchmark's two domains, in an order that is the same each time."""
    data = os.environ.get("DOMAINLM_DATA")
    if data is None:
        from domainlm.corpus.installed import entries

        kinds = ("licenses",) if domain == "domain" else ("docs", "readmes", "docstrings")
        found = [e.path.read_text(encoding="utf-8", errors="replace") for kind in kinds for e in entries(kind)]
        texts = [text for number, text in enumerate(dict.fromkeys(found)) if (number % 20 == 0) == held]
    else:
        texts = []
        for path in sorted((Path(data) / ("finance" if domain == "domain" else domain)).glob("*.jsonl.zst")):
            if ("holdout" in path.name) == held:
                with path.open("rb") as file:
                    reader = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(file)
                    lines = io.TextIOWrapper(reader, encoding="utf-8", newline="\n")
                    texts += [json.loads(line)["text"] for line in lines]
    random.Random(0).shuffle(texts)
    yield from (text[:_MAX_CHARS] for text in texts)


def corpus(folder: Path, megabytes: float) -> Manifest:
    """A corpus of two domains in `folder`, half of the bytes each, with held-out text."""
    shards = []
    for domain in ("domain", "general"):
        for split, size in (("train", megabytes / 2), ("heldout", HELD_MB)):
            texts, held = [], 0
            for text in documents(domain, split == "heldout"):
                if held >= size * 1e6:
                    break
                texts.append(text)
                held += len(text.encode())
            path = folder / f"{domain}-{split}.parquet"
            ids = [f"{split}{number}" for number in range(len(texts))]
            pq.write_table(pa.table({"id": ids, "text": pa.array(texts, pa.large_string())}), path, row_group_size=256)
            fields = {"domain": domain, "source": "bench", "split": split}
            shards.append(shard_of(path, folder, "text", num_docs=len(texts), text_bytes=held, **fields))
    (folder / "shards.json").write_text(json.dumps([asdict(shard) for shard in shards]))
    return manifest_of(folder, "corpus", shards, {})


def manifest_of(folder: Path, stage: str, shards: list[Shard], facts: dict) -> Manifest:
    return Manifest(
        stage=stage, name="bench", key="", spec={}, seed=0, code="", libraries={}, inputs={}, counts={}, facts=facts,
        shards=tuple(shards), folder=folder,
    )  # fmt: skip


def corpus_there(folder: Path) -> Manifest:
    return manifest_of(folder, "corpus", [Shard(**s) for s in json.loads((folder / "shards.json").read_bytes())], {})


def learn(folder: Path, name: str, vocab_size: int, pretokens: str) -> dict:
    """One vocabulary learnt, in this process and those it starts: figures, CPU seconds and the largest process."""
    from domainlm.corpus.each import each
    from domainlm.tokens.train import train

    text = corpus_there(folder)
    asked = {"algorithm": LEARNT[name], "pretokens": pretokens}
    if LEARNT[name] == "unigram_in_chunks":
        total = sum(shard.text_bytes for shard in text.files("text", split="train"))
        asked["chunk_bytes"] = -(-total // CHUNKS)
    spec = TokenizerSpec(name="bench", vocab_size=vocab_size, sample_bytes=10**12, **asked)
    out = folder / name.replace(" ", "-")
    run = partial(each, workers=os.cpu_count() or 1, label="chunks")
    begin = time.perf_counter()
    with Watched() as watched:
        made = train(spec, text, out, seed=0, root=folder, each=run)
    seconds = time.perf_counter() - begin
    (out / "made.json").write_text(json.dumps({"shards": [asdict(s) for s in made.shards], "facts": dict(made.facts)}))
    return {
        **{domain: figures["bytes_per_token"] for domain, figures in made.facts["fertility"].items()},
        "seconds": seconds,
        "cpu_s": sum(watched.cpu_s.values()),
        "peak_mib": max(watched.peak_mib.values()),
        "chunks": made.facts.get("chunks", 1),
    }


EXTENSIONS = {
    "within words": {},
    "across words": {"across_words": True},
    "across words, general text left": {"across_words": True, "max_change": {"general": 0.003}},
}


def extend(folder: Path, vocab_size: int, pretokens: str) -> dict:
    """A base of general text alone, and the same with new tokens of the domain: share of tokens saved, held out.

    `bound` is what could be saved of the domain's within words, were each pretoken one token.
    """
    from domainlm.tokens import words
    from domainlm.tokens.fertility import heldout
    from domainlm.tokens.train import train

    text, seed = corpus_there(folder), 0
    how = {"algorithm": "bpe", "pretokens": pretokens, "byte_ratio": {"general": 1.0}, "sample_bytes": 10**12}
    base = TokenizerSpec(name="base", vocab_size=vocab_size, **how)
    train(base, text, folder / "base", seed=seed, root=folder)
    more = {"extend": "base/tokenizer", "new_tokens": NEW_TOKENS, "byte_ratio": {"domain": 1.0}}
    found: dict[str, Any] = {}
    for name, asked in EXTENSIONS.items():
        spec = TokenizerSpec(name="more", sample_bytes=10**12, **more, **asked)
        begin = time.process_time()
        facts = train(spec, text, folder / "more", seed=seed, root=folder).facts
        before, after = facts["base_fertility"], facts["fertility"]
        saved = {d: 1 - before[d]["bytes_per_token"] / after[d]["bytes_per_token"] for d in before}
        found[name] = saved | {"cpu_s": time.process_time() - begin}
    texts = list(heldout(text, seed=seed)["domain"])
    counted = words.count(texts, pretokens, split_digits=True)
    num_bytes = sum(len(one.encode()) for batch in texts for one in batch)
    bound = 1 - before["domain"]["bytes_per_token"] * counted.counts.sum() / num_bytes
    return found | {"bound": float(bound)}


class Watched:
    """CPU seconds and most memory of this process and of all below it, looked at ten times a second."""

    def __init__(self) -> None:
        self.cpu_s: dict[int, float] = {}
        self.peak_mib: dict[int, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._over.wait(0.1):
            for process in (me, *me.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    times, held = process.cpu_times(), process.memory_info().rss >> 20
                    self.cpu_s[process.pid] = times.user + times.system
                    self.peak_mib[process.pid] = max(held, self.peak_mib.get(process.pid, 0))


class Timed:
    """An encoder that adds up the CPU seconds that its threads spend in it."""

    def __init__(self, encoder: Encoder) -> None:
        self.name = encoder.name
        self.seconds = 0.0
        self._encoder = encoder
        self._lock = threading.Lock()

    def encode(self, texts: pa.LargeStringArray) -> Encoded:
        begin = time.thread_time()
        encoded = self._encoder.encode(texts)
        with self._lock:
            self.seconds += time.thread_time() - begin
        return encoded


def write(folder: Path) -> dict:
    """CPU seconds of the stage `tokens`, on the same text many times over, and those of its encoder."""
    import domainlm.tokens.write as stage
    from domainlm.tokens.encode import choose

    made = json.loads((folder / "BPE" / "made.json").read_bytes())
    tokenizer = manifest_of(folder / "BPE", "tokenizer", [Shard(**s) for s in made["shards"]], made["facts"])
    text = corpus_there(folder)
    train = text.files("text", split="train")
    times = max(1, round(WRITTEN_MB * 1e6 / sum(shard.text_bytes for shard in train)))
    shards = []
    for number in range(times):
        for shard in train:
            path = folder / f"again{number}" / shard.path
            path.parent.mkdir(exist_ok=True)
            path.hardlink_to(text.path(shard))
            where = str(path.relative_to(folder))
            shards.append(Shard(**(asdict(shard) | {"path": where, "source": f"bench{number}"})))
    many = manifest_of(folder, "corpus", shards, {})
    stage.write(tokenizer, manifest_of(folder, "corpus", list(train), {}), folder / "warm", workers=1)
    timed: list[Timed] = []
    check_s = 0.0

    def chosen(*asked: Any) -> tuple[Timed, dict]:
        nonlocal check_s
        begin = time.process_time()
        encoder, facts = choose(*asked)
        check_s = time.process_time() - begin
        timed.append(Timed(encoder))
        return timed[-1], facts

    stage.choose = chosen
    begin, wall = time.process_time(), time.perf_counter()
    stage.write(tokenizer, many, folder / "written", workers=os.cpu_count() or 1)
    total_s, wall_s = time.process_time() - begin, time.perf_counter() - wall
    num_bytes = sum(shard.text_bytes for shard in shards)
    return {
        "encoder": timed[-1].name,
        "mb": num_bytes / 1e6,
        "encode_s": timed[-1].seconds,
        "check_s": check_s,
        "total_s": total_s,
        "wall_s": wall_s,
        # Checking the encoder takes the same few seconds for any amount of text.
        "share": timed[-1].seconds / (total_s - check_s),
        "mb_per_cpu_s": num_bytes / 1e6 / (total_s - check_s),
    }


def peer(folder: Path, name: str) -> dict:
    """A peer's CPU seconds for the first megabytes of the same text with the same tokenizer."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    file, tokenizer = folder / "peer.parquet", str(folder / "BPE" / "tokenizer" / "tokenizer.json")
    num_bytes = sum(len(text.encode()) for text in pq.read_table(file).column("text").to_pylist())
    if name == "datasets.map":
        import datasets
        from tokenizers import Tokenizer

        datasets.disable_progress_bars()
        library = Tokenizer.from_file(tokenizer)
        begin = time.process_time()
        rows = datasets.Dataset.from_parquet(str(file), cache_dir=str(folder / "cache"))
        encoded = rows.map(
            lambda batch: {"ids": [e.ids for e in library.encode_batch_fast(batch["text"], add_special_tokens=False)]},
            batched=True,
            batch_size=256,
            remove_columns=rows.column_names,
        )
        num_tokens = sum(len(ids) for ids in encoded["ids"])
    else:
        from datatrove.executor import LocalPipelineExecutor
        from datatrove.pipeline.readers import ParquetReader
        from datatrove.pipeline.tokens import DocumentTokenizer
        from loguru import logger

        logger.remove()
        step = DocumentTokenizer(str(folder / "peer"), tokenizer_name_or_path=tokenizer, eos_token="<|endoftext|>")
        begin = time.process_time()
        token_bytes = (
            2 if json.loads((folder / "BPE" / "made.json").read_bytes())["facts"]["vocab_size"] <= 2**16 else 4
        )
        pipeline = [ParquetReader(str(folder), glob_pattern="peer.parquet"), step]
        LocalPipelineExecutor(pipeline=pipeline, tasks=1, logging_dir=str(folder / "logs")).run()
        num_tokens = sum(path.stat().st_size for path in (folder / "peer").rglob("*.ds")) // token_bytes
    seconds = time.process_time() - begin
    return {"cpu_s": seconds, "mb_per_cpu_s": num_bytes / 1e6 / seconds, "tokens": num_tokens}


def child(*arguments: str) -> dict | str:
    """What a process printed as its last line, or the end of what it complained of."""
    command = [sys.executable, "-W", "ignore", __file__, *arguments]
    environment = os.environ | {"TOKENIZERS_PARALLELISM": "true"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout.strip().splitlines()[-1]) if not done.returncode else done.stderr.strip()[-600:]


def measure_peers(folder: Path) -> dict[str, dict]:
    """Peers by name; what fails is told, and left out."""
    table = pq.read_table(folder / "general-train.parquet")
    ends = pa.compute.cumulative_sum(pa.compute.binary_length(table.column("text")))
    num_rows = pa.compute.sum(pa.compute.less(ends, int(PEER_MB * 1e6))).as_py()
    pq.write_table(table.slice(0, num_rows), folder / "peer.parquet")
    found = {}
    for name in PEERS:
        got = child("--peer", str(folder), name)
        if isinstance(got, str):
            print(f"{name} is absent: it failed: {got}")
        else:
            found[name] = got
    return found


def main() -> None:
    arguments = sys.argv[1:]
    work = {"--learn": learn, "--extend": extend, "--write": write, "--peer": peer}
    if arguments[:1] and arguments[0] in work:
        from domainlm import compiled

        compiled.keep()
        rest = [int(one) if one.isdigit() else one for one in arguments[2:]]
        print(json.dumps(work[arguments[0]](Path(arguments[1]), *rest)))
        return
    megabytes = float(arguments[0]) if arguments else 30.0
    vocab_size = int(arguments[1]) if len(arguments) > 1 else 32_000
    pretokens = arguments[2] if len(arguments) > 2 else "gpt2"
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        corpus(folder, megabytes)
        child("--learn", str(folder), "Unigram", "1000", pretokens)  # what numba compiles is compiled once
        learnt = {name: child("--learn", str(folder), name, str(vocab_size), pretokens) for name in LEARNT}
        base_size = min(vocab_size, BASE_TOKENS)
        extended = child("--extend", str(folder), str(base_size), pretokens)
        written = child("--write", str(folder))
        peers = measure_peers(folder)
    for told in (*learnt.values(), extended, written):
        assert isinstance(told, dict), told
    assert isinstance(extended, dict)
    show(learnt, written, peers, megabytes, vocab_size)
    show_extended(extended, base_size)
    ratio = {
        key: {domain: round(learnt[one][domain] / learnt[other][domain], 4) for domain in ("domain", "general")}
        for key, one, other in (
            ("unigram_vs_bpe", "Unigram", "BPE"),
            ("chunks_vs_one", "Unigram in chunks", "Unigram"),
        )
    }
    left = extended["across words, general text left"]
    # The worse of the two domains, so that neither hides the other.
    figures = {
        "unigram_vs_bpe_bytes_per_token": min(ratio["unigram_vs_bpe"].values()),
        "parallel_vs_one_piece": min(ratio["chunks_vs_one"].values()),
        # Across words, with general text left as it is; the change is of its number of tokens: less than 0 is fewer.
        "extend_domain_tokens_saved": round(left["domain"], 4),
        "extend_general_change": round(-left["general"], 5),
        "extended": {name: extended[name] for name in EXTENSIONS} | {"bound_within_words": extended["bound"]},
        "encode_share_of_cpu": round(written["share"], 3),
        "new_tokens": NEW_TOKENS,
        "extended_vocab_size": base_size,
        "by_domain": ratio,
        "megabytes": megabytes,
        "vocab_size": vocab_size,
        "pretokens": pretokens,
        "learnt": {name: {key: round(value, 4) for key, value in told.items()} for name, told in learnt.items()},
        "written": {key: value if isinstance(value, str) else round(value, 3) for key, value in written.items()},
        "peers": {name: {key: round(value, 3) for key, value in told.items()} for name, told in peers.items()},
        "absent": sorted(set(PEERS) - set(peers)),
    }
    print(json.dumps(figures))


def show(learnt: dict, written: dict, peers: dict, megabytes: float, vocab_size: int) -> None:
    console = Console(width=110)
    title = f"{vocab_size:,} tokens learnt from {megabytes:g} MB: bytes per token on held-out text"
    table = Table("vocabulary", "domain", "general", "seconds", "CPU-s", "MiB of the largest process", title=title)
    for name, told in learnt.items():
        cells = (f"{told['domain']:.3f}", f"{told['general']:.3f}", f"{told['seconds']:.1f}", f"{told['cpu_s']:.1f}")
        table.add_row(name, *cells, f"{told['peak_mib']:,}")
    console.print(table)
    table = Table("text to token shards", "MB per CPU-s", title=f"the encoder takes {written['share']:.0%} of the CPU")
    for name, told in ({f"domainlm ({written['encoder']})": written} | peers).items():
        table.add_row(name, f"{told['mb_per_cpu_s']:.1f}")
    console.print(table)


def show_extended(extended: dict, base_size: int) -> None:
    title = f"{NEW_TOKENS:,} tokens of the domain on {base_size:,} of general text; "
    title += f"within words {extended['bound']:.1%} at most"
    table = Table("new tokens", "domain tokens saved", "general tokens saved", "CPU-s", title=title)
    for name in EXTENSIONS:
        told = extended[name]
        table.add_row(name, f"{told['domain']:.1%}", f"{told['general']:.2%}", f"{told['cpu_s']:.0f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
