"""A base's byte-level BPE with more merges: its ids stay, no text costs more tokens, and it is encoded as fast.

The base's encoding of a word is where learning goes on: its tokens stand as letters, and merges of these, learnt by the
library, go behind the base's own. So each new token is a row of base tokens, and is made exactly where these are.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from domainlm.errors import DataError
from domainlm.specs.byte_level import cannot_extend, letters
from domainlm.tokens import words
from domainlm.tokens.kernel import KEPT_BYTES
from domainlm.tokens.pretoken import Refused, cuts
from domainlm.tokens.tokenizer import vocab_size
from domainlm.tokens.transfer import Transfer

_FIRST_LETTER = 0x20000
"""Code points from here on stand for base tokens: none is white space, and there are more than any vocabulary has."""
_SPARE = 1.25
"""Merges learnt beyond those asked, in case some cannot be taken."""
_REPEATS_CHARS = 1_000_000
"""Text of repeated words that the library is given at once."""

Parts = tuple[str, str]


def extend(base: Tokenizer, new_tokens: int, texts: Iterable[list[str]]) -> tuple[Tokenizer, Transfer]:
    """`base` with `new_tokens` more, learnt from `texts`, and what each is made of; ids go on from its last.

    Raises DataError where `base` is no byte-level BPE, or the texts have not so many merges left.
    """
    description = json.loads(base.to_str())
    refused = cannot_extend(description)
    if refused is not None:
        raise DataError(f"it cannot be extended: it has {refused}")
    learnt = _learn(base, _counted(base, texts), round(new_tokens * _SPARE) + 64)
    text_of = {id_: token for token, id_ in base.get_vocab(with_added_tokens=False).items()}
    kept = _kept(learnt, text_of, set(base.get_vocab()), _cutting(description), new_tokens)
    if len(kept) < new_tokens:
        raise DataError(
            f"{new_tokens:,} new tokens asked, but {len(kept):,} found: in the sample no more tokens stand together "
            f"twice.\nLower `new_tokens` to {len(kept)}, or give it more text: sources, `sample_bytes` or `byte_ratio`."
        )
    first_id = vocab_size(base)
    _append(description, kept, text_of, first_id)
    extended = Tokenizer.from_str(json.dumps(description, ensure_ascii=False))
    extended.encode_special_tokens = base.encode_special_tokens
    _check(base, extended)
    pieces = tuple(_base_ids(left + right) for left, right in kept)
    return extended, Transfer(base_vocab_size=first_id, first_id=first_id, pieces=pieces)


def _counted(base: Tokenizer, texts: Iterable[list[str]]) -> Iterator[tuple[str, int]]:
    """The base's pretokens, in the letters of bytes, and how often each stands in the texts."""
    normalizer, pre_tokenizer = base.normalizer, base.pre_tokenizer
    if normalizer is not None:
        texts = ([normalizer.normalize_str(text) for text in batch] for batch in texts)
    try:
        found = words.count_cuts(texts, cuts(json.loads(pre_tokenizer.__getstate__())))
    except Refused:  # a pattern that the kernel does not know: the library counts, some twenty times slower
        counted: Counter[str] = Counter()
        for batch in texts:
            for text in batch:
                counted.update(piece for piece, _ in pre_tokenizer.pre_tokenize_str(text))
        yield from counted.items()
        return
    letter_of_byte = letters()
    data, ends = found.text.tobytes(), found.offsets.tolist()
    for begin, end, count in zip(ends, ends[1:], found.counts.tolist(), strict=False):
        yield "".join(letter_of_byte[byte] for byte in data[begin:end]), count


def _learn(base: Tokenizer, counted: Iterable[tuple[str, int]], num_merges: int) -> list[Parts]:
    """Merges of rows of base tokens, in the order in which they are best, each token as the letter that stands for it.

    A word that is one token already has nothing to merge, and is not learnt from.
    """
    model = base.model
    of_words = [
        ("".join(chr(_FIRST_LETTER + token.id) for token in tokens), count)
        for word, count in counted
        if len(tokens := model.tokenize(word)) > 1
    ]
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    num_letters = len({letter for word, _ in of_words for letter in word})
    trainer = trainers.BpeTrainer(vocab_size=num_letters + num_merges, min_frequency=2, show_progress=False)
    learner.train_from_iterator(_repeated(of_words), trainer)
    return [tuple(parts) for parts in json.loads(learner.to_str())["model"]["merges"]]


def _repeated(counted: Iterable[tuple[str, int]]) -> Iterator[str]:
    """Each word as often as it stands in the text: the library counts for itself."""
    for word, count in counted:
        at_once = max(1, _REPEATS_CHARS // len(word))
        while count > 0:
            yield f"{word} " * min(count, at_once)
            count -= at_once


def _base_ids(row: str) -> tuple[int, ...]:
    return tuple(ord(letter) - _FIRST_LETTER for letter in row)


def _text(row: str, text_of: Mapping[int, str]) -> str:
    return "".join(text_of[id_] for id_ in _base_ids(row))


def _cutting(description: Mapping[str, Any]) -> list[str]:
    """Added tokens that cut a text before anything is merged, in the letters of bytes."""
    letter_of_byte = letters()
    texts = [token["content"] for token in description["added_tokens"] if not token["special"]]
    return ["".join(letter_of_byte[byte] for byte in text.encode()) for text in texts]


def _kept(
    learnt: Iterable[Parts], text_of: Mapping[int, str], known: set[str], cutting: list[str], most: int
) -> list[Parts]:
    """The first merges that can be taken.

    Not those that make what the base has as a token that its merges never reach (it would come back to life), nor
    tokens that no text could hold since an added token cuts it first, or that are too long for the encoder's table of
    whole words, nor what is built on any of these.
    """
    kept: list[Parts] = []
    dropped: set[str] = set()
    for left, right in learnt:
        text = _text(left + right, text_of)
        idle = text in known or len(text) > KEPT_BYTES or any(added in text for added in cutting)
        if idle or left in dropped or right in dropped:
            dropped.add(left + right)
        elif len(kept) < most:
            kept.append((left, right))
    return kept


def _append(description: dict[str, Any], kept: Iterable[Parts], text_of: Mapping[int, str], first_id: int) -> None:
    """Put the merges, and the tokens that they make, behind those of a tokenizer.json."""
    model = description["model"]
    # Else they would be numbered anew when it is loaded, from the number of the model's tokens on.
    model["vocab"] |= {token["content"]: token["id"] for token in description["added_tokens"]}
    for number, (left, right) in enumerate(kept):
        model["vocab"][_text(left + right, text_of)] = first_id + number
        model["merges"].append([_text(left, text_of), _text(right, text_of)])


def _check(base: Tokenizer, extended: Tokenizer) -> None:
    """Raises DataError where the base's tokens have not kept their ids, or are no longer spelt as they were."""
    vocab = extended.get_vocab()
    lost = [token for token, id_ in base.get_vocab().items() if vocab.get(token) != id_]
    for token in base.get_added_tokens_decoder().values():
        # With `ignore_merges` a whole word that spells it would now be that token.
        if base.model.token_to_id(token.content) is None and _is_word(extended, token.content):
            lost.append(token.content)
    if lost:
        raise DataError(f"it cannot be extended: {len(lost)} of its tokens would change, such as {lost[0]!r}")


def _is_word(tokenizer: Tokenizer, text: str) -> bool:
    """Whether the model makes one token of a text that is spelt like an added token."""
    pieces = tokenizer.pre_tokenizer.pre_tokenize_str(text)
    return len(pieces) == 1 and [token.value for token in tokenizer.model.tokenize(pieces[0][0])] == [text]
