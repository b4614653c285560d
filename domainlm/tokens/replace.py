"""Another vocabulary in the place of a base's: what each of its tokens is in tokens of the base's."""

from __future__ import annotations

import json
from collections.abc import Callable

from tokenizers import Tokenizer

from domainlm.specs.byte_level import cannot_extend, letters
from domainlm.tokens.tokenizer import vocab_size
from domainlm.tokens.transfer import Transfer


def replace(base: Tokenizer, new: Tokenizer, *, base_end: str, end: str) -> Transfer:
    """What each token of `new`, a byte-level one, is made of in `base`'s; the end tokens stand for each other."""
    byte_of_letter = {letter: byte for byte, letter in enumerate(letters())}
    ids_of = _by_bytes(base) if cannot_extend(json.loads(base.to_str())) is None else _by_text(base)
    of_special = {token.content: id_ for id_, token in base.get_added_tokens_decoder().items()}
    of_special[end] = base.get_vocab()[base_end]
    pieces: list[tuple[int, ...]] = [()] * vocab_size(new)
    for token, id_ in new.get_vocab().items():
        if token in of_special:
            pieces[id_] = (of_special[token],)
        elif all(letter in byte_of_letter for letter in token):
            pieces[id_] = ids_of(bytes(byte_of_letter[letter] for letter in token))
    return Transfer(base_vocab_size=vocab_size(base), first_id=0, pieces=tuple(pieces))


def _by_bytes(base: Tokenizer) -> Callable[[bytes], tuple[int, ...]]:
    model, letter_of_byte = base.model, letters()

    def ids_of(content: bytes) -> tuple[int, ...]:
        word = "".join(letter_of_byte[byte] for byte in content)
        whole = model.token_to_id(word)
        return (whole,) if whole is not None else tuple(token.id for token in model.tokenize(word))

    return ids_of


def _by_text(base: Tokenizer) -> Callable[[bytes], tuple[int, ...]]:
    """Of a base whose tokens are characters: it puts a space of its own before a text, or has none at all."""
    unknown = {base.token_to_id(name) for name in ("<unk>", "[UNK]")}

    def ids_of(content: bytes) -> tuple[int, ...]:
        text = content.decode(errors="ignore").removeprefix(" ")
        ids = base.encode(text, add_special_tokens=False).ids if text else []
        return tuple(id_ for id_ in ids if id_ not in unknown)

    return ids_of
