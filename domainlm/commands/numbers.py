"""`domainlm numbers`: what FP32, TF32, FP16, BF16, FP8 and INT8 keep of a number, by its bits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from domainlm.commands.options import Json


def numbers(
    value: Annotated[float, typer.Argument(help="The number to store.")] = 3.141592,
    picture: Annotated[Path | None, typer.Option(help="Also draw the bits, as an SVG.")] = None,
    as_json: Json = False,
) -> None:
    """Show range, precision and bytes of each number format, and a number stored in it and read back."""
    from dataclasses import asdict

    from rich.console import Console

    from domainlm.plan import bits_picture, lecture
    from domainlm.plan.numbers import stored

    if picture is not None:
        picture.write_text(bits_picture.bits(value), encoding="utf-8")
    if as_json:
        print(json.dumps([asdict(row) for row in stored(value)]))
    else:
        Console().print(*lecture.numbers(value), sep="\n")
