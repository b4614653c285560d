"""Text becomes token shards: each document once, in the corpus' order, closed by the end token, for any workers.

A token shard stands for one text shard. Those that an interrupted attempt finished are kept.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from domainlm.errors import DataError
from domainlm.manifest import Made, Manifest, shard_of
from domainlm.progress import tell
from domainlm.records import Shard
from domainlm.tokens import parity
from domainlm.tokens.encode import Encoded, Encoder, Fast, Library, choose, facts_of
from domainlm.tokens.shards import ENDS_DTYPE, ShardWriter, ends_path, token_dtype
from domainlm.tokens.tokenizer import end_token_id, load, use_threads, vocab_size

_BATCH_BYTES = 2**21
"""Text encoded at once, by one thread."""
_WORTH_CHECKING_BYTES = 2 * parity.SAMPLE_BYTES
"""Less text is left to `tokenizers`: to check another encoder would take as long."""


def write(tokenizer: Manifest, corpus: Manifest, folder: Path, *, workers: int) -> Made:
    """Token shards of all training text of the corpus, on `workers` threads.

    Raises DataError where a text shard holds another number of documents than the corpus counted.
    """
    use_threads(workers)
    library = load(tokenizer)
    end_id, num_ids = end_token_id(tokenizer), vocab_size(library)
    dtype = token_dtype(num_ids)
    text_shards = corpus.files("text", split="train")
    encoder, chosen = _encoder(library, end_id, corpus, sum(shard.text_bytes for shard in text_shards))
    total_docs = sum(shard.num_docs for shard in text_shards)
    done_docs = 0
    shards: list[Shard] = []
    counts: dict[str, dict[str, int]] = {}
    # `tokenizers` has threads of its own, as many as `workers`, and needs much memory for each batch.
    threads = workers if encoder.name == Fast.name else 1
    with ThreadPoolExecutor(threads) as pool:
        encode = partial(pool.submit, encoder.encode)
        for text in text_shards:
            path = folder / "tokens" / text.domain / text.source / f"{Path(text.path).stem}.bin"
            told = partial(_tell, done_docs, total_docs, f"{text.domain}/{text.source}", encoder.name)
            if not ends_path(path).is_file():
                _write_shard(corpus.path(text), path, folder / "work", encode, dtype, threads + 1, told)
            pair = _finished(path, text, corpus.path(text), folder, dtype)
            shards += pair
            _add(counts.setdefault(f"{text.domain}/{text.source}", {"docs": 0, "tokens": 0, "bytes": 0}), pair[-1])
            done_docs += text.num_docs
            told(text.num_docs)
    shutil.rmtree(folder / "work", ignore_errors=True)
    return Made(
        shards=tuple(shards),
        counts={"sources": counts},
        facts={"dtype": dtype.name, "vocab_size": num_ids, "end_token_id": end_id, "encoder": chosen},
    )


def _encoder(library: Tokenizer, end_id: int, corpus: Manifest, text_bytes: int) -> tuple[Encoder, dict[str, Any]]:
    """The encoder of the stage and the facts of its choice: see `choose`."""
    if text_bytes >= _WORTH_CHECKING_BYTES:
        return choose(library, end_id, parity.sample(corpus))
    reason = f"{text_bytes:,} bytes of text are encoded before another encoder is checked"
    return Library(library, end_id), facts_of(Library.name, reason=reason)


def _tell(done_docs: int, total_docs: int, source: str, encoder: str, num_docs: int) -> None:
    tell("tokens", done_docs + num_docs, total_docs, "docs", source=source, encoder=encoder)


def _write_shard(
    text: Path,
    path: Path,
    work: Path,
    encode: Callable[[pa.LargeStringArray], Future[Encoded]],
    dtype: np.dtype[Any],
    in_flight: int,
    tell_docs: Callable[[int], None],
) -> None:
    """Encode a text shard, with at most `in_flight` batches at once in memory, written in the order of the text."""
    pending: deque[Future[Encoded]] = deque()
    with ShardWriter(path, work, dtype) as writer:
        for texts in _text_batches(text):
            pending.append(encode(texts))
            if len(pending) >= in_flight:
                writer.write(*pending.popleft().result())
                tell_docs(writer.num_docs)
        while pending:
            writer.write(*pending.popleft().result())
        tell_docs(writer.num_docs)


def _text_batches(path: Path) -> Iterator[pa.LargeStringArray]:
    """The file's texts, some megabytes at a time. A document is never cut."""
    file = pq.ParquetFile(path)
    for group in range(file.num_row_groups):
        sizes = file.metadata.row_group(group)
        # As if its documents were of one length: a row group is bounded too, so one that is not costs little.
        num_rows = max(1, _BATCH_BYTES * sizes.num_rows // max(1, sizes.total_byte_size))
        for batch in file.iter_batches(num_rows, row_groups=[group], columns=["text"]):
            yield batch.column("text").cast(pa.large_string())


def _finished(path: Path, text: Shard, text_path: Path, folder: Path, dtype: np.dtype[Any]) -> list[Shard]:
    """The two shards of a finished text shard; DataError where it holds another number of documents than counted."""
    num_docs, num_tokens = _size(path, dtype)
    if num_docs != text.num_docs:
        raise DataError(f"{text_path}: {num_docs:,} documents, but the corpus counted {text.num_docs:,}")
    fields = {"domain": text.domain, "source": text.source, "split": "train", "text_bytes": text.text_bytes}
    return [
        shard_of(file, folder, kind, num_docs=num_docs, num_tokens=num_tokens, **fields)
        for file, kind in ((path, "tokens"), (ends_path(path), "ends"))
    ]


def _size(path: Path, dtype: np.dtype[Any]) -> tuple[int, int]:
    """Documents and tokens of a finished shard; DataError where its two files do not agree."""
    num_docs = ends_path(path).stat().st_size // ENDS_DTYPE.itemsize
    last = np.fromfile(ends_path(path), ENDS_DTYPE, offset=max(num_docs - 1, 0) * ENDS_DTYPE.itemsize)
    num_tokens = int(last.sum())
    if path.stat().st_size != num_tokens * dtype.itemsize:
        raise DataError(f"{path} does not hold the {num_tokens:,} tokens that its document ends name; delete it")
    return num_docs, num_tokens


def _add(counts: dict[str, int], shard: Shard) -> None:
    counts["docs"] += shard.num_docs
    counts["tokens"] += shard.num_tokens
    counts["bytes"] += shard.text_bytes
