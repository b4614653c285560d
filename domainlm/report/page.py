"""The report of a run: one HTML file that needs nothing else, and the summary that the command line prints."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from domainlm.digest import canonical, digest, file_digest
from domainlm.evaluate.gate import Check
from domainlm.manifest import Made, Manifest, shard_of, write_atomically
from domainlm.report import benchmarks, lineage, results, table, training
from domainlm.report import corpus as corpus_section
from domainlm.report import mixes as mix_section
from domainlm.report import tokenizer as tokenizer_section
from domainlm.report.markup import Markup, el, embedded_json, join
from domainlm.report.scores import Scores, read_scores
from domainlm.report.section import Section
from domainlm.report.wording import several

HERE = Path(__file__).parent
SCRIPTS = ("vendor/d3.min.js", "vendor/plot.umd.min.js", "parts.js", "charts.js")


def build(
    title: str,
    run: Mapping[str, Any],
    *,
    reads: Mapping[str, Manifest],
    corpus: Manifest,
    tokenizer: Manifest,
    tokens: Manifest,
    mixes: Mapping[str, Manifest],
    trainings: Mapping[str, Manifest],
    evaluations: Mapping[str, Manifest],
    comparison: Manifest,
    checks: Sequence[Check] = (),
    folder: Path,
) -> Made:
    """`report.html` and `summary.json` in `folder`: the same inputs give the same bytes.

    `run` is the run spec as plain JSON; `reads` go by domain, `mixes`, `trainings` and `evaluations` by model.
    `checks` are those of the run's gate, where it has one. DataError where evaluations and comparison do not fit each
    other.
    """
    corpus, tokenizer, tokens, comparison = map(_settled, (corpus, tokenizer, tokens, comparison))
    reads, mixes, trainings, evaluations = (
        {name: _settled(manifest) for name, manifest in some.items()} for some in (reads, mixes, trainings, evaluations)
    )
    scores = read_scores(run, evaluations, comparison, mixes)
    texts = [corpus, tokenizer, tokens]
    manifests = [*reads.values(), *texts, *mixes.values(), *trainings.values(), *evaluations.values(), comparison]
    sections = _sections(scores, checks, run, texts, manifests, mixes, trainings, evaluations)
    summary = table.summary(title, scores)
    page, summary_path = folder / "report.html", folder / "summary.json"
    write_atomically(page, _page(title, sections, scores, run, _facts(corpus, manifests, scores)).encode())
    write_atomically(summary_path, canonical(summary) + b"\n")
    return Made(shards=(shard_of(page, folder, "page"), shard_of(summary_path, folder, "summary")))


def _settled(manifest: Manifest) -> Manifest:
    """With the order of keys that it has when read from disk, so that a fresh manifest gives the same page."""
    fields = ("spec", "inputs", "libraries", "counts", "facts")
    return dataclasses.replace(manifest, **{name: json.loads(canonical(getattr(manifest, name))) for name in fields})


def assets_digest() -> str:
    """Digest of the files that a page is made of besides code: another look is another report."""
    names = (*SCRIPTS, "page.html", "page.css")
    return digest({name: file_digest(HERE / name) for name in names})


def _sections(
    scores: Scores,
    checks: Sequence[Check],
    run: Mapping[str, Any],
    texts: Sequence[Manifest],
    manifests: Sequence[Manifest],
    mixed: Mapping[str, Manifest],
    trained: Mapping[str, Manifest],
    evaluated: Mapping[str, Manifest],
) -> list[Section]:
    made_corpus, made_tokenizer, made_tokens = texts
    return [
        results.section(scores, mixed, checks),
        benchmarks.section(scores, evaluated),
        corpus_section.section(made_corpus),
        mix_section.section(mixed, trained),
        tokenizer_section.section(made_tokenizer, made_tokens),
        training.section(trained, mixed, run),
        lineage.section(manifests, run),
    ]


def _page(title: str, sections: Sequence[Section], scores: Scores, run: Mapping[str, Any], facts: str) -> str:
    scripts = [script(HERE / name) for name in SCRIPTS]
    data = {
        "charts": {name: chart for section in sections for name, chart in section.charts.items()},
        "models": _colours(scores),
        "domains": _domain_colours(run, scores),
    }
    template = string.Template((HERE / "page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=join(title),
        facts=join(facts),
        run=join(str(run["name"])),
        policy=policy(scripts),
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        navigation=join(*(el("li", el("a", s.id.capitalize(), href=f"#{s.id}")) for s in sections)),
        sections=join(*(_section(number, section) for number, section in enumerate(sections, start=1))),
        samples=str(run["evaluate"]["bootstrap_samples"]),
        data=embedded_json(data),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )


def _facts(corpus: Manifest, manifests: Sequence[Manifest], scores: Scores) -> str:
    read = sum(counts["read"] for counts in corpus.counts["sources"].values())
    counted = [
        (len(scores.models), "model"),
        (len(scores.domains), "domain"),
        (read, "document"),
        (len(manifests), "stage"),
    ]
    return " · ".join(several(number, noun) for number, noun in counted)


def _section(number: int, section: Section) -> Markup:
    heading = el("h2", el("span", str(number), class_="number"), section.title, id=f"{section.id}-title")
    claims = [el("p", sentence, class_="claim") for sentence in section.sentences]
    return el("section", heading, *claims, section.content, id=section.id, aria_labelledby=f"{section.id}-title")


def script(path: Path) -> str:
    """The script in a file of ours, as it can be inlined."""
    text = path.read_text(encoding="utf-8")
    assert "</script" not in text.lower() and "<!--" not in text, f"{path.name} cannot be inlined"
    return text


def policy(scripts: Sequence[str], *, beside: bool = False) -> str:
    """A policy under which only these very scripts run, and nothing is ever fetched or sent.

    `beside`: scripts that lie with the page may run as well, from its server or its disk.
    """
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join([*(["'self'"] if beside else []), *(f"'sha256-{value}'" for value in hashes)])
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def _colours(scores: Scores) -> dict[str, int]:
    """Number of each model's colour: 0, which is neutral, for the first base."""
    bases = [base for base, _ in scores.pairs]
    ordered = sorted(scores.models, key=lambda model: model != (bases[0] if bases else scores.models[0]))
    return {model: number for number, model in enumerate(ordered)}


def _domain_colours(run: Mapping[str, Any], scores: Scores) -> dict[str, int]:
    ordered = dict.fromkeys([*scores.domains, *run["corpus"]["domains"]])
    return {domain: number for number, domain in enumerate(ordered)}
