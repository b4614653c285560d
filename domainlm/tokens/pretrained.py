"""The tokenizer of a base model, as a folder of files: taken from the hub at its locked commit, or from a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from domainlm.errors import DataError
from domainlm.specs.uri import expanded
from domainlm.tokens.tokenizer import FILE_NAME

_CONFIG = "tokenizer_config.json"


def take(outside: str, out: Path, root: Path, revision: str | None) -> str:
    """Save a tokenizer from outside to `out`; its end token. DataError where it cannot be used."""
    from transformers import AutoTokenizer

    on_hub = outside.startswith("hf:")
    if on_hub and revision is None:
        raise DataError(f"tokenizer {outside}: its revision is not locked; run `domainlm lock` on its spec first")
    place = outside.removeprefix("hf:") if on_hub else str(root / expanded(outside))
    held = {"revision": revision} if on_hub else {}  # a folder has none
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(place, trust_remote_code=False, **held)
    except (OSError, ValueError) as error:
        raise DataError(f"tokenizer {outside}: {error}") from error
    if not tokenizer.is_fast:
        raise DataError(f"tokenizer {outside}: it has no `tokenizer.json` and cannot be pinned or run in parallel")
    if tokenizer.eos_token is None:
        raise DataError(f"tokenizer {outside}: it has no end token, so documents could not be told apart")
    tokenizer.save_pretrained(out)
    return str(tokenizer.eos_token)


def put(tokenizer: Tokenizer, out: Path) -> None:
    """Have `out`, which `take` made, hold this tokenizer instead.

    `transformers` reads the file as it is where the folder names no class of its own, which would build it anew.
    """
    tokenizer.save(str(out / FILE_NAME))
    config = json.loads((out / _CONFIG).read_text(encoding="utf-8"))
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    (out / _CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
