"""HTML in which every text is escaped: markup comes from these functions or not at all."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from typing import Any


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def el(tag: str, *children: str, **attributes: str) -> Markup:
    """An element; children that are not Markup are escaped. `class_` is `class`, `data_x` is `data-x`.

    >>> el("td", "</script>", class_="number")
    '<td class="number">&lt;/script&gt;</td>'
    """
    names = {name: name.rstrip("_").replace("_", "-") for name in attributes}
    opened = "".join(f' {names[name]}="{html.escape(value)}"' for name, value in attributes.items())
    return Markup(f"<{tag}{opened}>{join(*children)}</{tag}>")


def join(*children: str) -> Markup:
    return Markup("".join(c if isinstance(c, Markup) else html.escape(c) for c in children))


def table(
    caption: str, header: Sequence[str], rows: Iterable[Sequence[str]], *, texts: Sequence[int] = (0,), foot: int = 0
) -> Markup:
    """A table that scrolls by itself where it is too wide. Columns in `texts` are words, the others numbers.

    The first cell of a row is its heading; the last `foot` rows are totals.
    """
    kinds = ["text" if i in texts else "number" for i in range(len(header))]
    head = el("tr", *(el("th", name, scope="col", class_=kind) for name, kind in zip(header, kinds, strict=True)))
    lines = []
    for row in rows:
        first = el("th", row[0], scope="row", class_=kinds[0])
        cells = (el("td", cell, class_=kind) for cell, kind in zip(row[1:], kinds[1:], strict=True))
        lines.append(el("tr", first, *cells))
    split = len(lines) - foot
    body = el("tbody", *lines[:split])
    total = el("tfoot", *lines[split:]) if foot else Markup("")
    made = el("table", el("caption", caption), el("thead", head), body, total)
    return el("div", made, class_="scroll", tabindex="0", role="region", aria_label=caption)


def details(summary: str, *content: str) -> Markup:
    return el("details", el("summary", summary), *content)


def figure(chart: str, title: str, note: str = "") -> Markup:
    """The place of a picture that charts.js draws from the data of the same name."""
    identity = f"chart-{chart}"
    caption = [el("figcaption", note)] if note else []
    drawn = el("div", class_="chart", data_chart=chart, id=identity)
    return el("figure", el("h3", title, id=f"{identity}-title"), drawn, *caption, aria_labelledby=f"{identity}-title")


def embedded_json(value: Any) -> Markup:
    """`value` as JSON that no text in it can end: `<`, `>` and `&` are written as escapes.

    >>> embedded_json("</script><!--")
    '"\\\\u003c/script\\\\u003e\\\\u003c!--"'
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
