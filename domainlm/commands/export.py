"""`domainlm export`: a model in other number formats, and a table of what each costs and saves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domainlm.commands.options import Json, Shown, Workspace

if TYPE_CHECKING:
    from rich.table import Table

    from domainlm.exports import Subject
    from domainlm.manifest import Manifest

_DTYPES = "fp32, bf16, fp16, int8, fp8, gguf-f16, gguf-q8_0, or all of them: all"


def export(
    source: Annotated[Path, typer.Argument(metavar="SPEC_OR_FOLDER", help="A run spec, or a Hugging Face folder.")],
    dtype: Annotated[list[str], typer.Option(metavar="NAME", help=f"{_DTYPES}. Again for more.")],
    model: Annotated[str | None, typer.Option(metavar="NAME", help="The model of the run.")] = None,
    text: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Text for a folder, .txt or .jsonl; a domain each."),
    ] = None,
    docs: Annotated[int, typer.Option(min=1, help="Held-out documents of each source to measure on.")] = 32,
    license_name: Annotated[
        str, typer.Option("--license", help="Under which it is given on.", show_default="the base model's")
    ] = "",
    workspace: Workspace = None,
    progress: Shown = "bar",
    as_json: Json = False,
) -> None:
    """Export a trained model in other number formats; say what each costs.

    Each export is read back by a fresh process and compared with the original: logits, bits per byte by domain, bytes
    and time. The figures are printed, and stand on its model card.
    """
    from rich.console import Console

    from domainlm import exports, screen
    from domainlm.errors import StageError
    from domainlm.export.formats import FORMATS

    unknown = [name for name in dtype if name not in (*FORMATS, "all")]
    if unknown:
        raise typer.BadParameter(f"no dtype {unknown[0]!r}; there is {_DTYPES}")
    subject, place = _subject(source, model, text or [], docs, license_name, workspace)
    made: dict[str, Manifest] = {}
    refused: dict[str, str] = {}
    names = list(FORMATS) if "all" in dtype else list(dict.fromkeys(dtype))
    with screen.shown(progress):
        for name in names:
            try:
                made[name] = exports.export(subject, name, place)
            except StageError as error:
                if "all" not in dtype:
                    raise
                # Not every family can be stored in every format: the others are made, and this is told.
                refused[name] = str(error)
    if as_json:
        print(json.dumps({"exports": [_record(m) for m in made.values()], "refused": refused}))
        return
    Console().print(_table(subject.name, list(made.values())))
    for name, why in refused.items():
        print(f"{name}: not made: {why}")
    for name, of in made.items():
        print(f"{name}: {of.folder / 'model'}")


def _subject(
    source: Path, model: str | None, text: Sequence[Path], docs: int, license_name: str, workspace: Path | None
) -> tuple[Subject, Path]:
    from domainlm import exports, pipeline
    from domainlm.export.stage import Measure
    from domainlm.specs.project import load_run

    if source.is_dir():
        measure = Measure(texts={path.stem: _documents(path, docs) for path in text})
        place = (workspace or Path("workspace")).absolute()
        return exports.of_folder(source, license_name=license_name, measure=measure), place
    run = load_run(source)
    place = pipeline.place(run, workspace)
    trained = [name for name, spec in run.spec.models.items() if spec.mix is not None]
    if model is None:
        if len(trained) != 1:
            raise typer.BadParameter(f"--model: one of {', '.join(run.spec.models)}")
        model = trained[0]
    try:
        return exports.of_run(run, model, place, license_name=license_name, docs_per_source=docs), place
    except LookupError as error:
        raise typer.BadParameter(str(error)) from None


def _documents(path: Path, docs: int) -> list[str]:
    """The documents of a .jsonl file (field `text`), or a text file as one."""
    content = path.read_text(encoding="utf-8")
    if path.suffix != ".jsonl":
        return [content]
    return [json.loads(line)["text"] for line in content.split("\n")[:docs] if line]


def _record(made: Manifest) -> dict[str, Any]:
    return {"dtype": made.facts["dtype"], "folder": str(made.folder / "model"), **made.facts}


def _table(name: str, made: Sequence[Manifest]) -> Table:
    """What each export costs and saves."""
    from rich.table import Table

    domains = [of["domain"] for of in made[0].facts["difference"]["heldout"]] if made else []
    table = Table(title=f"{name}: each format beside the model as it was trained", title_justify="left")
    table.add_column("dtype")
    for column in ("bytes", "time", *domains, "same top", "max logit"):
        table.add_column(column, justify="right")
    for one in made:
        found, size = one.facts["difference"], one.facts["weight_bytes"]
        timed = found["microseconds_per_token"]
        table.add_row(
            one.facts["dtype"],
            f"{size['exported'] / size['original']:.0%}",
            f"{timed['exported'] / timed['original']:.2f}x" if timed else "-",
            *(f"{of['exported']:.4f}\n{of['difference']:+.5f}" for of in found["heldout"]),
            f"{found['logits']['same_argmax']:.1%}",
            f"{found['logits']['largest']:.2g}",
        )
    return table
