"""DataTrove's own pipelines, run as its examples run them: near-duplicates, exact duplicates, token files.

python -m against.datatrove_jobs near|near-whitespace|exact|shards INPUT OUTPUT WORKERS [TOKENIZER]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup import (
    ExactDedupFilter,
    ExactDedupSignature,
    ExactFindDedups,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.exact_dedup import ExactDedupConfig
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import JsonlReader, ParquetReader
from datatrove.pipeline.tokens import DocumentTokenizer
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.word_tokenizers import WordTokenizer

NUM_BUCKETS = 14


class Whitespace(WordTokenizer):
    """Words are what stands between white space: the least that a word tokenizer can do."""

    def word_tokenize(self, text: str) -> list[str]:
        return text.split()

    def sent_tokenize(self, text: str) -> list[str]:
        return [text]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


def run(steps: Sequence[PipelineStep], out: Path, name: str, tasks: int, workers: int) -> None:
    executor = LocalPipelineExecutor(
        pipeline=list(steps), tasks=tasks, workers=min(workers, tasks), logging_dir=str(out / "logs" / name)
    )
    executor.run()


def near(source: Path, out: Path, workers: int, language: str | WordTokenizer) -> None:
    """The four stages of its example minhash_deduplication.py, at 14 x 8 and 5-grams."""
    config = MinhashConfig(n_grams=5, num_buckets=NUM_BUCKETS, hashes_per_bucket=8)
    tasks = len(list(source.glob("*.jsonl")))
    signatures, buckets, removed = (str(out / name) for name in ("signatures", "buckets", "removed"))
    reader = JsonlReader(str(source), glob_pattern="*.jsonl")
    signing = MinhashDedupSignature(signatures, config=config, language=language)
    run([reader, signing], out, "signatures", tasks, workers)
    run([MinhashDedupBuckets(signatures, buckets, config=config)], out, "buckets", NUM_BUCKETS, workers)
    run([MinhashDedupCluster(buckets, removed, config=config)], out, "clusters", 1, 1)
    keeping = [reader, MinhashDedupFilter(removed), JsonlWriter(str(out / "kept"))]
    run(keeping, out, "filter", tasks, workers)


def _text(document: object) -> str:
    return document.text  # type: ignore[attr-defined]


def exact(source: Path, out: Path, workers: int) -> None:
    config = ExactDedupConfig(content_getter=_text)
    tasks = len(list(source.glob("*.jsonl")))
    signatures, found = str(out / "signatures"), str(out / "found")
    reader = JsonlReader(str(source), glob_pattern="*.jsonl")
    run([reader, ExactDedupSignature(signatures, config, finder_workers=workers)], out, "signatures", tasks, workers)
    run([ExactFindDedups(signatures, found, config)], out, "find", workers, workers)
    run([reader, ExactDedupFilter(found, config), JsonlWriter(str(out / "kept"))], out, "filter", tasks, workers)


def shards(source: Path, out: Path, workers: int, tokenizer: str, end_token: str) -> None:
    """Token files of Parquet files, in the order of the text, so that ids can be compared."""
    tasks = len(list(source.glob("*.parquet")))
    reader = ParquetReader(str(source), glob_pattern="*.parquet")
    writer = DocumentTokenizer(
        str(out / "tokens"), tokenizer, str(out / "work"), eos_token=end_token, shuffle_documents=False
    )
    run([reader, writer], out, "tokens", tasks, workers)


def main(job: str, source: str, out: str, workers: str, *rest: str) -> None:
    places = (Path(source), Path(out), int(workers))
    match job:
        case "near":
            near(*places, "eng")
        case "near-whitespace":
            near(*places, Whitespace("eng"))
        case "exact":
            exact(*places)
        case "shards":
            shards(*places, *rest)


if __name__ == "__main__":
    main(*sys.argv[1:])
