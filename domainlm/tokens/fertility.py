"""How well a vocabulary fits a domain: measured on text that the tokenizer was not trained on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from tokenizers import Tokenizer

from domainlm.digest import seed_for
from domainlm.manifest import Manifest
from domainlm.tokens.sample import available_bytes, choose, texts

_SAMPLE_BYTES = 8_000_000
"""Held-out text measured per domain, at most; the third digit of each figure stands still well before."""
_WORD = re.compile(r"[^\W\d_]+")


def by_domain(tokenizer: Tokenizer, corpus: Manifest, *, seed: int) -> dict[str, dict[str, float]]:
    """`measure` on the held-out text of each domain that has some."""
    found = {}
    for domain, num_bytes in sorted(available_bytes(corpus, "heldout").items()):
        if num_bytes:
            sample = choose(corpus, "heldout", domain, _SAMPLE_BYTES, seed_for(seed, "fertility", domain))
            found[domain] = measure(tokenizer, texts(sample))
    return found


def measure(tokenizer: Tokenizer, batches: Iterable[list[str]]) -> dict[str, float]:
    """What `tokenizer` makes of texts.

    - bytes_per_token: UTF-8 bytes of text per token.
    - tokens_per_word: tokens per word, the fertility of Rust et al., arXiv:2012.15613. A word is a longest run of
      letters, encoded by itself behind a space.
    - words_kept_whole: share of words that are one token; the rest is Rust et al.'s proportion of continued words.
    """
    num_bytes = num_tokens = 0
    word_counts: Counter[str] = Counter()
    for batch in batches:
        num_bytes += sum(len(text.encode()) for text in batch)
        num_tokens += sum(len(encoding) for encoding in tokenizer.encode_batch_fast(batch, add_special_tokens=False))
        for text in batch:
            word_counts.update(_WORD.findall(text))
    words = list(word_counts)
    pieces = [
        len(encoding)
        for encoding in tokenizer.encode_batch_fast([f" {word}" for word in words], add_special_tokens=False)
    ]
    num_words = word_counts.total()
    spent = sum(count * word_counts[word] for word, count in zip(words, pieces, strict=True))
    whole = sum(word_counts[word] for word, count in zip(words, pieces, strict=True) if count == 1)
    return {
        "bytes_per_token": num_bytes / num_tokens if num_tokens else 0.0,
        "tokens_per_word": spent / num_words if num_words else 0.0,
        "words_kept_whole": whole / num_words if num_words else 0.0,
    }
