"""The encoder of a tokens stage: a fast one where it is shown to give the ids of `tokenizers`, else `tokenizers`.

The fast one is built from the tokenizer's own JSON, or refused with a reason. It is used only after it gave the very
ids of the library on a sample of the corpus and on adversarial Unicode; what was checked becomes a fact of the stage.
"""

# T tokens, D documents of a batch
from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tokenizers import Tokenizer

from domainlm.specs.byte_level import is_across, pattern_of, text_of
from domainlm.tokens import bpe, kernel, parity
from domainlm.tokens.kernel import Added, Cuts
from domainlm.tokens.pretoken import Refused, cuts
from domainlm.tokens.shards import token_dtype
from domainlm.tokens.tokenizer import vocab_size

_BATCH_CHARACTERS = 2**22
"""Text that `tokenizers` is given at once: it needs about 80 bytes a token while it works, so some 100 MB."""
_FIRST_NOT_NFC = 0xCC
"""Text whose UTF-8 has no byte from here on ends before U+0300, and is in NFC: nothing composes, nothing reorders."""

Encoded = tuple[npt.NDArray[Any], npt.NDArray[np.int64]]
"""The tokens of a batch's texts one after the other, each text closed by the end token; and how many each has."""


class Encoder(Protocol):
    """Turns texts into tokens. May be called from several threads at a time."""

    name: str

    def encode(self, texts: pa.LargeStringArray) -> Encoded: ...


class Library:
    """`tokenizers` itself."""

    name = "tokenizers"

    def __init__(self, tokenizer: Tokenizer, end_id: int):
        self._tokenizer, self._end_id = tokenizer, end_id
        self._dtype = token_dtype(vocab_size(tokenizer))

    def encode(self, texts: pa.LargeStringArray) -> Encoded:
        parts = [np.empty(0, self._dtype)]
        doc_tokens: list[int] = []
        for batch in _bounded(texts):
            for encoding in self._tokenizer.encode_batch_fast(batch, add_special_tokens=False):
                parts.append(np.array([*encoding.ids, self._end_id], self._dtype))
                doc_tokens.append(len(parts[-1]))
        return np.concatenate(parts), np.array(doc_tokens, np.int64)


def _bounded(texts: pa.LargeStringArray) -> Iterable[list[str]]:
    pending: list[str] = []
    characters = 0
    for text in texts:
        pending.append(text.as_py())
        characters += len(pending[-1])
        if characters >= _BATCH_CHARACTERS:
            yield pending
            pending, characters = [], 0
    if pending:
        yield pending


class Fast:
    """Our own byte-level BPE."""

    name = "domainlm.bpe"

    def __init__(self, tokenizer: Tokenizer, end_id: int):
        """Raises Refused where anything in the tokenizer is not reproduced here."""
        if not tokenizer.encode_special_tokens:
            raise Refused(reason="special tokens are looked for in text")
        description = json.loads(tokenizer.to_str())
        normalizer = description["normalizer"]
        if normalizer not in (None, {"type": "NFC"}):
            raise Refused(reason=f"normalizer {normalizer['type']}")
        self._normalizer = tokenizer.normalizer if normalizer else None
        self._added = _added(description["added_tokens"], normalized=normalizer is not None)
        across = is_across(pattern_of(description["pre_tokenizer"]))
        apart = bpe.never_made(description["model"]) if across else []
        self._cuts: Cuts = cuts(description["pre_tokenizer"], [text_of(token) for token in apart])
        self._merges = bpe.merges(description["model"], across=across, apart=set(apart))
        self._dtype = token_dtype(vocab_size(tokenizer))
        self._end_id = end_id
        self._of_thread = threading.local()

    @property
    def cuts(self) -> Cuts:
        return self._cuts

    def encode(self, texts: pa.LargeStringArray) -> Encoded:
        if not hasattr(self._of_thread, "words"):
            self._of_thread.words = kernel.words()
        texts = self._normal(texts)
        offsets_D, data = _buffers(texts)
        # A token holds a byte at least; of what is asked for in excess no page is ever touched.
        out_T = np.empty(int(offsets_D[-1] - offsets_D[0]) + len(texts), self._dtype)
        doc_tokens_D = np.empty(len(texts), np.int64)
        words = self._of_thread.words
        num_tokens = kernel.encode(
            self._cuts, self._merges, words, self._added, offsets_D, data, self._end_id, out_T, doc_tokens_D
        )
        return out_T[:num_tokens], doc_tokens_D

    def _normal(self, texts: pa.LargeStringArray) -> pa.LargeStringArray:
        if self._normalizer is None:
            return texts
        offsets_D, data = _buffers(texts)
        high = np.flatnonzero(data[offsets_D[0] : offsets_D[-1]] >= _FIRST_NOT_NFC) + offsets_D[0]
        strings = texts.to_pylist() if len(high) else []
        for d in np.unique(np.searchsorted(offsets_D, high, side="right") - 1).tolist() if strings else []:
            strings[d] = self._normalizer.normalize_str(strings[d])
        return pa.array(strings, pa.large_string()) if strings else texts


def choose(tokenizer: Tokenizer, end_id: int, samples: Sequence[str]) -> tuple[Encoder, dict[str, Any]]:
    """The encoder to use, and the facts of the choice: its name, what was compared, mismatches, and why not the fast.

    `samples` are texts of the corpus; adversarial ones are added to them.
    """
    library = Library(tokenizer, end_id)
    try:
        fast = Fast(tokenizer, end_id)
    except Refused as refused:
        return library, facts_of(library.name, reason=f"the fast encoder does not serve {refused.reason}")
    strings = parity.adversarial(tokenizer, fast.cuts.classes)
    wrong = parity.mismatches(fast.encode, library.encode, [*samples, *strings])
    checked = {"checked_docs": len(samples), "checked_strings": len(strings), "mismatches": len(wrong)}
    if wrong:
        return library, facts_of(library.name, reason=f"the fast one gives other ids of {wrong[0][:80]!a}", **checked)
    return fast, facts_of(fast.name, **checked)


def facts_of(
    name: str, *, reason: str | None = None, checked_docs: int = 0, checked_strings: int = 0, mismatches: int = 0
) -> dict[str, Any]:
    """What a stage's manifest says of its encoder; `reason`: why it is not the fast one."""
    return {
        "name": name,
        "reason": reason,
        "checked_docs": checked_docs,
        "checked_strings": checked_strings,
        "mismatches": mismatches,
    }


def _added(tokens: Sequence[Mapping[str, Any]], *, normalized: bool) -> Added:
    """The added tokens that cut a text, and the special ones of their kind."""
    cutting = [token for token in tokens if not token["special"] and token["content"]]
    kinds = {token["normalized"] for token in cutting}
    for token in cutting:
        for option in ("single_word", "lstrip", "rstrip"):
            if token[option]:
                raise Refused(reason=f"added token {token['content']!r} with {option}")
        if normalized and (not token["normalized"] or max(token["content"].encode()) >= _FIRST_NOT_NFC):
            raise Refused(reason=f"added token {token['content']!r} before or in need of the normalizer")
    if len(kinds) > 1:
        raise Refused(reason="added tokens both before and after the normalizer")
    # Of the other kind, a special one neither cuts a text nor hides one that does.
    found = {
        token["content"].encode(): -1 if token["special"] else token["id"]
        for token in tokens
        if token["normalized"] in kinds and token["content"]
    }
    ordered = sorted(found, key=lambda text: (text[0], -len(text), text))
    first = np.searchsorted([text[0] for text in ordered], np.arange(257)).astype(np.int64)
    return Added(
        np.frombuffer(b"".join(ordered), np.uint8),
        np.cumsum([0, *map(len, ordered)], dtype=np.int64),
        np.array([found[text] for text in ordered], np.int64),
        first,
    )


def _buffers(texts: pa.LargeStringArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    if not isinstance(texts, pa.LargeStringArray) or texts.null_count:
        raise TypeError(f"wanted large_string without nulls, got {texts.type} with {texts.null_count} nulls")
    if not len(texts):
        return np.frombuffer(bytes(8), np.int64), np.frombuffer(b"", np.uint8)
    _, offsets, data = texts.buffers()
    offsets_D = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    text = np.frombuffer(data or b"", np.uint8)
    # Some buffers of Arrow may be written to and some not, and numba would compile all for either.
    for array in (offsets_D, text):
        array.flags.writeable = False
    return offsets_D, text
