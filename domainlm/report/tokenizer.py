"""How well the tokenizer fits each domain: text that costs more tokens costs more compute and context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domainlm.manifest import Manifest
from domainlm.report.markup import details, figure, join, table
from domainlm.report.scores import is_general
from domainlm.report.section import Section
from domainlm.report.wording import amount, count, fixed, percent

METRICS = {
    "bytes_per_token": "bytes per token (more is better)",
    "tokens_per_word": "tokens per word (fewer is better)",
    "words_kept_whole": "words kept whole (more is better)",
}


def section(tokenizer: Manifest, tokens: Manifest) -> Section:
    fertility = dict(sorted(tokenizer.facts["fertility"].items(), key=lambda item: not is_general(item[0])))
    rows = [
        {"domain": domain, "metric": label, "value": values[name], "share": name == "words_kept_whole"}
        for name, label in METRICS.items()
        for domain, values in fertility.items()
    ]
    return Section(
        id="tokenizer",
        title="Tokenizer",
        sentences=(_sentence(tokenizer, fertility), _encoder_sentence(tokens)),
        content=join(
            figure("tokenizer", "Fertility by domain", "Measured on held-out text."),
            details(
                "The numbers: fertility and tokens", *_fertility_tables(tokenizer, fertility), _token_table(tokens)
            ),
        ),
        charts={"tokenizer": {"kind": "tokenizer", "rows": rows}},
    )


def _sentence(tokenizer: Manifest, fertility: Mapping[str, Mapping[str, float]]) -> str:
    said = f"With {count(tokenizer.facts['vocab_size'])} tokens in the vocabulary{_extension(tokenizer)}, "
    bytes_per_token = {domain: v["bytes_per_token"] for domain, v in fertility.items() if v["bytes_per_token"]}
    if not bytes_per_token:
        return said + "no held-out text was there to measure its fertility on."
    best, worst = (
        max(bytes_per_token, key=bytes_per_token.__getitem__),
        min(bytes_per_token, key=bytes_per_token.__getitem__),
    )
    said += f"a token holds {fixed(bytes_per_token[best], 2)} bytes of {best} text"
    if best == worst:
        return said + "."
    extra = bytes_per_token[best] / bytes_per_token[worst] - 1
    said += f" and {fixed(bytes_per_token[worst], 2)} of {worst} text"
    if extra < 0.005:
        return said + ": both cost about the same number of tokens."
    return said + f": the same bytes cost {percent(extra, 0)} more tokens in {worst}."


def _extension(tokenizer: Manifest) -> str:
    """What it has more than the base that it extends; nothing where it extends none."""
    facts = tokenizer.facts
    if "extends" not in facts:
        return ""
    return f" ({count(facts['base_vocab_size'])} of {facts['extends']} and {count(facts['new_tokens'])} new ones)"


def _encoder_sentence(tokens: Manifest) -> str:
    encoder = tokens.facts["encoder"]
    if encoder["reason"] is not None:
        return f"The text was encoded by {encoder['name']}: {encoder['reason']}."
    checked = f"{count(encoder['checked_docs'])} documents and {count(encoder['checked_strings'])} adversarial strings"
    return f"The text was encoded by {encoder['name']}, which gave the very ids of tokenizers on {checked}."


def _fertility_tables(tokenizer: Manifest, fertility: Mapping[str, Mapping[str, float]]) -> list[str]:
    tables = [_fertility_table("Fertility on held-out text", fertility)]
    if "base_fertility" in tokenizer.facts:
        before = {domain: tokenizer.facts["base_fertility"][domain] for domain in fertility}
        tables.append(_fertility_table(f"The same, by {tokenizer.facts['extends']} without the new tokens", before))
    return tables


def _fertility_table(caption: str, fertility: Mapping[str, Mapping[str, float]]) -> str:
    rows = [
        [domain, fixed(v["bytes_per_token"]), fixed(v["tokens_per_word"]), percent(v["words_kept_whole"])]
        for domain, v in fertility.items()
    ]
    header = ["domain", "bytes per token", "tokens per word", "words kept whole"]
    return table(caption, header, rows)


def _token_table(tokens: Manifest) -> str:
    sources: dict[str, dict[str, Any]] = tokens.counts["sources"]
    rows = [[name, count(c["docs"]), amount(c["bytes"]), count(c["tokens"])] for name, c in sources.items()]
    total = {key: sum(c[key] for c in sources.values()) for key in ("docs", "bytes", "tokens")}
    rows.append(["all", count(total["docs"]), amount(total["bytes"]), count(total["tokens"])])
    header = ["source", "documents", "bytes", "tokens"]
    return table("Training text as tokens, by source", header, rows, foot=1)
