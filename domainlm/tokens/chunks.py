"""A Unigram model from models of chunks, learnt by whatever runs them: the chunks are the spec's, so the bytes are too.

Source: BloombergGPT, arXiv:2303.17564, section 2.2: the text is cut into chunks, each gets a Unigram model of its own,
and these are merged by the mean of their probabilities, weighted by the chunks' bytes: first those of a domain, then
the domains. What is over the size goes as in a Unigram model of one piece, by what its loss costs; the paper does not
say how it went there.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from domainlm.digest import digest
from domainlm.specs.tokenizer import Pretokens, TokenizerSpec
from domainlm.tokens import unigram, words
from domainlm.tokens.sample import DomainSample, texts

CHUNK_BYTES = 16_000_000
_LEAST_CHUNK_PIECES = 65_536
"""BloombergGPT's, for its 131,072 tokens."""
_BATCH_DOCS = 64
_FAN_IN = 8
"""Models that are held in memory to be merged; their merger goes on. The means are the same for any number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """A part of the sample that gets a model of its own."""

    domain: str
    text: Path
    """Parquet with a column `text`."""
    num_bytes: int
    model: Path
    """Parquet with what it becomes: columns `piece` and `prob`."""
    pretokens: Pretokens
    split_digits: bool
    num_pieces: int


Each = Callable[[Callable[[Chunk], None], Sequence[Chunk], Callable[[Chunk], bool], Path], None]
"""each(function, items, is_done, logs): calls `function` for every item that `is_done` does not know, in any order and
any process."""


def in_turn(
    function: Callable[[Chunk], None], items: Sequence[Chunk], is_done: Callable[[Chunk], bool], _: Path
) -> None:
    """All in this process, one after the other."""
    for item in items:
        if not is_done(item):
            function(item)


def learn(
    spec: TokenizerSpec, samples: Mapping[str, DomainSample], num_pieces: int, folder: Path, each: Each
) -> tuple[list[tuple[bytes, float]], int]:
    """At most `num_pieces` pieces with their log probabilities, and the number of chunks; what is half done in `folder`
    goes on.
    """
    cut = _cut(spec, samples, num_pieces, folder)
    each(learn_chunk, cut, is_done, folder / "logs")
    of_domains = [
        _folded((chunk.num_bytes, pq.read_table(chunk.model)) for chunk in cut if chunk.domain == domain)
        for domain in samples
    ]
    num_bytes, whole = _folded(model for model in of_domains if model[0])
    counts, pieces = whole.column("prob").to_numpy(), whole.column("piece").to_pylist()
    # How many tokens the whole sample would be: its bytes by the mean length of a token.
    num_tokens = num_bytes / float((counts * [len(piece) for piece in pieces]).sum())
    return unigram.pruned(pieces, counts * num_tokens, num_pieces), len(cut)


def learn_chunk(chunk: Chunk) -> None:
    """Write a chunk's model."""
    batches = (batch.column("text").to_pylist() for batch in pq.ParquetFile(chunk.text).iter_batches(_BATCH_DOCS))
    counted = words.count(batches, chunk.pretokens, split_digits=chunk.split_digits)
    pieces = unigram.learn(counted, chunk.num_pieces, label=f"tokenizer: {chunk.text.stem}")
    columns = {"piece": [piece for piece, _ in pieces], "prob": [math.exp(log_prob) for _, log_prob in pieces]}
    schema = pa.schema([("piece", pa.binary()), ("prob", pa.float64())])
    making = chunk.model.with_suffix(".making")
    pq.write_table(pa.table(columns, schema=schema), making)
    making.replace(chunk.model)


def is_done(chunk: Chunk) -> bool:
    return chunk.model.is_file()


def merged(models: Sequence[tuple[int, pa.Table]]) -> tuple[int, pa.Table]:
    """The mean of models, each weighted by its bytes of text: (their bytes, (piece, prob) in the pieces' order)."""
    total_bytes = sum(num_bytes for num_bytes, _ in models)
    parts = []
    for num_bytes, model in models:
        share = num_bytes / total_bytes
        probs = pa.array(model.column("prob").to_numpy() * share)
        parts.append(model.set_column(1, "prob", probs))
    # One thread, so that sums are of the same order each time.
    sums = pa.concat_tables(parts).group_by("piece", use_threads=False).aggregate([("prob", "sum")])
    return total_bytes, sums.select(["piece", "prob_sum"]).rename_columns(["piece", "prob"]).sort_by("piece")


def _folded(models: Iterator[tuple[int, pa.Table]]) -> tuple[int, pa.Table]:
    """All models merged, some at a time."""
    held: list[tuple[int, pa.Table]] = []
    for model in models:
        held.append(model)
        if len(held) == _FAN_IN:
            held = [merged(held)]
    return (
        merged(held)
        if held
        else (0, pa.table({"piece": pa.array([], pa.binary()), "prob": pa.array([], pa.float64())}))
    )


def _cut(spec: TokenizerSpec, samples: Mapping[str, DomainSample], num_pieces: int, folder: Path) -> list[Chunk]:
    """The chunks, with their text on disk; what another spec left there goes."""
    chunk_pieces = spec.chunk_vocab_size or max(_LEAST_CHUNK_PIECES, num_pieces // 2)
    limit = spec.chunk_bytes or CHUNK_BYTES
    key = digest([spec, {domain: int(sample.kept_bytes_D.sum()) for domain, sample in samples.items()}])
    mark = folder / "chunks.json"
    if not mark.is_file() or json.loads(mark.read_text())["key"] != key:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        sizes = {
            f"{domain}-{number:05d}": _written(folder / f"{domain}-{number:05d}.parquet", part)
            for domain, sample in samples.items()
            for number, part in enumerate(_parts(sample, limit))
        }
        mark.write_text(json.dumps({"key": key, "sizes": sizes}))
    sizes = json.loads(mark.read_text())["sizes"]
    return [
        Chunk(
            domain=name.rpartition("-")[0],
            text=folder / f"{name}.parquet",
            num_bytes=num_bytes,
            model=folder / f"{name}.model",
            pretokens=spec.pretokens,
            split_digits=spec.split_digits,
            num_pieces=chunk_pieces,
        )
        for name, num_bytes in sizes.items()
    ]


def _parts(sample: DomainSample, limit: int) -> Iterator[list[str]]:
    """The sample's documents in parts of about equal size, of at most `limit` bytes and one document."""
    total = int(sample.kept_bytes_D.sum())
    size = total / max(1, math.ceil(total / limit))
    part: list[str] = []
    held = 0
    for batch in texts(sample):
        for text in batch:
            part.append(text)
            held += len(text.encode())
            if held >= size:
                yield part
                part, held = [], 0
    if part:
        yield part


def _written(path: Path, part: list[str]) -> int:
    table = pa.table({"text": pa.array(part, pa.large_string())})
    pq.write_table(table, path, row_group_size=_BATCH_DOCS, compression="zstd")
    return sum(len(text.encode()) for text in part)
