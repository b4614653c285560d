"""Redaction, measured: precision and recall per kind on the labelled halves, and megabytes a CPU-second on real text.

Prints tables and, as its last line, one JSON object. A find is right where kind, start and end are those of the label.
Options: `--half tuning` for the half that the patterns were worked on with (default: heldout), `--misses` to read what
is wrong, and the files to time (`.jsonl.zst`, field `text`; by default those below DOMAINLM_DATA, if it is set).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import zstandard
from rich.console import Console
from rich.table import Table

from domainlm.corpus.redact import find, redact
from domainlm.specs.redact import ALL_PATTERNS

LABELLED = Path(__file__).parents[1] / "tests" / "corpus" / "redact"
Z = 1.959963984540054
"""Of the 95% interval."""
_MARK = re.compile(r"\[\[(?P<kind>[a-z_]+):(?P<value>.*?)\]\]|\{\{(?P<what>[a-z0-9 -]+):(?P<other>.*?)\}\}", re.DOTALL)
TIMED_BYTES = 20_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Labelled:
    """A document without its marks, and what they said."""

    style: str
    text: str
    spans: frozenset[tuple[int, int, str]]
    """(start, end, kind) of personal data, in characters."""
    others: tuple[tuple[int, int, str], ...]
    """(start, end, what) of what looks like it and is none."""


def labelled(path: Path) -> Iterator[Labelled]:
    """The documents of a labelled file; its first lines say how it is written."""
    style = ""
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.startswith("## "):
            style = line[3:]
        elif line and not line.startswith("#"):
            yield _unmarked(style, line.replace("~", "").replace("\\n", "\n"))


def _unmarked(style: str, line: str) -> Labelled:
    text, spans, others, end = "", [], [], 0
    for mark in _MARK.finditer(line):
        text += line[end : mark.start()]
        end = mark.end()
        value = mark["value"] or mark["other"]
        place = (len(text), len(text) + len(value), mark["kind"] or mark["what"])
        (spans if mark["kind"] else others).append(place)
        text += value
    return Labelled(style=style, text=text + line[end:], spans=frozenset(spans), others=tuple(others))


def wilson(right: int, total: int) -> tuple[float, float]:
    """The 95% interval of a share. Source: Wilson, 1927."""
    if total == 0:
        return 0.0, 1.0
    share = right / total
    middle = (share + Z * Z / (2 * total)) / (1 + Z * Z / total)
    half = Z / (1 + Z * Z / total) * (share * (1 - share) / total + Z * Z / (4 * total * total)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """Counts by kind, over one labelled file."""

    right: Counter[str]
    found: Counter[str]
    labels: Counter[str]
    num_others: int
    others_hit: Counter[str]
    """Hard negatives of which a character is taken, by what they are."""
    mistakes: tuple[str, ...]

    def precision(self, kind: str) -> float:
        return self.right[kind] / self.found[kind] if self.found[kind] else 0.0

    def recall(self, kind: str) -> float:
        return self.right[kind] / self.labels[kind] if self.labels[kind] else 0.0


def scored(path: Path) -> Scores:
    """What every kind that needs no model finds in a labelled file."""
    right, found, labels, others_hit = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    num_others, mistakes = 0, []
    for document in labelled(path):
        got = frozenset(find(document.text, ALL_PATTERNS))
        for start, end, kind in document.spans | got:
            labels[kind] += (start, end, kind) in document.spans
            found[kind] += (start, end, kind) in got
            right[kind] += (start, end, kind) in got & document.spans
        for word, spans in (("missed", document.spans - got), ("wrong", got - document.spans)):
            mistakes += [_told(word, document.text, *span) for span in sorted(spans)]
        num_others += len(document.others)
        others_hit.update(w for s, e, w in document.others if any(a < e and s < b for a, b, _ in got))
    return Scores(
        right=right, found=found, labels=labels, num_others=num_others, others_hit=others_hit, mistakes=tuple(mistakes)
    )


def _told(word: str, text: str, start: int, end: int, kind: str) -> str:
    return f"{word} {kind}: {text[start:end]!r} in {text[max(0, start - 40) : end + 20]!r}"


def texts_of(path: Path) -> Iterator[str]:
    with path.open("rb") as raw, zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(raw) as stream:
        yield from (orjson.loads(line)["text"] for line in io.BufferedReader(stream))


def _real() -> list[Path]:
    """The training half of the corpora below DOMAINLM_DATA, a folder a domain; none where it is not set."""
    folder = os.environ.get("DOMAINLM_DATA")
    domains = ("finance", "general", "legal", "medical")
    found = [path for domain in domains for path in Path(folder, domain).glob("*.jsonl.zst")] if folder else []
    return sorted(path for path in found if "holdout" not in path.name)


def timed(paths: list[Path]) -> tuple[float, int, Counter[str]]:
    """MB a CPU-second over equal shares of the files, 20 MB in all; bytes; what was replaced."""
    texts = []
    for path in paths:
        num_bytes = 0
        for text in texts_of(path):
            texts.append(text)
            num_bytes += len(text.encode())
            if num_bytes >= TIMED_BYTES / len(paths):
                break
    redact("warm up: a@b.example", ALL_PATTERNS)
    counts: Counter[str] = Counter()
    begin = time.process_time()
    for text in texts:
        counts += redact(text, ALL_PATTERNS)[1]
    cpu_s = time.process_time() - begin
    total = sum(len(text.encode()) for text in texts)
    return total / 1e6 / cpu_s, total, counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--half", choices=("heldout", "tuning"), default="heldout")
    parser.add_argument("--misses", action="store_true")
    parser.add_argument("files", nargs="*", type=Path)
    chosen = parser.parse_args()
    scores = scored(LABELLED / f"{chosen.half}.txt")
    table = Table("kind", "precision", "95%", "recall", "95%", "n", title=f"{chosen.half}: exact spans")
    figures: dict[str, dict[str, float]] = defaultdict(dict)
    rows = [(kind, scores.right[kind], scores.found[kind], scores.labels[kind]) for kind in ALL_PATTERNS.kinds()]
    rows.append(("all", scores.right.total(), scores.found.total(), scores.labels.total()))
    for kind, right, found, labels in rows:
        precision, recall = (right / found if found else 0.0), (right / labels if labels else 0.0)
        intervals = [f"{low:.3f}–{high:.3f}" for low, high in (wilson(right, found), wilson(right, labels))]
        table.add_row(kind, f"{precision:.3f}", intervals[0], f"{recall:.3f}", intervals[1], str(labels))
        figures[kind] = {"precision": round(precision, 4), "recall": round(recall, 4), "n": labels}
    Console().print(table)
    print(f"hard negatives touched: {scores.others_hit.total()} of {scores.num_others} {dict(scores.others_hit)}")
    if chosen.misses:
        print(*scores.mistakes, sep="\n")
    files = chosen.files or _real()
    speed = {}
    if files:
        mb_per_cpu_s, num_bytes, counts = timed(files)
        print(f"{num_bytes / 1e6:.1f} MB of {len(files)} files: {mb_per_cpu_s:.1f} MB per CPU-second; {dict(counts)}")
        speed = {"mb_per_cpu_s": round(mb_per_cpu_s, 1)}
    print(json.dumps({"half": chosen.half, "kinds": figures, "hard_negatives": scores.num_others,
                      "hard_negatives_touched": scores.others_hit.total(), **speed}))  # fmt: skip


if __name__ == "__main__":
    main()
