"""`domainlm corpus why | stats | sample`: what became of a document, of a source, and what a filter takes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domainlm.commands.options import Json, Spec, Workspace, group

if TYPE_CHECKING:
    from domainlm.corpus.sample import Sampled
    from domainlm.manifest import Manifest

app = group("corpus", "data_specs/runs/demo.yaml")

Source = Annotated[str | None, typer.Option(metavar="DOMAIN/SOURCE", help="Only this source, or this domain.")]


@app.command(epilog="Example: domainlm corpus why data_specs/runs/demo.yaml licenses/numpy/LICENSE.txt")
def why(
    spec: Spec,
    document: Annotated[str, typer.Argument(metavar="ID", help="A document's id.")],
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Say what became of a document: kept, or dropped at which stage, for which reason, and for which other."""
    from domainlm.corpus.explain import why as fates_of
    from domainlm.errors import DataError

    fates = fates_of(_corpus(spec, workspace), document)
    if not fates:
        raise DataError(f"no document {document!r} was read; `domainlm corpus sample` shows some that were")
    if as_json:
        print(json.dumps([asdict(fate) for fate in fates]))
        return
    for fate in fates:
        print(f"{fate.id}  ({fate.domain}/{fate.source}, {fate.split})")
        print(f"  {fate.stage}{f': {fate.reason}' if fate.reason else ''}")
        if fate.kept_for is not None:
            other = fate.kept_for
            print(f"  kept in its place: {other.id} ({other.domain}/{other.source}, {other.split})")
        if fate.cluster_docs > 1:
            print(f"  {fate.cluster_docs:,} documents in its cluster of duplicates")
        print(_indented(fate.text_head))


@app.command(epilog="Example: domainlm corpus stats data_specs/runs/demo.yaml")
def stats(spec: Spec, workspace: Workspace = None, as_json: Json = False) -> None:
    """Count documents, bytes and tokens at each stage, by source; lengths, languages, and why documents went."""
    from rich.console import Console

    from domainlm import pipeline
    from domainlm.report import corpus_table
    from domainlm.specs.project import load_run

    run = load_run(spec)
    place = pipeline.place(run, workspace)
    finished = pipeline.done(run, place)
    corpus = _corpus(spec, workspace)
    found = corpus_table.stats(corpus, finished.get("tokenizer"), finished.get("tokens"))
    if as_json:
        print(json.dumps(found))
    else:
        Console().print(*corpus_table.render(found), sep="\n")


@app.command(epilog="Example: domainlm corpus sample data_specs/runs/demo.yaml --dropped length --docs 5")
def sample(
    spec: Spec,
    dropped: Annotated[
        str | None, typer.Option(metavar="REASON", help="Of those dropped for a reason with these words.")
    ] = None,
    quarantined: Annotated[
        str | None, typer.Option(metavar="REASON", help="Of those in quarantine for a reason with these words.")
    ] = None,
    source: Source = None,
    docs: Annotated[int, typer.Option(min=1, help="How many.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other documents.")] = 0,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Show documents to read by eye: kept ones, or those that a reason took."""
    from domainlm.corpus import sample as sampling

    if dropped is not None and quarantined is not None:
        raise typer.BadParameter("either --dropped or --quarantined")
    corpus = _corpus(spec, workspace)
    if dropped is not None:
        found = sampling.dropped(corpus, dropped, docs, source=source, seed=seed)
    elif quarantined is not None:
        found = sampling.quarantined(corpus, quarantined, docs, source=source, seed=seed)
    else:
        found = sampling.kept(corpus, docs, source=source, seed=seed)
    if as_json:
        print(json.dumps([asdict(row) for row in found]))
        return
    for row in found:
        print(_shown(row))


def _corpus(spec: Path, workspace: Path | None) -> Manifest:
    from domainlm import pipeline
    from domainlm.errors import StageError
    from domainlm.specs.project import load_run

    run = load_run(spec)
    finished = pipeline.done(run, pipeline.place(run, workspace))
    if "corpus" not in finished:
        raise StageError(f"the corpus of {spec} is not built for its present spec; run `domainlm corpus {spec}` first")
    return finished["corpus"]


def _shown(row: Sampled) -> str:
    said = f"{row.id}  ({row.source}{f', {row.split}' if row.split else ''})"
    if row.reason:
        said += f"\n  {row.reason}"
    if row.duplicate_of is not None:
        said += f"; kept in its place: {row.duplicate_of}"
    return f"{said}\n{_indented(row.text_head)}\n"


def _indented(text: str) -> str:
    """Text from outside, safe to print: nothing in it moves the cursor."""
    plain = "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
    return "\n".join(f"  | {line}" for line in plain.split("\n"))
