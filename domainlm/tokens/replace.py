"""Another vocabulary in the place of a base's: what each of its tokens is in tokens of the base's."""

from __future__ import annotations

import json
from collections.abc import Callable

from tokenizers import Tokenizer

from domainlm.specs.byte_level import byte_of_letter, cannot_extend, spelt
from domainlm.tokens.tokenizer import vocab_size
from domainlm.tokens.transfer import Transfer


def replace(base: Tokenizer, new: Tokenizer, *, base_end: str, end: str) -> Transfer:
    """What each token of `new`, a byte-level one, is made of in `base`'s; the end tokens stand for each other.

    Of a special token nothing is known but where the base has one of its name.
    """
    byte_of = byte_of_letter()
    ids_of = _by_bytes(base) if cannot_extend(json.loads(base.to_str())) is None else _by_text(base)
    of_special = {token.content: id_ for id_, token in base.get_added_tokens_decoder().items()}
    of_special[end] = base.get_vocab()[base_end]
    special = new.get_added_tokens_decoder()
    pieces: list[tuple[int, ...]] = [()] * vocab_size(new)
    for token, id_ in new.get_vocab().items():
        if id_ in special:  # only of these: text may spell one of the base's, as HTML does `<s>`
            pieces[id_] = (of_special[token],) if token in of_special else ()
        elif all(letter in byte_of for letter in token):
            pieces[id_] = ids_of(bytes(byte_of[letter] for letter in token))
    return Transfer(base_vocab_size=vocab_size(base), first_id=0, pieces=tuple(pieces))


def _by_bytes(base: Tokenizer) -> Callable[[bytes], tuple[int, ...]]:
    model = base.model
    # Such as GPT-NeoX's tokens of spaces, which its merges do not make.
    added = {t.content.encode(): id_ for id_, t in base.get_added_tokens_decoder().items() if not t.special}

    def ids_of(content: bytes) -> tuple[int, ...]:
        word = spelt(content)
        whole = added.get(content, model.token_to_id(word))
        return (whole,) if whole is not None else tuple(token.id for token in model.tokenize(word))

    return ids_of


def _by_text(base: Tokenizer) -> Callable[[bytes], tuple[int, ...]]:
    """Of a base whose tokens are characters: it puts a space of its own before a text, or has none at all.

    Of part of a character, and of what the base has no token for, nothing is known: the rest would be another text.
    """
    unknown = {base.token_to_id(name) for name in ("<unk>", "[UNK]")}

    def ids_of(content: bytes) -> tuple[int, ...]:
        try:
            text = content.decode().removeprefix(" ")
        except UnicodeDecodeError:
            return ()
        ids = base.encode(text, add_special_tokens=False).ids if text else []
        return () if unknown & set(ids) else tuple(ids)

    return ids_of
