"""A base's byte-level BPE with more merges: its ids stay, no text costs more tokens, and it is encoded as fast.

The base's encoding of a text is where learning goes on: merges of its tokens go behind the base's own. So each new
token is a row of base tokens, and is made exactly where these are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer

from domainlm.errors import DataError
from domainlm.progress import tell
from domainlm.specs.byte_level import cannot_cross, cannot_extend, spelt, text_of
from domainlm.tokens.bpe import never_made
from domainlm.tokens.kernel import KEPT_BYTES
from domainlm.tokens.merges import Learnt, Merge, Rows, learn
from domainlm.tokens.pretoken import widened
from domainlm.tokens.rows import rows_of
from domainlm.tokens.tokenizer import vocab_size
from domainlm.tokens.transfer import Transfer

_PRICES = tuple(2.0**power for power in np.arange(-3, 9, 0.5))
"""What a token that is changed in text to be left may cost, in tokens saved where the new ones are learnt."""
_NEVER = 1e-9
"""A share of tokens that is as good as none."""


class Left(NamedTuple):
    """Text that the new tokens are to leave as it is."""

    texts: Iterable[list[str]]
    max_change: float
    """Share of its tokens that they may save."""


def extend(
    base: Tokenizer,
    new_tokens: int,
    texts: Iterable[list[str]],
    *,
    across_words: bool = False,
    left: Sequence[Left] = (),
) -> tuple[Tokenizer, Transfer]:
    """`base` with `new_tokens` more, learnt from `texts`, and what each is made of; ids go on from its last.

    `across_words`: a token may be several words, as in SuperBPE (arXiv:2503.13423); the base's cuts and tokens stay.
    Raises DataError where `base` is no byte-level BPE, or the texts have not so many merges left.
    """
    description = json.loads(base.to_str())
    refused = cannot_extend(description)
    if refused is not None:
        raise DataError(f"it cannot be extended: it has {refused}")
    apart = _widen(description) if across_words else set()
    rows = rows_of(base, [texts, *(one.texts for one in left)], across=across_words)
    first_id = vocab_size(base)
    takes = _taker(description, base.get_vocab(), apart)
    learnt = _learn(rows, first_id, new_tokens, takes, [one.max_change for one in left])
    if len(learnt.merges) < new_tokens:
        raise _too_few(new_tokens, len(learnt.merges), bool(left))
    pieces = _append(description, learnt.merges, first_id)
    extended = Tokenizer.from_str(json.dumps(description, ensure_ascii=False))
    extended.encode_special_tokens = base.encode_special_tokens
    _check(base, extended)
    return extended, Transfer(base_vocab_size=first_id, first_id=first_id, pieces=pieces)


def _widen(description: dict[str, Any]) -> set[str]:
    """Let the pre-tokenizer of a tokenizer.json leave words together; the tokens that have to stay by themselves.

    DataError where tokens of the base would change.
    """
    refused = cannot_cross(description)
    if refused is not None:
        raise DataError(f"it cannot be extended across words: it has {refused}")
    apart = set(never_made(description["model"]))
    description["pre_tokenizer"] = widened(description["pre_tokenizer"], sorted(map(text_of, apart)))
    return apart


def _learn(
    rows: Rows, first_id: int, num_merges: int, takes: Callable[[Merge], bool], max_changes: Sequence[float]
) -> Learnt:
    """The merges at the least price of a change at which no text that is left changes by more than it may."""

    least = max(_NEVER, min(max_changes, default=1.0))

    def at(price: float) -> Learnt:
        # Of two texts a change of that which may change less is the dearer one.
        weights_K = np.array([1.0, *(-price * least / max(change, _NEVER) for change in max_changes)])
        return learn(rows, first_id, num_merges, takes, weights_K)

    def fits(learnt: Learnt) -> bool:
        return bool((learnt.saved_K[1:] <= np.array(max_changes)).all())

    best = at(0.0)
    if fits(best):
        return best
    low, high = 0, len(_PRICES)
    best = Learnt([], best.saved_K)
    while low < high:
        middle = (low + high) // 2
        found = at(_PRICES[middle])
        tell("tokenizer: price of a change", high - low, None, "prices left")
        if fits(found):
            best, high = found, middle
        else:
            low = middle + 1
    return best


def _too_few(asked: int, found: int, priced: bool) -> DataError:
    why = "in the sample no more tokens stand together twice"
    more = "give it more text: sources, `sample_bytes` or `byte_ratio`"
    if priced:
        why = "no more of them leave the text of `max_change` as it is"
        more = f"raise `max_change`, or {more}"
    lower = f"Lower `new_tokens` to {found}, or {more}." if found else f"{more[0].upper()}{more[1:]}."
    return DataError(f"{asked:,} new tokens asked, but {found:,} found: {why}.\n{lower}")


def _taker(description: Mapping[str, Any], vocab: Mapping[str, int], apart: Collection[str]) -> Callable[[Merge], bool]:
    """Whether a merge may be made, of what the base or the merges before it made.

    Not those that make what the base has as a token that its merges never reach (it would come back to life), nor
    tokens that no text could hold since an added token cuts it first, or that are too long for the encoder's table of
    whole words, nor of what is `apart`.
    """
    of_id = {id_: token for token, id_ in vocab.items()}
    cutting = _cutting(description)

    def takes(merge: Merge) -> bool:
        if of_id[merge.left] in apart or of_id[merge.right] in apart:
            return False
        text = of_id[merge.left] + of_id[merge.right]
        if text in vocab or len(text) > KEPT_BYTES or any(added in text for added in cutting):
            return False
        of_id[merge.into] = text
        return True

    return takes


def _cutting(description: Mapping[str, Any]) -> list[str]:
    """Added tokens that cut a text before anything is merged, in the letters of bytes."""
    return [spelt(token["content"].encode()) for token in description["added_tokens"] if not token["special"]]


def _append(description: dict[str, Any], merges: Sequence[Merge], first_id: int) -> tuple[tuple[int, ...], ...]:
    """Put merges, and the tokens that they make, behind those of a tokenizer.json; what each token is made of.

    Those that join words come last: no word that is whole when they are made is changed by those within words.
    """
    model = description["model"]
    # Else they would be numbered anew when it is loaded, from the number of the model's tokens on.
    model["vocab"] |= {token["content"]: token["id"] for token in description["added_tokens"]}
    of_id = {id_: token for token, id_ in model["vocab"].items()}
    pieces: dict[int, tuple[int, ...]] = {}
    for merge in sorted(merges, key=lambda merge: merge.words > 1):
        of_id[merge.into] = of_id[merge.left] + of_id[merge.right]
        model["vocab"][of_id[merge.into]] = first_id + len(pieces)
        model["merges"].append([of_id[merge.left], of_id[merge.right]])
        pieces[merge.into] = pieces.get(merge.left, (merge.left,)) + pieces.get(merge.right, (merge.right,))
    return tuple(pieces.values())


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
