"""`domainlm dashboard`: the page over the store, served on this machine or written to a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from domainlm.commands.options import Json, Workspace
from domainlm.commands.results import Store


def dashboard(
    store: Store = None,
    workspace: Workspace = None,
    static: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the page there instead, to be opened without a server.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to serve on; others than loopback are open to whoever reaches it.")
    ] = ("127.0.0.1"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to serve on; 0 for a free one.")] = 8321,
    as_json: Json = False,
) -> None:
    """Show all runs side by side, over time, and down to the items that flipped.

    Nothing is written, fetched or sent: the page is read-only and works offline.
    """
    from domainlm import outcome
    from domainlm.dashboard import static as files
    from domainlm.dashboard.content import Content

    content = Content(outcome.store_at(store, workspace or Path("workspace")))
    if static is not None:
        written = files.write(content, static)
        print(json.dumps({"page": str(written.absolute())}) if as_json else f"Dashboard: {written}")
        return
    from domainlm.dashboard.server import Server
    from domainlm.errors import StageError

    try:
        server = Server(content, host, port)
    except OSError as error:
        raise StageError(f"{host}:{port} cannot be served on: {error.strerror}; choose another --port") from error
    with server:
        print(json.dumps({"url": server.url}) if as_json else f"Dashboard: {server.url}  (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            raise typer.Exit(0) from None
