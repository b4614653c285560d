"""The page itself: one HTML file with its styles and its charts in it; only the data are scripts beside it."""

from __future__ import annotations

import string
from pathlib import Path

from domainlm.report import page as report
from domainlm.report.markup import Markup

HERE = Path(__file__).parent
SCRIPTS = ("rows.js", "table.js", "pictures.js", "flips.js", "dashboard.js")


def build() -> bytes:
    """`index.html`: it loads `data.js`, `records/*.js` and `items/*.js` from beside itself, and nothing else."""
    shared = [report.script(report.HERE / name) for name in (*report.SCRIPTS[:2], "parts.js")]
    own = [report.script(HERE / name) for name in SCRIPTS]
    template = string.Template((HERE / "page.html").read_text(encoding="utf-8"))
    style = (report.HERE / "page.css").read_text(encoding="utf-8") + (HERE / "page.css").read_text(encoding="utf-8")
    filled = template.substitute(
        policy=Markup(report.policy([*shared, *own], beside=True)),
        style=style,
        scripts="\n".join(f"<script>{script}</script>" for script in [*shared, *own]),
    )
    return filled.encode()
