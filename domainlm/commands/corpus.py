"""`domainlm corpus why | stats | sample | clean`: what became of a document, of a source, of a run; and leftovers."""

from __future__ import annotations

import json
import shutil
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
    from domainlm.report.corpus_table import indented

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
        print(indented(fate.text_head))


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


@app.command(epilog="Example: domainlm corpus clean data_specs/runs/*.yaml --delete")
def clean(
    specs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="All the runs whose parts are to stay.")],
    delete: Annotated[bool, typer.Option("--delete", help="Delete them; without it they are only listed.")] = False,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """List what sources were read into for specs, code or files that are no longer so, and delete it if asked to.

    Only folders of `read/` that none of these runs uses as it is now: what is in them can be read again.
    """
    left = {folder: _num_bytes(folder) for folder in _unused(specs, workspace)}
    if delete:
        for folder in left:
            _delete(folder)
    if as_json:
        print(json.dumps({"deleted": delete, "folders": {str(folder): size for folder, size in left.items()}}))
        return
    for folder, num_bytes in left.items():
        print(f"{num_bytes / 1e6:10,.1f} MB  {folder}")
    total = f"{len(left)} folders, {sum(left.values()) / 1e6:,.1f} MB"
    print(f"{total}: deleted" if delete else f"{total}: nothing is deleted without --delete")


def _unused(specs: list[Path], workspace: Path | None) -> list[Path]:
    """Folders of the stages `read` in the workspaces of these runs that none of them uses."""
    from domainlm import pipeline
    from domainlm.specs.project import load_run

    used, places = set(), set()
    for spec in specs:
        run = load_run(spec)
        place = pipeline.place(run, workspace)
        places.add(place)
        used |= {
            pipeline.request(run, stage, {}).folder(place) for stage in pipeline.stages(run) if stage.kind == "read"
        }
    found = (folder for place in places for folder in (place / "read").glob("*") if folder.is_dir())
    return sorted(set(found) - used)


def _num_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _delete(folder: Path) -> None:
    from domainlm import exclusive, manifest

    with exclusive.held(folder, folder.name):
        # First of all: what is half deleted must not be taken for a finished stage.
        (folder / manifest.FILE_NAME).unlink(missing_ok=True)
        shutil.rmtree(folder)


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
    from domainlm.report.corpus_table import indented

    said = f"{row.id}  ({row.source}{f', {row.split}' if row.split else ''})"
    if row.reason:
        said += f"\n  {row.reason}"
    if row.duplicate_of is not None:
        said += f"; kept in its place: {row.duplicate_of}"
    return f"{said}\n{indented(row.text_head)}\n"
