"""What 4,000 new tokens save: on bases of general text of several sizes and on tokenizers that are named, by domain.

Prints a table and, as its last line, one JSON object. It needs the folder that DOMAINLM_DATA names. Tokens are counted
on held-out text; `bound` is what could be saved were each of the base's pretokens one token.

`./run bench extension [MEGABYTES [SIZES [TOKENIZER_JSON...]]]`: learn from so much text of the domain (20), and of
general text; sizes as `8000,32000`, or `0` for none.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer
from tokens import documents

from domainlm import compiled
from domainlm.specs.tokenizer import TokenizerSpec
from domainlm.tokens import words
from domainlm.tokens.encode import Fast
from domainlm.tokens.extend import Left, extend
from domainlm.tokens.pretoken import cuts

DOMAINS = ("finance", "legal", "medical")
NEW_TOKENS, MAX_CHANGE = 4_000, 0.003
BASE_MB = 60
SIZES = "8000,16000,32000,50000"
WAYS = {"within words": (False, False), "across words": (True, False), "across, general left": (True, True)}


def sample(domain: str, megabytes: float, *, held: bool = False) -> list[str]:
    found, size = [], 0
    for text in documents(domain, held):
        if size >= megabytes * 1e6:
            break
        found.append(text)
        size += len(text.encode())
    return found


def bases(sizes: str, files: list[str]) -> Iterator[tuple[str, Tokenizer]]:
    """By name: those learnt from general text, cut as GPT-2 cuts it and with single digits, then those of the files."""
    from tokenizers import models, pre_tokenizers, trainers

    general = sample("general", BASE_MB)
    for size in (int(one) for one in sizes.split(",") if int(one)):
        spec = TokenizerSpec(name="base", algorithm="bpe", vocab_size=size)
        base = Tokenizer(models.BPE())
        base.pre_tokenizer = words.pre_tokenizer(spec.pretokens, split_digits=spec.split_digits)
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
        base.train_from_iterator(general, trainer)
        yield f"general, {size:,}", base
    for file in files:
        base = Tokenizer.from_file(file)
        yield f"{Path(file).parent.name}/{Path(file).stem}, {base.get_vocab_size():,}", base


def count(tokenizer: Tokenizer, texts: list[str]) -> int:
    return len(Fast(tokenizer, 0).encode(pa.array(texts, pa.large_string()))[0]) - len(texts)


def main() -> None:
    compiled.keep()
    megabytes = float(sys.argv[1]) if sys.argv[1:] else 20.0
    sizes = sys.argv[2] if sys.argv[2:] else SIZES
    learnt = {domain: sample(domain, megabytes) for domain in (*DOMAINS, "general")}
    held = {domain: sample(domain, 8, held=True) for domain in (*DOMAINS, "general")}
    found: dict[str, dict] = {}
    table = Table("base", "domain", "bytes per token", "bound", *(f"{way}: saved, general" for way in WAYS), "CPU-s")
    for name, base in bases(sizes, sys.argv[3:]):
        base.encode_special_tokens = True
        before = {domain: count(base, texts) for domain, texts in held.items()}
        known = cuts(json.loads(base.pre_tokenizer.__getstate__()))
        for domain in DOMAINS:
            num_bytes = sum(len(text.encode()) for text in held[domain])
            bound = 1 - int(words.count_cuts([held[domain]], known).counts.sum()) / before[domain]
            told: dict = {"bytes_per_token": num_bytes / before[domain], "bound": bound}
            cells, begin = [], time.process_time()
            for way, (across, left) in WAYS.items():
                spared = [Left([learnt["general"]], MAX_CHANGE)] if left else []
                more, _ = extend(base, NEW_TOKENS, [learnt[domain]], across_words=across, left=spared)
                told[way] = {d: 1 - count(more, held[d]) / before[d] for d in (domain, "general")}
                cells.append(f"{told[way][domain]:.1%}, {told[way]['general']:.2%}")
            told["cpu_s"] = time.process_time() - begin
            table.add_row(
                name, domain, f"{told['bytes_per_token']:.3f}", f"{bound:.1%}", *cells, f"{told['cpu_s']:.0f}"
            )
            found.setdefault(name, {})[domain] = told
            print(name, domain, *cells, flush=True)
    Console(width=150).print(table)
    print(json.dumps({"megabytes": megabytes, "new_tokens": NEW_TOKENS, "saved": found}))


if __name__ == "__main__":
    main()
