"""Tokenizers side by side on the same text: what each makes of it, and what its vocabulary costs a model.

A larger vocabulary saves tokens and makes each dearer; FLOPs per byte of text is what is left of both.
"""

# V tokens of the vocabulary

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from domainlm.plan.shape import Shape, flops_per_token
from domainlm.tokens.fertility import figures, tally, tokens_behind_space
from domainlm.tokens.tokenizer import vocab_size

RENYI_ALPHA = 2.5
"""Zouhar et al., arXiv:2306.16842: at this one the efficiency goes best with a translation's quality."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """What a tokenizer makes of one domain."""

    domain: str
    num_bytes: int
    num_tokens: int
    bytes_per_token: float
    tokens_per_word: float
    words_kept_whole: float
    terms_hit: float | None
    """Share of the domain's terms of which no word is cut; None where there is no list."""
    renyi_efficiency: float
    """Renyi entropy of the tokens, of order 2.5, as a share of the most that the vocabulary could have."""
    code_bits_per_byte: float
    """log2(V) / bytes per token: BloombergGPT's criterion for the size, tokens x log2(V), by byte of text."""
    flops_per_byte: float
    """To train the model of the comparison on this text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """One tokenizer of a comparison."""

    name: str
    vocab_size: int
    shared_tokens: float
    """Share of the first one's tokens that this one has too."""
    keeps_ids: bool
    """Whether those are all of them, under the same ids: what was trained with the first can go on with this one."""
    num_parameters: int
    """Of the model of the comparison, with this vocabulary."""
    embedding_parameters: int
    flops_per_token: int
    fits: tuple[Fit, ...]
    """By domain."""


def compare(
    tokenizers: Mapping[str, Tokenizer],
    texts: Mapping[str, Sequence[list[str]]],
    terms: Mapping[str, Sequence[str]],
    shape: Shape,
    *,
    sequence_tokens: int,
) -> list[Compared]:
    """Each of `tokenizers` on `texts` by domain, with `terms` by domain where there are some; the first is the base.

    The model of the comparison has `shape`, with the rows of embeddings that each vocabulary needs.
    """
    base = next(iter(tokenizers.values())).get_vocab()
    found = []
    for name, tokenizer in tokenizers.items():
        size = vocab_size(tokenizer)
        own = shape.with_vocabulary(size)
        per_token = flops_per_token(own, sequence_tokens)
        vocab = tokenizer.get_vocab()
        fits = [fit(tokenizer, domain, batches, terms.get(domain, ()), per_token) for domain, batches in texts.items()]
        found.append(
            Compared(
                name=name,
                vocab_size=size,
                shared_tokens=len(base.keys() & vocab.keys()) / len(base),
                keeps_ids=base.items() <= vocab.items(),
                num_parameters=own.num_parameters,
                embedding_parameters=own.root_parameters,
                flops_per_token=per_token,
                fits=tuple(fits),
            )
        )
    return found


def fit(tokenizer: Tokenizer, domain: str, batches: Iterable[list[str]], terms: Collection[str], per_token: int) -> Fit:
    """What a tokenizer makes of a domain; a token costs a model `per_token` FLOPs."""
    tallied = tally(tokenizer, batches)
    measured = figures(tokenizer, tallied)
    bits = math.log2(vocab_size(tokenizer))
    a_byte = 1 / measured["bytes_per_token"] if measured["bytes_per_token"] else 0.0
    return Fit(
        domain=domain,
        num_bytes=tallied.num_bytes,
        num_tokens=int(tallied.tokens_V.sum()),
        **measured,
        terms_hit=hit_rate(tokenizer, terms) if terms else None,
        renyi_efficiency=renyi_efficiency(tallied.tokens_V),
        code_bits_per_byte=bits * a_byte,
        flops_per_byte=per_token * a_byte,
    )


def hit_rate(tokenizer: Tokenizer, terms: Collection[str]) -> float:
    """Share of terms that take no more tokens than they have words, behind a space."""
    listed = list(terms)
    counts = tokens_behind_space(tokenizer, listed)
    return sum(count <= len(term.split()) for term, count in zip(listed, counts, strict=True)) / len(listed)


def renyi_efficiency(tokens_V: npt.NDArray[np.int64], alpha: float = RENYI_ALPHA) -> float:
    """Renyi entropy of the tokens' frequencies as a share of log V. Source: arXiv:2306.16842, section 3.

    >>> renyi_efficiency(np.array([5, 5, 5, 5])), round(renyi_efficiency(np.array([9, 1, 0, 0])), 3)
    (1.0, 0.125)
    """
    total = tokens_V.sum()
    if not total or tokens_V.size < 2:
        return 0.0
    shares = tokens_V[tokens_V > 0] / total
    return float(np.log(np.sum(shares**alpha)) / (1 - alpha) / math.log(tokens_V.size))


def flops(count: float) -> str:
    """In words that read alike over a row.

    >>> flops(2.5e9), flops(1.234e10)
    ('2.50 G', '12.34 G')
    """
    power, letter = next(((10**p, name) for p, name in ((12, "T"), (9, "G"), (6, "M")) if count >= 10**p), (1, ""))
    return f"{count / power:.2f} {letter}".rstrip()
