"""The same page as files: to open from a disk, or from a bucket, with no server."""

from __future__ import annotations

from pathlib import Path

from domainlm.dashboard import page
from domainlm.dashboard.content import Content
from domainlm.manifest import write_atomically
from domainlm.progress import tell


def write(content: Content, folder: Path) -> Path:
    """Writes the page and all its scripts into `folder`; returns the page's path. Other files there stay."""
    for number, (name, script) in enumerate(content.scripts()):
        write_atomically(folder / name, script)
        tell("dashboard", number + 1, None, "files")
    write_atomically(folder / "index.html", page.build())
    return folder / "index.html"
