"""What came in, what was kept, and why the rest was not, so that the counts add up before the reader's eyes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from domainlm.corpus import sample
from domainlm.corpus.sample import Sampled
from domainlm.manifest import Manifest
from domainlm.report.markup import Markup, details, el, figure, join, table
from domainlm.report.section import Section
from domainlm.report.wording import amount, count, listing, percent, prose, several

Counts = Mapping[str, Any]
TOP_REASONS = 6
EXAMPLES = 2
"""Documents shown of each of the most frequent reasons."""


def section(corpus: Manifest) -> Section:
    sources: dict[str, Counts] = corpus.counts["sources"]
    reasons = drop_reasons(sources)
    clusters = corpus.facts.get("largest_clusters", [])
    chart = {"kind": "corpus", "rows": _flows(sources, reasons), "parts": _parts(reasons)}
    examples = sample.of_top_reasons(corpus, TOP_REASONS, EXAMPLES)
    return Section(
        id="corpus",
        title="Corpus",
        sentences=(_sentence(sources, reasons),),
        content=join(
            figure(
                "corpus",
                "What became of each document",
                "Share of the documents read from each source; how many were read stands at the right.",
            ),
            figure(
                "lengths",
                "How long the documents are",
                "Documents by length in UTF-8 bytes, doubling from bar to bar: read (outlined) and kept (filled).",
            ),
            details("The numbers: documents by source", _table(sources), _reason_table(sources), _languages(sources)),
            details("Stage by stage", _stage_table(sources), _edit_table(sources)),
            details("What the most frequent reasons took, by example", _example_list(examples)) if examples else "",
            details("Largest groups of duplicates", _cluster_list(clusters)) if clusters else "",
            details("Licences of the sources", _license_table(corpus)),
        ),
        charts={
            "corpus": chart,
            "lengths": {"kind": "lengths", "rows": _lengths(sources)},
            "clusters": {"kind": "texts", "texts": [c["head"] for c in clusters]},
            "examples": {"kind": "texts", "texts": [example.text_head for example in examples]},
        },
    )


def drop_reasons(sources: Mapping[str, Counts]) -> Counter[str]:
    """Documents dropped by reason over all sources."""
    total: Counter[str] = Counter()
    for counts in sources.values():
        total.update(counts["dropped"])
    return total


def kept(counts: Counts) -> int:
    return sum(counts["kept"].values())


def _adds_up(counts: Counts) -> bool:
    return counts["read"] == kept(counts) + sum(counts["dropped"].values()) + counts["quarantined"]


def _sentence(sources: Mapping[str, Counts], reasons: Counter[str]) -> str:
    read = sum(counts["read"] for counts in sources.values())
    all_kept = sum(map(kept, sources.values()))
    heldout = sum(counts["kept"].get("heldout", 0) for counts in sources.values())
    quarantined = sum(counts["quarantined"] for counts in sources.values())
    said = f"Of {several(read, 'document')} read, {count(all_kept)} ({percent(all_kept / max(read, 1))}) were kept"
    said += f": {count(all_kept - heldout)} to train on and {count(heldout)} held out. "
    if reasons:
        top = listing([f"{prose(reason)} ({count(number)})" for reason, number in reasons.most_common(2)])
        said += f"{count(reasons.total())} were dropped, most often for: {top}. "
    else:
        said += "None was dropped. "
    are = "is" if quarantined == 1 else "are"
    said += (
        f"{several(quarantined, 'record')} could not be read as text and {are} in quarantine. " if quarantined else ""
    )
    wrong = [name for name, counts in sources.items() if not _adds_up(counts)]
    return said + (f"The counts of {listing(wrong)} do not add up." if wrong else "The counts of every source add up.")


def _parts(reasons: Counter[str]) -> list[str]:
    """The parts of a bar, in the order of the legend."""
    top = [prose(reason) for reason, _ in reasons.most_common(TOP_REASONS)]
    other = ["other reasons"] if len(reasons) > TOP_REASONS else []
    return ["kept, train", "kept, held out", *top, *other, "quarantined"]


def _flows(sources: Mapping[str, Counts], reasons: Counter[str]) -> list[dict[str, Any]]:
    top = {reason for reason, _ in reasons.most_common(TOP_REASONS)}
    rows = []
    for name, counts in sources.items():
        parts: Counter[str] = Counter()
        parts["kept, train"] = counts["kept"].get("train", 0)
        parts["kept, held out"] = counts["kept"].get("heldout", 0)
        for reason, number in counts["dropped"].items():
            parts[prose(reason) if reason in top else "other reasons"] += number
        parts["quarantined"] = counts["quarantined"]
        rows.extend(
            {"source": name, "part": part, "docs": number, "share": number / max(counts["read"], 1)}
            for part, number in parts.items()
            if number
        )
    return rows


def _lengths(sources: Mapping[str, Counts]) -> list[dict[str, Any]]:
    """Documents read and kept by source and class of length, for the classes between the shortest and the longest."""
    used = [n for counts in sources.values() for n, docs in enumerate(counts["lengths"]["read"]) if docs]
    classes = range(min(used, default=0), max(used, default=-1) + 1)
    return [
        {"source": name, "from": 2**n, "read": counts["lengths"]["read"][n], "kept": counts["lengths"]["kept"][n]}
        for name, counts in sources.items()
        for n in classes
    ]


def _stage_table(sources: Mapping[str, Counts]) -> Markup:
    rows = [
        [
            name,
            stage["stage"],
            count(stage["in"]),
            count(sum(stage["dropped"].values())),
            count(stage["quarantined"]),
            count(stage["out"]),
            amount(stage["bytes_out"]),
        ]
        for name, counts in sources.items()
        for stage in counts["stages"]
    ]
    header = ["source", "stage", "in", "− dropped", "− quarantined", "= out", "bytes out"]
    return table("Documents in and out of each stage", header, rows, texts=(0, 1))


def _edit_table(sources: Mapping[str, Counts]) -> Markup:
    rows = [
        [name, edit, count(done["docs"]), count(done["times"])]
        for name, counts in sources.items()
        for edit, done in counts["edits"].items()
    ]
    header = ["source", "edit", "in documents", "times"]
    return table("What was edited or redacted in the texts", header, rows, texts=(0, 1)) if rows else Markup("")


def _languages(sources: Mapping[str, Counts]) -> Markup:
    rows = []
    for name, counts in sources.items():
        found = Counter(counts["languages"]["kept"])
        shares = [f"{language} {percent(docs / found.total())}" for language, docs in found.most_common(5)]
        if found:
            rows.append([name, listing(shares)])
    return table("Languages of the documents kept", ["source", "share"], rows, texts=(0, 1)) if rows else Markup("")


def _example_list(examples: list[Sampled]) -> Markup:
    """Texts come as data, as those of `_cluster_list`."""
    items = []
    for number, example in enumerate(examples):
        kept_for = [", kept in its place: ", el("code", example.duplicate_of)] if example.duplicate_of else []
        said = [f"{prose(example.reason)}: ", el("code", example.id), f" ({example.source})", *kept_for]
        items.append(el("li", *said, el("pre", data_text=f"examples:{number}")))
    return el("ol", *items, class_="clusters")


def _table(sources: Mapping[str, Counts]) -> Markup:
    lines = [_numbers(counts) for counts in sources.values()]
    rows = [[name, *map(count, line[:-2]), *map(amount, line[-2:])] for name, line in zip(sources, lines, strict=True)]
    total = [sum(column) for column in zip(*lines, strict=True)]
    rows.append(["all", *map(count, total[:-2]), *map(amount, total[-2:])])
    header = ["source", "read", "= train", "+ held out", "+ dropped", "+ quarantined", "bytes read", "bytes kept"]
    return table("Documents read, kept, dropped and quarantined, by source", header, rows, foot=1)


def _numbers(counts: Counts) -> list[int]:
    split = [counts["kept"].get("train", 0), counts["kept"].get("heldout", 0)]
    lost = [sum(counts["dropped"].values()), counts["quarantined"]]
    return [counts["read"], *split, *lost, counts.get("read_bytes", 0), sum(counts.get("kept_bytes", {}).values())]


def _reason_table(sources: Mapping[str, Counts]) -> Markup:
    reasons = drop_reasons(sources)
    if not reasons:
        return Markup("")
    rows = [
        [prose(reason), *(count(c["dropped"].get(reason, 0)) for c in sources.values()), count(number)]
        for reason, number in reasons.most_common()
    ]
    return table("Dropped documents by reason and source", ["reason", *sources, "all"], rows)


def _cluster_list(clusters: list[Mapping[str, Any]]) -> Markup:
    """Heads of documents are text from outside: the page gets them as data, and charts.js sets them as plain text."""
    items = [
        el(
            "li",
            f"{several(c['num_docs'], 'document')}, kept as ",
            el("code", c["kept"]),
            el("pre", data_text=f"clusters:{i}"),
        )
        for i, c in enumerate(clusters)
    ]
    return el("ol", *items, class_="clusters")


def _license_table(corpus: Manifest) -> Markup:
    licenses = corpus.facts.get("licenses", {})
    rows = [[name, licenses.get(name, "not stated")] for name in corpus.counts["sources"]]
    return table("Licence of each source, as its spec states it", ["source", "licence"], rows, texts=(0, 1))
