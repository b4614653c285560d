"""The data engine beside its peers: near-duplicates, exact duplicates, token shards, the whole build, and their growth.

    ./run bench corpus [--megabytes 320] [--workers 2] [--folder workspace/bench-corpus] [--only near,exact,...]

On a corpus in which every near-duplicate was planted (see against/planted.py): out of the text in DOMAINLM_DATA, or,
where that is not set, out of the text that domainlm's dependencies brought along. Each system runs in a process tree of
its own, on the same files, and is counted by the CPU-seconds of the whole tree; start-up is in every figure. Peers that
take long run on a slice; a ratio is that of CPU-seconds on the same slice. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from time import monotonic

import numpy as np
import pyarrow.parquet as pq
import xxhash
from against import peers, planted
from against.measure import Cost
from against.project import Project, slice_of, sources
from tokenizers import Tokenizer

from domainlm.corpus.normalize import normalize

ROOT = Path(__file__).parents[1]
KEYS = (
    *("near_vs_datatrove", "near_vs_datatrove_whitespace", "near_vs_text_dedup", "recall", "precision", "peak_mib"),
    *("exact_vs_datatrove", "shards_vs_documenttokenizer", "build_mb_per_cpu_s"),
)
SLICES = {"near": 8, "near-whitespace": 8, "text-dedup": 8, "exact": 16, "shards": 4}
"""Files of 16 that a peer is given."""
GROWTH = (1, 4, 16)
END = "<|endoftext|>"
FOUND_FROM = 0.8
"""Jaccard similarity from which a pair counts in the recall, and a removal in the precision."""


class Bench:
    """The corpus, its slices, and what was measured so far."""

    def __init__(self, folder: Path, megabytes: int, workers: int):
        self.folder, self.workers = folder, workers
        data = os.environ.get("DOMAINLM_DATA")
        self.about = planted.corpus(folder / "text", megabytes * 10**6, Path(data) if data else None)
        files = sorted((folder / "text").glob("*.jsonl"))
        counts = {*GROWTH, *SLICES.values()}
        self.slices = {count: slice_of(files, count, folder) for count in counts}
        self.megabytes = {count: _text_bytes(place) / 1e6 for count, place in self.slices.items()}
        self.project = Project(folder)
        self.figures: dict[str, object] = dict.fromkeys(KEYS)
        self.own: dict[tuple[str, int], Cost] = {}

    def show(self, what: str, system: str, count: int, cost: Cost | None, note: str = "") -> None:
        if cost is None:
            print(f"{what:8} {system:32} absent. {note}", flush=True)
            return
        speed = self.megabytes[count] / cost.cpu_s
        print(
            f"{what:8} {system:32} {self.megabytes[count]:6.0f} MB {cost.cpu_s:8.1f} CPU-s {cost.wall_s:7.1f} s wall "
            f"{speed:7.2f} MB/CPU-s {cost.peak_mib:7.0f} MiB  {note}",
            flush=True,
        )

    def ours(self, what: str, count: int) -> Cost:
        """Files to kept ids (near, exact) or text shards to token shards (shards), on so many files."""
        if (what, count) not in self.own:
            if what == "shards":
                self.ours("near", count)
                command, run, name = ["mix", "--stage", "tokens"], "near", f"near-{count}"
                self.project.run(["tokenizer"], run, self.slices[count], name, self.workers, fresh=False)
                cost = self.project.run(command, run, self.slices[count], name, self.workers, fresh=False)
            else:
                name = f"{what}-{count}"
                cost = self.project.run(["corpus", "build"], what, self.slices[count], name, self.workers)
            self.own[what, count] = cost
            self.show(what, "domainlm", count, cost)
        return self.own[what, count]

    def against(self, key: str, what: str, system: str, count: int, peer: Cost | None, note: str = "") -> None:
        """Show a peer beside us, on the same slice."""
        if peer is not None:
            own = self.ours(what, count)
            ratio = peer.cpu_s / own.cpu_s
            self.figures[key] = round(ratio, 1)
            # From the first file to the last: what a corpus that is large costs, start-up aside.
            large = self.own.get((what, 16)), self.own.get((what, 1))
            if all(large):
                own_speed = (self.megabytes[16] - self.megabytes[1]) / (large[0].cpu_s - large[1].cpu_s)
                by_rate = own_speed * peer.cpu_s / self.megabytes[count]
                note = f"{ratio:.1f} times ours ({by_rate:.1f} beside our rate without start-up). {note}"
        self.show(what, system, count, peer, note)


def near(bench: Bench) -> None:
    cost = bench.ours("near", 16)
    bench.figures["peak_mib"] = round(cost.peak_mib)
    kept = bench.project.kept_ids("near-16")
    truth = Truth(bench.folder / "text", bench.slices[16])
    bench.figures["recall"], bench.figures["precision"] = truth.recall(kept), truth.precision(kept)
    truth.show("domainlm", kept)
    _beside_text_dedup(bench)
    for job, key in (("near-whitespace", "near_vs_datatrove_whitespace"), ("near", "near_vs_datatrove")):
        count = SLICES[job]
        peer = peers.datatrove(job, bench.slices[count], bench.folder, bench.workers)
        system = f"DataTrove, {'spaCy' if job == 'near' else 'white space'}"
        bench.against(key, "near", system, count, peer, "" if peer else peers.SPACY)
        if peer is not None:
            Truth(bench.folder / "text", bench.slices[count]).show("", peers.datatrove_kept(job, bench.folder))


def _beside_text_dedup(bench: Bench) -> None:
    count = SLICES["text-dedup"]
    python = peers.text_dedup_python(bench.folder)
    if isinstance(python, str):
        bench.show("near", "text-dedup", count, None, python)
        return
    peer, kept = peers.text_dedup(python, bench.slices[count], bench.folder, bench.workers)
    bench.against("near_vs_text_dedup", "near", "text-dedup", count, peer)
    Truth(bench.folder / "text", bench.slices[count]).show("", kept)


class Truth:
    """What a slice of the corpus holds: planted pairs with their Jaccard similarity, and which documents are equal."""

    def __init__(self, folder: Path, place: Path):
        self.text_of = {id_: xxhash.xxh3_128_digest(text) for id_, text in sources(place)}
        pairs = pq.read_table(folder / "pairs.parquet").to_pylist()
        self.pairs = [row for row in pairs if row["a"] in self.text_of and row["b"] in self.text_of]
        self.best: dict[str, float] = {}
        for row in self.pairs:
            for id_ in (row["a"], row["b"]):
                self.best[id_] = max(self.best.get(id_, 0.0), row["jaccard"])
        families: dict[bytes, int] = {}
        for text in self.text_of.values():
            families[text] = families.get(text, 0) + 1
        self.best |= {id_: 1.0 for id_, text in self.text_of.items() if families[text] > 1}

    def recall(self, kept: Iterable[str], low: float = FOUND_FROM, high: float = 2.0) -> float:
        """Share of the planted pairs with a Jaccard similarity in [low, high) of which not both stayed."""
        stayed = set(kept)
        asked = [row for row in self.pairs if low <= row["jaccard"] < high]
        return sum(not (row["a"] in stayed and row["b"] in stayed) for row in asked) / max(1, len(asked))

    def precision(self, kept: Iterable[str], least: float = FOUND_FROM) -> float:
        """Share of the documents that went which are like another one, with at least this similarity."""
        gone = set(self.text_of) - set(kept)
        return sum(self.best.get(id_, 0.0) >= least for id_ in gone) / max(1, len(gone))

    def show(self, system: str, kept: list[str]) -> None:
        edges = (0.4, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 2.0)
        by_range = "  ".join(f"{a:.2f}+: {self.recall(kept, a, b):.3f}" for a, b in itertools.pairwise(edges))
        num_pairs = sum(row["jaccard"] >= FOUND_FROM for row in self.pairs)
        print(
            f"{'':8} recall {self.recall(kept):.4%} of {num_pairs:,} pairs from {FOUND_FROM} on; precision "
            f"{self.precision(kept):.4%} ({self.precision(kept, 0.5):.4%} from 0.5 on); {len(kept):,} of "
            f"{len(self.text_of):,} documents kept\n{'':8} pairs found by Jaccard similarity: {by_range}",
            flush=True,
        )


def exact(bench: Bench) -> None:
    count = SLICES["exact"]
    bench.ours("exact", count)
    peer = peers.datatrove("exact", bench.slices[count], bench.folder, bench.workers)
    normal_of = {id_: xxhash.xxh3_128_digest(normalize(text)) for id_, text in sources(bench.slices[count])}
    ours, theirs = (
        [normal_of[id_] for id_ in kept]
        for kept in (bench.project.kept_ids(f"exact-{count}"), peers.datatrove_kept("exact", bench.folder))
    )
    # Spellings of one text (white space, Unicode's forms) are one text to us, and several to DataTrove.
    spellings = len(theirs) - len(set(theirs))
    same = len(ours) == len(set(ours)) and set(ours) == set(theirs)
    also = f", and by DataTrove {spellings} other spellings of them" if spellings else ""
    note = f"the same texts kept by both{also}" if same else f"NOT the same: {len(ours):,} and {len(theirs):,} kept"
    bench.against("exact_vs_datatrove", "exact", "DataTrove", count, peer, note)
    if not same:
        bench.figures["exact_vs_datatrove"] = None


def shards(bench: Bench) -> None:
    count = SLICES["shards"]
    own = bench.ours("shards", count)
    corpus = bench.project.stage(f"near-{count}", "corpus")
    texts = [corpus.path(shard) for shard in corpus.files("text")]
    tokenizer = bench.project.tokenizer / "tokenizer.json"
    rest = (str(tokenizer), END)
    peer = peers.datatrove("shards", texts[0].parent, bench.folder, bench.workers, *rest)
    ours, theirs = np.concatenate(list(bench.project.tokens(f"near-{count}"))), peers.datatrove_tokens(bench.folder)
    same, spelled = _same_ids(ours, theirs, Tokenizer.from_file(str(tokenizer)).token_to_id(END), texts)
    encoder = bench.project.stage(f"near-{count}", "tokens").facts["encoder"]
    but = f" but of {spelled} documents that spell {END}, which ends them for DataTrove" if spelled else ""
    equal = f"identical{but}" if same else "NOT identical"
    note = f"{len(ours):,} ids, {equal}; memory {peer.peak_mib / own.peak_mib:.1f} times"
    bench.against("shards_vs_documenttokenizer", "shards", "DataTrove DocumentTokenizer", count, peer, note)
    print(f"{'':8} encoder: {json.dumps(encoder)}")
    if not same:
        bench.figures["shards_vs_documenttokenizer"] = None


def _same_ids(ours: np.ndarray, theirs: np.ndarray, end_id: int, files: list[Path]) -> tuple[bool, int]:
    """Whether both have the same ids for every document that does not spell the end token; and how many do."""
    ours_D, theirs_D = (np.split(ids, np.flatnonzero(ids == end_id) + 1) for ids in (ours, theirs))
    spelled = behind = 0
    for document, text in enumerate(text for file in files for text in pq.read_table(file)["text"].to_pylist()):
        times = text.count(END)  # to us it is text, as any other
        if times:
            spelled += 1
        elif not np.array_equal(ours_D[document], theirs_D[document + behind]):
            return False, spelled
        behind += times
    return len(theirs_D) == len(ours_D) + behind, spelled


def build(bench: Bench) -> None:
    """Files to token shards, with a tokenizer that exists, and what bounds it."""
    cost = bench.ours("near", 16) + bench.ours("shards", 16)
    bench.figures["build_mb_per_cpu_s"] = round(bench.megabytes[16] / cost.cpu_s, 2)
    bench.show("build", "domainlm, files to tokens", 16, cost)
    spec, workspace = bench.project.specs / "runs" / "near.yaml", bench.project.workspace("profile")
    subprocess.run(["rm", "-rf", str(workspace)], check=True)
    env = os.environ | {
        "PLANTED": str(bench.slices[4]),
        "BENCH_TOKENIZER": str(bench.project.tokenizer),
        "PYTHONPATH": str(Path(__file__).parent),
    }
    command = [sys.executable, "-m", "against.profile_build", str(spec), str(workspace)]
    found = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
    for stage, figures in json.loads(found.splitlines()[-1]).items():
        rest = "  ".join(f"{name} {share:.0%}" for name, share in figures.get("top", {}).items())
        share = figures.get("encode_share_of_cpu")
        rest = rest if share is None else f"encoder {share:.0%} (its check included)"
        print(f"profile  {stage:14} {figures['cpu_s']:6.1f} CPU-s of {bench.megabytes[4]:.0f} MB: {rest}", flush=True)
        if share is not None:
            bench.figures["encode_share_of_cpu"] = share


def growth(bench: Bench) -> None:
    """CPU-seconds per megabyte beyond the first slice, which start-up makes dear, and memory."""
    for what in ("near", "exact", "shards"):
        costs = [bench.ours(what, count) for count in GROWTH]
        steps = []
        for (x, a), (y, b) in itertools.pairwise(zip(GROWTH, costs, strict=True)):
            ms = 1000 * (b.cpu_s - a.cpu_s) / (bench.megabytes[y] - bench.megabytes[x])
            steps.append(f"{ms:.1f} ms CPU a MB from {x}x to {y}x")
        mib = " ".join(f"{cost.peak_mib:.0f}" for cost in costs)
        print(f"growth   {what:8} {'; '.join(steps)}; MiB {mib}", flush=True)


PARTS = {"near": near, "exact": exact, "shards": shards, "build": build, "growth": growth}


def _text_bytes(place: Path) -> int:
    return sum(len(text.encode()) for _, text in sources(place))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=320)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=ROOT / "workspace" / "bench-corpus")
    parser.add_argument("--only", default=",".join(PARTS))
    asked = parser.parse_args()
    begin = monotonic()
    bench = Bench(asked.folder.absolute(), asked.megabytes, asked.workers)
    about = bench.about
    print(
        f"{about['docs']:,} documents, {about['bytes'] / 1e6:.0f} MB out of {about['text']}, {about['pairs']:,} "
        f"planted pairs; {asked.workers} workers; machine code of our own compiled beforehand",
        flush=True,
    )
    bench.project.learn_tokenizer(bench.slices[4], asked.workers)
    bench.ours("near", 1), bench.ours("shards", 1)
    bench.own.clear()  # the first time, numba compiled
    for what in ("near", "exact", "shards"):
        bench.ours(what, 1)
    for name in asked.only.split(","):
        PARTS[name](bench)
    print(f"{monotonic() - begin:.0f} s in all")
    print(json.dumps(bench.figures))


if __name__ == "__main__":
    main()
