"""`domainlm tokenizer compare`: tokenizers side by side, and whether to extend, replace or leave the first."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domainlm.commands.options import Json, Workspace, group

if TYPE_CHECKING:
    from rich.table import Table

    from domainlm.tokens.compare import Compared

app = group("tokenizer", "data_specs/runs/demo.yaml")

_NAMES = "Folders, hf:OWNER/MODEL, or specs of tokenizers or runs; the first is the base."


@app.command(
    epilog="Example: domainlm tokenizer compare data_specs/runs/demo.yaml data_specs/tokenizers/demo-unigram.yaml"
)
def compare(
    names: Annotated[list[str], typer.Argument(metavar="A B...", help=_NAMES)],
    run: Annotated[
        Path | None,
        typer.Option(metavar="SPEC", help="The run whose text is measured, and trained on."),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option(metavar="DOMAIN=FILE", help="Measure this instead: .txt, .jsonl or .parquet.")
    ] = None,
    terms: Annotated[
        list[str] | None,
        typer.Option(metavar="DOMAIN=FILE", help="Terms, one a line.", show_default="data_specs/terms/DOMAIN.txt"),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The model of data_specs/models.yaml whose cost is counted.",
            show_default="the run's first, else smollm2-1.7b",
        ),
    ] = None,
    sequence: Annotated[int, typer.Option(min=1, help="Tokens in a row, for the model's FLOPs.")] = 2048,
    picture: Annotated[Path | None, typer.Option(help="Also draw it, as an SVG.")] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Show what each tokenizer makes of held-out text, what its vocabulary costs, and what to do.

    By domain: bytes per token, tokens per word, words kept whole, terms not cut, Renyi efficiency, and
    log2(vocabulary) bits and FLOPs per byte.
    """
    from domainlm import vocabularies
    from domainlm.errors import SpecError
    from domainlm.specs.gather import root_of
    from domainlm.specs.project import kind_at, load_run
    from domainlm.specs.run import RunSpec
    from domainlm.tokens import advice
    from domainlm.tokens import compare as comparing
    from domainlm.tokens import picture as drawing

    first = Path(names[0])
    if run is None and not text and first.suffix == ".yaml" and first.is_file() and kind_at(first).model is RunSpec:
        run = first
    of_run = load_run(run) if run is not None else None
    if of_run is not None:
        root = of_run.root
    else:
        try:
            root = root_of(Path.cwd() / "data_specs")
        except SpecError:
            root = Path.cwd()
    texts = vocabularies.texts(of_run, text or (), workspace)
    found = vocabularies.tokenizers(names, of_run, workspace)
    model_name, shape = vocabularies.model(model, of_run, root)
    listed = vocabularies.terms(root, list(texts), terms or ())
    compared = comparing.compare(found, texts, listed, shape, sequence_tokens=sequence)
    general = [domain for domain in texts if domain.split("-")[0] == "general"]
    sentence = advice.advice(compared, general)
    if picture is not None:
        picture.write_text(drawing.draw(compared, sentence), encoding="utf-8")
    if as_json:
        print(json.dumps({"model": model_name, "tokenizers": [asdict(one) for one in compared], "advice": sentence}))
        return
    from rich.console import Console

    console = Console()
    console.print(_table(compared, model_name, sequence))
    console.print(sentence, markup=False, highlight=False)


def _table(compared: list[Compared], model: str, sequence_tokens: int) -> Table:
    """A column a tokenizer; in brackets, against the first."""
    from rich.table import Table

    from domainlm.tokens.compare import flops

    table = Table()
    table.add_column("")
    for one in compared:
        table.add_column(one.name, justify="right", overflow="fold")
    base = compared[0]
    table.add_row("tokens in the vocabulary", *(f"{one.vocab_size:,}" for one in compared))
    table.add_row("of the first's tokens", *(f"{one.shared_tokens:.1%}" for one in compared))
    table.add_row("keeps the first's ids", *("yes" if one.keeps_ids else "no" for one in compared))
    table.add_row(f"parameters of {model}", *(f"{one.num_parameters:,}" for one in compared))
    table.add_row("  of them embeddings", *(f"{one.embedding_parameters:,}" for one in compared))
    per_token = [_against(flops(one.flops_per_token), one.flops_per_token, base.flops_per_token) for one in compared]
    table.add_row(f"FLOPs per token, rows of {sequence_tokens:,}", *per_token)
    for place, first in enumerate(base.fits):
        fits = [one.fits[place] for one in compared]
        table.add_section()
        table.add_row(f"[bold]{first.domain}[/bold], {first.num_bytes / 1e6:.1f} MB held out")
        table.add_row("tokens", *(_against(f"{f.num_tokens:,}", f.num_tokens, first.num_tokens) for f in fits))
        table.add_row("bytes per token", *(f"{f.bytes_per_token:.3f}" for f in fits))
        table.add_row("tokens per word", *(f"{f.tokens_per_word:.3f}" for f in fits))
        table.add_row("words kept whole", *(f"{f.words_kept_whole:.1%}" for f in fits))
        if first.terms_hit is not None:
            table.add_row("terms not cut", *(f"{f.terms_hit or 0:.1%}" for f in fits))
        table.add_row("Rényi efficiency", *(f"{f.renyi_efficiency:.3f}" for f in fits))
        table.add_row("bits a byte: tokens x log2(V)", *(f"{f.code_bits_per_byte:.3f}" for f in fits))
        a_byte = [_against(flops(f.flops_per_byte), f.flops_per_byte, first.flops_per_byte) for f in fits]
        table.add_row("FLOPs a byte", *a_byte)
    return table


def _against(shown: str, value: float, base: float) -> str:
    return f"{shown} ({value / base - 1:+.1%})" if base and value != base else shown
