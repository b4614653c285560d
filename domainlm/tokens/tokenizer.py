"""A tokenizer is the file that its manifest pins: loaded as it was made, and text never becomes a special token."""

from __future__ import annotations

import os
from pathlib import Path

from tokenizers import Tokenizer

from domainlm.digest import file_digest
from domainlm.errors import DataError, ManifestError
from domainlm.manifest import Manifest

FOLDER = "tokenizer"
FILE_NAME = "tokenizer.json"


def load(manifest: Manifest) -> Tokenizer:
    """The tokenizer of a finished tokenizer stage; ManifestError where its bytes are not those that were made."""
    shard = next(shard for shard in manifest.files("tokenizer") if Path(shard.path).name == FILE_NAME)
    path = manifest.path(shard)
    if file_digest(path) != shard.sha256:
        raise ManifestError(f"{path} has changed since it was made; delete {manifest.folder} to make it again")
    return load_folder(path.parent)


def load_folder(folder: Path) -> Tokenizer:
    """The tokenizer in `folder`, without truncation or padding; DataError where there is none that can be read."""
    path = folder / FILE_NAME
    if not path.is_file():
        raise DataError(f"{folder} has no {FILE_NAME}")
    try:
        return of_json(path.read_text(encoding="utf-8"))
    except Exception as error:  # tokenizers raises nothing narrower
        raise DataError(f"{path} is no tokenizer: {error}") from error


def of_json(text: str) -> Tokenizer:
    """The tokenizer of a `tokenizer.json`, without truncation or padding; raises what `tokenizers` does."""
    tokenizer = Tokenizer.from_str(text)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    # Not a part of the file: a document that spells out `<|endoftext|>` must not end there.
    tokenizer.encode_special_tokens = True
    return tokenizer


def end_token_id(manifest: Manifest) -> int:
    """The id of the token that closes every document."""
    return int(manifest.facts["end_token_id"])


def vocab_size(tokenizer: Tokenizer) -> int:
    """One more than the largest token id, special tokens included: rows that an embedding needs."""
    return max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1


def use_threads(workers: int) -> None:
    """Encode and train on so many threads; read once by the library, so call it before its first use in a process."""
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if workers > 1 else "false"
    os.environ["RAYON_NUM_THREADS"] = str(workers)
