"""Text becomes token shards: each document once, in the corpus' order, closed by the end token, for any workers.

A token shard stands for one text shard. Those that an interrupted attempt finished are kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from domainlm.errors import DataError
from domainlm.manifest import Made, Manifest, shard_of
from domainlm.progress import tell
from domainlm.records import Shard
from domainlm.tokens.shards import ENDS_DTYPE, ShardWriter, ends_path, token_dtype
from domainlm.tokens.tokenizer import end_token_id, load, use_threads, vocab_size

_BATCH_DOCS = 1024
_BATCH_CHARACTERS = 2**22
"""Text encoded at once: the library needs about 80 bytes a token while it works, so some 100 MB."""


def write(tokenizer: Manifest, corpus: Manifest, folder: Path, *, workers: int) -> Made:
    """Token shards of all training text of the corpus, on `workers` threads.

    Raises DataError where a text shard holds another number of documents than the corpus counted.
    """
    use_threads(workers)
    encoder = load(tokenizer)
    end_id, num_ids = end_token_id(tokenizer), vocab_size(encoder)
    dtype = token_dtype(num_ids)
    text_shards = corpus.files("text", split="train")
    total_docs = sum(shard.num_docs for shard in text_shards)
    done_docs = 0
    shards: list[Shard] = []
    counts: dict[str, dict[str, int]] = {}
    for text in text_shards:
        path = folder / "tokens" / text.domain / text.source / f"{Path(text.path).stem}.bin"
        if not ends_path(path).is_file():
            _write_shard(corpus.path(text), path, folder / "work", encoder, end_id, dtype, done_docs, total_docs)
        num_docs, num_tokens = _size(path, dtype)
        if num_docs != text.num_docs:
            raise DataError(f"{corpus.path(text)}: {num_docs:,} documents, but the corpus counted {text.num_docs:,}")
        fields = {"domain": text.domain, "source": text.source, "split": "train", "text_bytes": text.text_bytes}
        for file, kind in ((path, "tokens"), (ends_path(path), "ends")):
            shards.append(shard_of(file, folder, kind, num_docs=num_docs, num_tokens=num_tokens, **fields))
        _add(counts.setdefault(f"{text.domain}/{text.source}", {"docs": 0, "tokens": 0, "bytes": 0}), shards[-1])
        done_docs += num_docs
        tell("tokens", done_docs, total_docs, "docs")
    shutil.rmtree(folder / "work", ignore_errors=True)
    return Made(
        shards=tuple(shards),
        counts={"sources": counts},
        facts={"dtype": dtype.name, "vocab_size": num_ids, "end_token_id": end_id},
    )


def encode(tokenizer: Tokenizer, texts: list[str], end_id: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The tokens of the texts one after the other, each closed by `end_id`, and how many each has, its end included."""
    ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    doc_tokens = np.array([len(document) + 1 for document in ids], np.int64)
    tokens = np.full(doc_tokens.sum(), end_id, np.int64)
    stop = 0
    for document in ids:
        tokens[stop : stop + len(document)] = document
        stop += len(document) + 1
    return tokens, doc_tokens


def _write_shard(
    text: Path, path: Path, work: Path, encoder: Tokenizer, end_id: int, dtype: np.dtype[Any], done: int, total: int
) -> None:
    with ShardWriter(path, work, dtype) as writer:
        for texts in _text_batches(text):
            writer.write(*encode(encoder, texts, end_id))
            tell(
                "tokens", done + writer.num_docs, total, "docs", source=f"{path.parent.parent.name}/{path.parent.name}"
            )


def _text_batches(path: Path) -> Iterator[list[str]]:
    """The file's texts, so many at a time that encoding them fits in memory. A document is never cut."""
    pending: list[str] = []
    characters = 0
    for batch in pq.ParquetFile(path).iter_batches(_BATCH_DOCS, columns=["text"]):
        for text in batch.column("text").to_pylist():
            pending.append(text)
            characters += len(text)
            if characters >= _BATCH_CHARACTERS:
                yield pending
                pending, characters = [], 0
    if pending:
        yield pending


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
