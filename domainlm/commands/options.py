"""The arguments that many commands share, with the same words in each one's help."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from domainlm import screen


def _engine(name: str | None) -> str | None:
    """Leaves the choice where every process that the command starts finds it: in the environment."""
    if name is not None:
        from domainlm import named

        known = named.names("domainlm.corpus.engines")
        if name not in known:
            raise typer.BadParameter(f"no engine {name!r}; there is {', '.join(known)}")
        os.environ["DOMAINLM_ENGINE"] = name
    return name


def _to_environment(variable: str) -> Callable[[Any], Any]:
    """Leaves a value where every process that the command starts finds it."""

    def leave(value: Any) -> Any:
        if value is not None:
            os.environ[variable] = str(value)
        return value

    return leave


Spec = Annotated[Path, typer.Argument(metavar="SPEC", help="A run spec, such as data_specs/runs/demo.yaml.")]
Workspace = Annotated[
    Path | None,
    typer.Option(help="Where finished stages are kept.", envvar="DOMAINLM_WORKSPACE", show_default="PROJECT/workspace"),
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes at work.", show_default="one a core")]
Engine = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="What reads the sources: local, or a cluster by ray or slurm. The result is the same.",
        envvar="DOMAINLM_ENGINE",
        show_default="local",
        callback=_engine,
    ),
]
Nodes = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Machines that train together.",
        envvar="DOMAINLM_NODES",
        show_default="1",
        callback=_to_environment("DOMAINLM_NODES"),
    ),
]
Node = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Which of them this is, from 0.",
        envvar="DOMAINLM_NODE",
        show_default="0",
        callback=_to_environment("DOMAINLM_NODE"),
    ),
]
Rendezvous = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Where they meet: on machine 0.",
        envvar="DOMAINLM_RENDEZVOUS",
        callback=_to_environment("DOMAINLM_RENDEZVOUS"),
    ),
]
Shown = Annotated[Literal["bar", "json", "none"], typer.Option("--progress", help="How progress is shown.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, for machines.")]
StageId = Annotated[str | None, typer.Option("--stage", metavar="ID", help="Only this stage, such as compare.")]
Model = Annotated[str | None, typer.Option(metavar="NAME", help="Only this model of the run.")]


class InOrder(TyperGroup):
    """Lists its commands in the order in which a person needs them."""

    order = (
        *("check", "lock", "plan", "numbers", "models", "run"),
        *("corpus", "tokenizer", "mix", "train", "evaluate", "report", "export"),
        *("results", "dashboard"),
    )

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(self.commands, key=lambda name: self.order.index(name) if name in self.order else len(self.order))


class BuildsByDefault(TyperGroup):
    """A group whose command `build` may be left out: `domainlm corpus RUN` is `domainlm corpus build RUN`."""

    default = "build"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = [self.default, *args]
        return super().parse_args(ctx, args)


class ListsByDefault(BuildsByDefault):
    """A group whose command `list` may be left out, with or without options."""

    default = "list"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args or [self.default])


def group(name: str, example: str, cls: type[BuildsByDefault] = BuildsByDefault) -> typer.Typer:
    """An app for `domainlm NAME`, one of whose commands is meant where none is named."""
    return typer.Typer(
        name=name,
        cls=cls,
        no_args_is_help=cls is BuildsByDefault,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        epilog=f"Example: domainlm {name} {example}",
    )


@contextmanager
def working(progress: screen.Mode) -> Iterator[None]:
    """Progress is shown inside the block, and an interruption there is told in one line. Exit code 1."""
    from domainlm import screen

    try:
        with screen.shown(progress):
            yield
    except KeyboardInterrupt:
        print("Interrupted. The same command goes on from here.", file=sys.stderr)
        raise typer.Exit(1) from None
