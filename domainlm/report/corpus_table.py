"""The corpus for a terminal: what each stage took in and gave out, how long texts are, and why documents went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from domainlm.corpus import sample
from domainlm.manifest import Manifest
from domainlm.report.wording import amount, count, percent

_BARS = " ▁▂▃▄▅▆▇█"
TOP_REASONS = 12
EXAMPLES = 2
"""Documents shown of each of the most frequent reasons."""


def stats(corpus: Manifest, tokenizer: Manifest | None, tokens: Manifest | None) -> dict[str, Any]:
    """By source: documents, bytes and tokens out of each stage, lengths, languages, and why documents went, with some.

    `train_tokens` are counted, where the text was tokenised (`tokens`). `tokens_out` of a stage is its bytes over the
    tokenizer's bytes per token on the domain's held-out text; None where there is no tokenizer yet.
    """
    fertility = tokenizer.facts["fertility"] if tokenizer is not None else {}
    sources = {}
    for label, counts in corpus.counts["sources"].items():
        per_token = fertility.get(label.partition("/")[0], {}).get("bytes_per_token")
        stages = [
            row | {"tokens_out": round(row["bytes_out"] / per_token) if per_token else None} for row in counts["stages"]
        ]
        trained = tokens.counts["sources"].get(label, {}) if tokens is not None else {}
        sources[label] = {
            "stages": stages,
            "kept": counts["kept"],
            "quarantined": counts["quarantined"],
            "dropped": counts["dropped"],
            "edits": counts["edits"],
            "lengths": counts["lengths"],
            "languages": counts["languages"],
            "train_tokens": trained.get("tokens"),
        }
    return {
        "sources": sources,
        "examples": [asdict(row) for row in sample.of_top_reasons(corpus, TOP_REASONS, EXAMPLES)],
        "largest_clusters": list(corpus.facts["largest_clusters"]),
    }


def render(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Tables of `stats`."""
    sources = found["sources"]
    yield _stage_table(sources)
    yield _length_table(sources)
    if any(own["languages"]["read"] for own in sources.values()):
        yield _language_table(sources)
    if any(own["edits"] for own in sources.values()):
        yield _edit_table(sources)
    yield _reason_table(sources)
    if found["examples"]:
        yield Text("Some that went", style="italic")
        for row in found["examples"]:
            other = f"; kept in its place: {row['duplicate_of']}" if row["duplicate_of"] is not None else ""
            yield _example(f"{row['reason']}{other}", f"{row['id']}  ({row['source']})", row["text_head"])
    if found["largest_clusters"]:
        yield Text("Largest clusters of duplicates", style="italic")
        for cluster in found["largest_clusters"]:
            yield _example(f"{count(cluster['num_docs'])} documents", f"kept: {cluster['kept']}", cluster["head"])


def _table(title: str, columns: Sequence[str], rows: Iterator[Sequence[str]], texts: Sequence[int] = (0,)) -> Table:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number in texts else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _stage_table(sources: Mapping[str, Any]) -> Table:
    """A row for each source, and below it one for each stage that changed something."""
    with_tokens = any(row["tokens_out"] is not None for own in sources.values() for row in own["stages"])

    def rows() -> Iterator[Sequence[str]]:
        for label, own in sources.items():
            yield label, *[""] * (len(columns) - 1)
            bytes_before = None
            for row in own["stages"]:
                lost = [sum(row["dropped"].values()), row["quarantined"]]
                if any(lost) or row["bytes_out"] != bytes_before:
                    tokens = "" if row["tokens_out"] is None else f"≈ {amount(row['tokens_out'])}"
                    numbers = [count(number) if number else "" for number in lost]
                    cells = (f"  {row['stage']}", count(row["in"]), *numbers, count(row["out"]))
                    yield (*cells, amount(row["bytes_out"]), tokens)[: len(columns)]
                bytes_before = row["bytes_out"]
            if own["train_tokens"] is not None:
                cells = (f"  {count(own['kept']['train'])} to train on", *[""] * 5, count(own["train_tokens"]))
                yield cells[: len(columns)]

    columns = ["source, stage", "in", "dropped", "quaran-\ntined", "out", "bytes", *(["tokens"] if with_tokens else [])]
    return _table("Documents, bytes and tokens out of each stage that changed something", columns, rows())


def _length_table(sources: Mapping[str, Any]) -> Table:
    used = [n for own in sources.values() for n, docs in enumerate(own["lengths"]["read"]) if docs]
    low, high = min(used, default=0), max(used, default=0)

    def rows() -> Iterator[Sequence[str]]:
        for label, own in sources.items():
            for name in ("read", "kept"):
                classes = own["lengths"][name]
                yield label if name == "read" else "", name, bars(classes[low : high + 1]), _median(classes)

    title = f"Lengths: documents of {amount(2**low)} to {amount(2 ** (high + 1))} bytes, doubling from bar to bar"
    return _table(title, ("source", "", "shortest to longest", "median class"), rows(), texts=(0, 1, 2))


def bars(counts: Sequence[int]) -> str:
    """Counts as a row of bars, the highest at full height; what is not nought is seen.

    >>> bars([0, 1, 50, 100])
    ' ▁▄█'
    """
    highest = max(counts, default=0)
    return "".join(_BARS[-(-number * (len(_BARS) - 1) // highest) if highest else 0] for number in counts)


def _median(classes: Sequence[int]) -> str:
    half, seen = sum(classes) / 2, 0
    for number, docs in enumerate(classes):
        seen += docs
        if docs and seen >= half:
            return f"{amount(2**number)} to {amount(2 ** (number + 1))} bytes"
    return ""


def _language_table(sources: Mapping[str, Any]) -> Table:
    def rows() -> Iterator[Sequence[str]]:
        for label, own in sources.items():
            for name in ("read", "kept"):
                languages = Counter(own["languages"][name])
                total = max(languages.total(), 1)
                shares = ", ".join(f"{language} {percent(n / total)}" for language, n in languages.most_common(5))
                yield label if name == "read" else "", name, shares or "not asked for"

    return _table("Languages", ("source", "", "share of documents"), rows(), texts=(0, 1, 2))


def _edit_table(sources: Mapping[str, Any]) -> Table:
    rows = (
        (label, name, count(edit["docs"]), count(edit["times"]))
        for label, own in sources.items()
        for name, edit in own["edits"].items()
    )
    return _table("What was edited or redacted", ("source", "edit", "in documents", "times"), rows, texts=(0, 1))


def _reason_table(sources: Mapping[str, Any]) -> Table:
    total: Counter[str] = Counter()
    for own in sources.values():
        total.update(own["dropped"])
    rows = (
        (reason, count(number), ", ".join(label for label, own in sources.items() if reason in own["dropped"]))
        for reason, number in total.most_common(TOP_REASONS)
    )
    return _table("Why documents were dropped", ("reason", "documents", "sources"), rows, texts=(0, 2))


def _example(reason: str, of: str, head: str) -> Text:
    return Text.assemble((safe(reason), "bold"), f"\n{safe(of)}\n{indented(head)}\n")


def indented(text: str) -> str:
    """Text from outside as a block of lines that are safe to print."""
    return "\n".join(f"  | {safe(line)}" for line in text.split("\n"))


def safe(text: str) -> str:
    """Text from outside without what would move the cursor.

    >>> safe("a\\x1b[2Jb")
    'a\N{REPLACEMENT CHARACTER}[2Jb'
    """
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
