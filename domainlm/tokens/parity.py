"""Texts on which two encoders must agree before one stands in for the other, and where they do not."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from domainlm.errors import DataError
from domainlm.manifest import Manifest

SAMPLE_BYTES = 2_000_000
"""Text of the corpus that is compared; `tokenizers` takes a second for it."""
_DOC_CHARS = 20_000
"""Of a longer document its beginning is compared."""
_MAX_SHARDS = 64
_NUM_RANDOM = 600
_CONTRACTIONS = "'s 't 're 've 'm 'll 'd 'S 'LL 'Re 'ſ 'K ’s"
_NUMBERS = "1 23 456 7890 ٣ ½ Ⅷ \U00011de0"
_LETTERS = "一 字 가 ㅏ é e\u0301 ß İ ſ K ﬁ Å 𝒜 🙂 👩\u200d👩\u200d👧 🇫🇷"
_WORDS = "the The word straße Привет ελληνικά हिन्दी ไทย עברית 한국어"
_PIECES = (
    *" \t\n\r\v\f\0'\"-_.,!?/\\<>|a\u0301",
    *"\x1c\x85\xa0\u1680\u2003\u200b\u2028\u202f\u205f\u3000\ufeff\u00ad\u0338\u0345\u1100\u1161\u11a8\ufffd\U0010ffff",
    *["  ", "   ", "\r\n", "\n\n", " \n ", " The"],
    *(piece for pieces in (_CONTRACTIONS, _NUMBERS, _LETTERS, _WORDS) for piece in pieces.split(" ")),
)
Item = TypeVar("Item", str, int)
Encode = Callable[[pa.LargeStringArray], tuple[npt.NDArray[np.generic], npt.NDArray[np.int64]]]


def sample(corpus: Manifest, num_bytes: int = SAMPLE_BYTES) -> list[str]:
    """Beginnings of training documents from all over the corpus, about `num_bytes` in all: the same each time."""
    shards = corpus.files("text", split="train")
    shards = shards[:: -(-len(shards) // _MAX_SHARDS)] if shards else []
    texts: list[str] = []
    for shard in shards:
        file = pq.ParquetFile(corpus.path(shard))
        groups = sorted({0, file.num_row_groups // 2, file.num_row_groups - 1} & set(range(file.num_row_groups)))
        for group in groups:
            left = num_bytes // len(shards) // len(groups)
            for batch in file.iter_batches(8, row_groups=[group], columns=["text"]):
                for text in batch.column("text"):
                    texts.append(text.as_py()[:_DOC_CHARS])
                    left -= len(texts[-1].encode())
                if left <= 0:
                    break
    return texts


def adversarial(tokenizer: Tokenizer, classes: npt.NDArray[np.uint8]) -> list[str]:
    """Strings at which encoders come apart: edges of character classes, white space, contractions, long runs, marks.

    `classes` is the class of each code point, as the faster encoder has it.
    """
    rng = random.Random(0)  # noqa: S311
    edges = np.flatnonzero(np.diff(classes))
    points = sorted({*edges.tolist(), *(edges + 1).tolist()} - set(range(0xD800, 0xE000)))
    at_edges = ["".join(f"{chr(p)}a {chr(p)}1{chr(p)}{chr(p)} ." for p in part) for part in _split(points, 64)]
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    pool = [*_PIECES, *added, *(text[1:] for text in added), *(text[:-1] for text in added)]
    mixed = ["".join(rng.choices(pool, k=rng.randint(1, 24))) for _ in range(_NUM_RANDOM)]
    anything = ["".join(chr(rng.choice(points)) for _ in range(rng.randint(1, 30))) for _ in range(_NUM_RANDOM)]
    pairs = ["".join(f"{a}{b}{a}" for b in _PIECES) for a in _PIECES]
    runs = [piece * count for piece in _PIECES for count in (15, 16, 127, 128, 1000)]
    words = ["".join(rng.choices("etaoin shrdlu", k=3000)), "".join(rng.choices("ab", k=3000))]
    return ["", *at_edges, *mixed, *anything, *pairs, *runs, *words]


def mismatches(one: Encode, other: Encode, texts: Sequence[str]) -> list[str]:
    """The texts that two encoders give different ids."""
    wrong = []
    for part in _split(texts, 256):
        batch = pa.array(part, pa.large_string())
        (ids, counts), (wanted, wanted_counts) = one(batch), other(batch)
        if len(counts) != len(part) or len(wanted_counts) != len(part):
            raise DataError(f"{len(counts)} and {len(wanted_counts)} results for {len(part)} texts")
        if np.array_equal(counts, wanted_counts) and np.array_equal(ids, wanted):
            continue
        found = np.split(ids, np.cumsum(counts)[:-1]), np.split(wanted, np.cumsum(wanted_counts)[:-1])
        wrong += [text for text, a, b in zip(part, *found, strict=True) if not np.array_equal(a, b)]
    return wrong


def _split(items: Sequence[Item], count: int) -> list[list[Item]]:
    return [list(items[start : start + count]) for start in range(0, len(items), count)]
